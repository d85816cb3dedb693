package clients

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"esmtpq/tests/stage"
)

// A webHost takes mail by HTTP, as those do that take it no more by SMTP.
type webHost struct {
	*httptest.Server
	mu     sync.Mutex
	status int // of the answer
	posted []string
	dies   func() // called in place of an answer, once a mail has been taken; nil for an answer
}

func newWebHost(t *testing.T) *webHost {
	h := &webHost{status: http.StatusAccepted}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		if err != nil {
			return
		}
		h.posted = append(h.posted, r.Header.Get("X-To")+"\n"+string(body))
		if h.dies != nil {
			h.dies()
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(h.status)
		fmt.Fprintf(w, "{\"error\": {\"code\": \"%d\"}}", h.status)
	}))
	t.Cleanup(h.Close)
	return h
}

// postScript hands a mail to a web host with curl. It says with what the host has not taken it.
const postScript = `#!/bin/sh
out=$(curl -sS -m 60 -w '\n%{http_code}' -H "X-To: $*" -H 'Content-Type: message/rfc822' --data-binary @- "$URL" 2>&1) || { echo "$out"; exit 69; }
case $out in
*202) exit 0;;
*401) echo "$out"; exit 77;;
*4??) echo "$out"; exit 65;;
esac
echo "$out"
exit 75
`

func commandPerson(t *testing.T, url string) *stage.Person {
	stage.Needs(t, "curl")
	p := stage.NewPerson(t)
	p.WriteScript("bin-post", postScript)
	p.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me@example.org\n    transport: command\n    command: ./bin-post %T\n    qualify_domain: example.org\n")
	p.Setenv("URL=" + url)
	return p
}

// Mail goes out by curl: one call for each message, in order, with all recipients and the content as
// it is in the queue.
func TestCommandThatPosts(t *testing.T) {
	h := newWebHost(t)
	p := commandPerson(t, h.URL)
	for i := range 3 {
		p.Run(fmt.Sprintf("Subject: %d\nBcc: b@example.net\n\n.text.\n", i), "sendmail", "-t", "a@example.net", "joe")
	}
	out := p.Run("", "esmtpq", "explain", "-f", "me@example.org", "a@example.net")
	if !strings.Contains(out, "  command:       ./bin-post %T\n") || strings.Contains(out, "smart host") {
		t.Errorf("explain:\n%s", out)
	}
	p.Deliver()
	if len(h.posted) != 3 {
		t.Fatalf("%q", h.posted)
	}
	for i, mail := range h.posted {
		if !strings.HasPrefix(mail, "a@example.net joe@example.org b@example.net\n") || !strings.Contains(mail, fmt.Sprintf("Subject: %d\n", i)) ||
			!strings.HasSuffix(mail, "\n\n.text.\n") || strings.Contains(mail, "Bcc") || strings.Contains(mail, "Return-Path") {
			t.Errorf("%d arrived as\n%s", i, mail)
		}
	}
}

// What the host says decides, and is shown.
func TestCommandThatIsRefused(t *testing.T) {
	h := newWebHost(t)
	p := commandPerson(t, h.URL)
	for _, c := range []struct {
		status, code int
		says         []string
	}{
		{401, 75, []string{"exit status 77, permission denied: ", "401", "see why the command fails: " + p.Path(".config/esmtpq/config.yaml") + " line 4, then type deliver"}},
		{503, 75, []string{"exit status 75, temporary failure: ", "503"}},
		{413, 0, []string{"failed: exit status 65, wrong data in the message: ", "413"}},
	} {
		h.status = c.status
		p.Run("x\n", "sendmail", "a@example.net")
		p.Run("x\n", "sendmail", "b@example.net")
		r := p.Try("", "deliver")
		said := r.Stderr + p.Run("", "mailq")
		for _, text := range c.says {
			if !strings.Contains(said, text) {
				t.Errorf("%d: no %q in\n%s", c.status, text, said)
			}
		}
		if r.Code != c.code {
			t.Errorf("%d: exit %d", c.status, r.Code)
		}
		if n := map[int]int{401: 1, 503: 2, 413: 2}[c.status]; len(h.posted) != n { // refused login: one attempt for all
			t.Errorf("%d: %d were posted", c.status, len(h.posted))
		}
		h.posted = nil
		p.Run("", "esmtpq", "rm", "--yes", "all")
	}
	h.Close()
	p.Run("x\n", "sendmail", "a@example.net")
	if r := p.Try("", "deliver"); r.Code != 75 || !strings.Contains(r.Stderr, "exit status 69, service unavailable: curl:") {
		t.Errorf("exit %d: %s", r.Code, r.Stderr)
	}
}

// A run that is killed while the command has the mail leaves it possibly delivered, and ends the
// command before it calls it again.
func TestCommandOfAKilledRun(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("no /proc")
	}
	h := newWebHost(t)
	p := commandPerson(t, h.URL)
	p.WriteScript("bin-post", "#!/bin/sh\ncat >mail; echo $$ >>pids; test -e go || sleep 600\necho $$ >>sent\n")
	p.Run("x\n", "sendmail", "a@example.net")
	run := p.Command("deliver")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	stage.Await(t, "called", func() bool { b, _ := os.ReadFile(p.Path("pids")); return len(b) > 0 })
	run.Process.Kill()
	run.Wait()
	if out := p.Run("", "mailq"); !strings.Contains(out, "being sent") {
		t.Errorf("%s", out)
	}
	p.Write("go", "")
	p.Deliver()
	pids := strings.Fields(stage.Read(t, p.Path("pids")))
	if sent := strings.Fields(stage.Read(t, p.Path("sent"))); len(pids) != 2 || !slices.Equal(sent, pids[1:]) {
		t.Errorf("called %q, sent %q", pids, sent)
	}
}

// What cannot work is said at once, with its line.
func TestCommandMistakes(t *testing.T) {
	p := stage.NewPerson(t)
	for settings, want := range map[string]string{
		"transport: command":                                          "config.yaml:3: identities[0] has transport: command and no command",
		"command: send %T\n    host: h":                               "config.yaml:3: identities[0] has a command and no transport: command",
		"transport: command\n    command: send %T\n    host: h":       "config.yaml:5: identities[0] has host, which means nothing with transport: command",
		"transport: command\n    command: send %T\n    password: abc": "has password, which means nothing with transport: command",
		"transport: http\n    host: h":                                "transport should be smtp or command",
		"transport: command\n    command: send":                       "config.yaml:4: command of identity me@example.org: has no %T",
		"transport: command\n    command: sh -c 'send %T'":            "config.yaml:4: command of identity me@example.org: %T or %F would become part of a text that is run by sh -c",
	} {
		p.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me@example.org\n    "+settings+"\n")
		if r := p.Try("x\n", "sendmail", "a@example.net"); r.Code != 78 || !strings.Contains(r.Stderr, want) {
			t.Errorf("%s: exit %d: %s", settings, r.Code, r.Stderr)
		}
		if r := p.Try("", "esmtpq", "check"); r.Code != 78 || !strings.Contains(r.Stdout, want) {
			t.Errorf("check: %s: exit %d: %s", settings, r.Code, r.Stdout)
		}
	}
}
