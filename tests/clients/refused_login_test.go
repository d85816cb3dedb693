package clients

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// Replies of providers to a login, and what a person is told of them.
var refusedLogins = []struct {
	name  string
	token bool
	json  string // in a 334 before the reply
	reply string
	needs bool // the person
	says  string
	cure  string // "" for that of the password or the token
}{
	{name: "google400", token: true, json: `{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`, needs: true, says: "535 5.7.8 Username and Password",
		reply: "535-5.7.8 Username and Password not accepted. For more information, go to\r\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials a640c23a62f3a-gsmtp"},
	{name: "google401", token: true, json: `{"status":"401"}`, reply: "535 5.7.1 not accepted", needs: true, says: "535 5.7.1 not accepted"},
	{name: "microsoft", token: true, reply: "535 5.7.3 Authentication unsuccessful [AM0PR01CA0001.eurprd01.prod.exchangelabs.com]", needs: true, says: "535 5.7.3"},
	{name: "soon", token: true, reply: "501 5.5.127 Token will expire soon", says: "it takes no token that ends within ten minutes"},
	{name: "other", token: true, reply: "501 5.5.124 Invalid XOAUTH2 auth data", needs: true, says: "the token is another user's than the username"},
	{name: "tenant", token: true, reply: "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.", needs: true,
		says: "535 5.7.139", cure: "an administrator has to allow SMTP AUTH"},
	{name: "mailbox", reply: "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.", needs: true,
		says: "535 5.7.139", cure: "an administrator has to allow SMTP AUTH"},
	{name: "basic", reply: "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", needs: true,
		says: "takes no password any more", cure: "run: esmtpq oauth login basic@example.org, then type deliver"},
	{name: "client", reply: "550 5.7.30 Basic authentication is not supported for Client Submission.", needs: true,
		says: "takes no password any more", cure: "run: esmtpq oauth login client@example.org, then type deliver"},
	{name: "app", reply: "534 5.7.9 Application-specific password required", needs: true,
		says: "make an app password", cure: "run: esmtpq oauth login app@example.org, then type deliver"},
	{name: "browser", reply: "534 5.7.14 <https://accounts.google.com/signin/continue> Please log in via your web browser", needs: true,
		says: "534 5.7.14", cure: "log in to the account in a browser once, then type deliver"},
	{name: "often", reply: "454 4.7.0 Too many login attempts, please try again later.", says: "454 4.7.0"},
	{name: "yahoo", reply: "535 5.7.0 (#AUTH005) Too many bad auth attempts.", says: "after too many failed logins a host refuses all for a while"},
	{name: "exim", reply: "535 Incorrect authentication data", needs: true, says: "535 5.0.0"},
	{name: "postfix", reply: "535 5.7.8 Error: authentication failed: ", needs: true, says: "535 5.7.8"},
	{name: "trouble", token: true, json: `{"schemes":"bearer","status":"500"}`, reply: "535 5.7.8 no", says: "535 5.7.8"},
	{name: "courier", reply: "435 Unable to authenticate at present", says: "435"},
	{name: "busy", reply: "421 4.7.0 Try again later, closing connection.", says: "421 4.7.0"},
	{name: "good", reply: "235 2.7.0 welcome"},
}

// refusingHost is a smart host that answers a login by the user's name.
func refusingHost(t *testing.T) (addr string, tried func() map[string]int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	counts := map[string]int{}
	var done sync.WaitGroup
	t.Cleanup(func() { l.Close(); done.Wait() })
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(time.Minute))
				refusingSession(conn, func(name string) { mu.Lock(); defer mu.Unlock(); counts[name]++ })
			})
		}
	})
	return l.Addr().String(), func() map[string]int { mu.Lock(); defer mu.Unlock(); return maps.Clone(counts) }
}

func refusingSession(conn net.Conn, try func(name string)) {
	r := bufio.NewReader(conn)
	say := func(s string) { io.WriteString(conn, s+"\r\n") }
	say("220 mx")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		switch strings.ToUpper(words[0]) {
		case "EHLO":
			say("250-mx\r\n250 AUTH PLAIN XOAUTH2")
		case "AUTH":
			secret, _ := base64.StdEncoding.DecodeString(words[2])
			for _, c := range refusedLogins {
				if !strings.Contains(string(secret), c.name+"@") {
					continue
				}
				try(c.name)
				if c.json != "" {
					say("334 " + base64.StdEncoding.EncodeToString([]byte(c.json)))
					r.ReadString('\n')
				}
				say(c.reply)
			}
		case "MAIL":
			if strings.Contains(line, "clear@") {
				say("530 5.7.0 Must issue a STARTTLS command first")
				continue
			}
			say("250 ok")
		case "DATA":
			say("354 go on")
			for line != ".\r\n" && err == nil {
				line, err = r.ReadString('\n')
			}
			say("250 queued")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// A login that is refused fails no mail, keeps no other identity from going on, and is told with what
// helps.
func TestRefusedLogins(t *testing.T) {
	addr, tried := refusingHost(t)
	me := stage.NewPerson(t)
	config := "batch_delay: never\nidentities:\n"
	for _, c := range refusedLogins {
		login := "password: correct-horse"
		if c.token {
			login = "token_command: echo correct-horse"
		}
		config += fmt.Sprintf("- {name: %[1]s@example.org, host: %[2]q, tls: off, username: %[1]s@example.org, %[3]s}\n", c.name, addr, login)
	}
	me.Write(".config/esmtpq/config.yaml", config)
	for _, c := range refusedLogins {
		me.Run(fmt.Sprintf("From: %s@example.org\nSubject: hello\n\ntext\n", c.name), "sendmail", "friend@example.net")
	}
	if r := me.Try("", "deliver"); r.Code != 75 {
		t.Fatalf("%+v", r)
	}
	list := me.Run("", "mailq")
	type entry struct {
		QueueName string `json:"queue_name"`
		Sender    string
		WaitsFor  struct {
			Identity, Reason, Cure string
			NeedsYou               bool `json:"needs_you"`
		} `json:"waits_for"`
	}
	waits := map[string]entry{}
	for _, line := range strings.Split(strings.TrimSpace(me.Run("", "mailq", "--json")), "\n") {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err, line)
		}
		waits[e.Sender] = e
	}
	if len(waits) != len(refusedLogins)-1 {
		t.Errorf("%d mails wait:\n%s", len(waits), list)
	}
	for _, c := range refusedLogins {
		name := c.name + "@example.org"
		e, ok := waits[name]
		if c.name == "good" {
			if ok {
				t.Errorf("good mail waits:\n%s", list)
			}
			continue
		}
		cure := c.cure
		if cure == "" && c.needs {
			cure = "identity " + name
		}
		_, said, _ := strings.Cut(list, "\n"+name+": ")
		said, _, _ = strings.Cut(said, "\n")
		if !strings.Contains(said, c.says) || !strings.Contains(said, cure) || strings.HasPrefix(said, "login refused: ") != c.needs ||
			strings.HasSuffix(said, ": goes out by itself") == c.needs || c.needs && strings.Count(said, "then type deliver")+strings.Count(said, "administrator") != 1 {
			t.Errorf("%s: mailq says: %s", name, said)
		}
		if e.QueueName != "deferred" || e.WaitsFor.Identity != name || e.WaitsFor.NeedsYou != c.needs || (e.WaitsFor.Cure != "") != c.needs {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if strings.Contains(list, "correct-horse") {
		t.Error("a secret shows")
	}
	for _, c := range refusedLogins {
		if n := tried()[c.name]; n == 0 || n > 2 || n > 1 && !c.token {
			t.Errorf("%s was tried %d times", c.name, n)
		}
	}
}

// A host that takes mail by TLS only wants no user name.
func TestTLSWanted(t *testing.T) {
	addr, _ := refusingHost(t)
	me := stage.NewPerson(t)
	me.Write(".config/esmtpq/config.yaml", fmt.Sprintf("batch_delay: never\nidentities:\n- name: clear@example.org\n  host: %q\n  tls: off\n", addr))
	me.Waits("530 5.7.0 Must issue a STARTTLS command first")
	cure := "set tls: starttls in " + me.Path(".config/esmtpq/config.yaml") + " line 5, then type deliver"
	if line := lastLine(me.Run("", "mailq")); !strings.HasSuffix(line, ": "+cure) || strings.Contains(line, "username") {
		t.Errorf("mailq says: %s", line)
	}
}

// A token that cannot be had is told with what helps: nothing where the network or the provider is in
// trouble, and otherwise the one command.
func TestNoToken(t *testing.T) {
	addr, _ := refusingHost(t)
	for _, c := range []struct {
		name, kind, body string
		status           int
		needs            bool
		says             string
	}{
		{"portal", "text/html", "<html>Hotel</html>", 200, false, "a web page answers in place of the server (status 200)"},
		{"down", "text/html", "<html>Bad gateway</html>", 503, false, "busy or in trouble (status 503)"},
		{"often", "text/plain", "slower", 429, false, "busy or in trouble (status 429)"},
		{"later", "application/json", `{"error":"temporarily_unavailable"}`, 400, false, "temporarily_unavailable"},
		{"revoked", "application/json", `{"error":"invalid_grant"}`, 400, true, "invalid_grant"},
		{"policy", "application/json", `{"error":"interaction_required"}`, 400, true, "interaction_required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}))
			defer server.Close()
			me := stage.NewPerson(t)
			me.Write(".config/esmtpq/config.yaml", fmt.Sprintf("batch_delay: never\nnotify: cat >> $HOME/notes\nidentities:\n- {name: me@example.org, host: %q, tls: off, "+
				"oauth: {provider: %q, client_id: id, token_url: %q}}\n", addr, server.URL, server.URL+"/token"))
			record := ".local/state/esmtpq/oauth/me@example.org.json"
			me.Write(record, fmt.Sprintf(`{"version":1,"identity":"me@example.org","provider":%q,"client_id":"id",`+
				`"token_url":%q,"access_token":"old","refresh_token":"precious","expires":"2020-01-01T00:00:00Z","obtained":"2019-12-31T23:00:00Z"}`, server.URL, server.URL+"/token"))
			me.Waits(c.says)
			line := lastLine(me.Run("", "mailq"))
			cured := strings.HasSuffix(line, ": run: esmtpq oauth login me@example.org, then type deliver")
			if !strings.Contains(line, c.says) || strings.Contains(line, "correct ") || cured != c.needs ||
				strings.HasSuffix(line, ": goes out by itself") == c.needs || strings.Count(line, "run: ") > 1 {
				t.Errorf("mailq says: %s", line)
			}
			if _, err := os.Stat(me.Path("notes")); (err == nil) != c.needs {
				t.Errorf("told: %v", err)
			}
			if kept, err := os.ReadFile(me.Path(record)); err != nil || !strings.Contains(string(kept), "precious") {
				t.Errorf("the refresh token is gone: %v %s", err, kept)
			}
		})
	}
}
