package hosts

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"esmtpq/tests/stage"
)

// An authServer is oidc-provider: see servers/npm/oidc.mjs.
type authServer struct {
	t       *testing.T
	addr    string
	process *process
}

func startAuthServer(t *testing.T, settings ...string) *authServer {
	t.Helper()
	modules := filepath.Join(unpacked(t, "npm", "node_modules/oidc-provider/package.json"), "node_modules")
	stage.Needs(t, "node")
	s := &authServer{t: t, addr: freeAddress(t)}
	s.process = start(t, exec.Command("node", append([]string{"servers/npm/oidc.mjs", modules, portOf(s.addr)}, settings...)...))
	stage.Await(t, "an answer of the authorization server", func() bool {
		resp, err := http.Get("http://" + s.addr + "/stats")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return s
}

func (s *authServer) issuer() string { return "http://localhost:" + portOf(s.addr) }

// refreshes returns how many there were.
func (s *authServer) refreshes() string {
	s.t.Helper()
	resp, err := http.Get("http://" + s.addr + "/stats")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	n, _ := io.ReadAll(resp.Body)
	return string(n)
}

// allow has the login of a person who allows the access.
func (p *person) allow() { p.allowing("oauth", "login", "me@example.org") }

// allowing runs esmtpq, and allows the access that it asks for.
func (p *person) allowing(args ...string) {
	p.t.Helper()
	cmd := p.Command("esmtpq", args...)
	in, _ := cmd.StdinPipe()
	defer in.Close()
	out, _ := cmd.StdoutPipe()
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(io.TeeReader(out, &said))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "http") {
			jar, _ := cookiejar.New(nil)
			resp, err := (&http.Client{Jar: jar}).Get(lines.Text())
			if err != nil {
				p.t.Fatal(err)
			}
			resp.Body.Close()
		}
	}
	if err := cmd.Wait(); err != nil {
		p.t.Fatalf("%v\n%s", err, said.String())
	}
}

// startOAuthHost starts a Dovecot that asks the authorization server about each token.
func startOAuthHost(t *testing.T, s *authServer) *host {
	t.Helper()
	h := startDovecot(t, "dovecot", `auth_mechanisms = xoauth2 oauthbearer
auth_failure_delay = 0
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /etc/dovecot/oauth2
}
`, fmt.Sprintf("introspection_url = http://host:correct-horse@localhost:%s/token/introspection\nintrospection_mode = post\nusername_attribute = sub\nactive_attribute = active\nactive_value = true\n", portOf(s.addr)))
	h.user = "user@example.net"
	return h
}

// From nothing to mail that arrives, with a client ID that the authorization server gives by itself.
func TestDovecotSetupOAuth(t *testing.T) {
	s := startAuthServer(t)
	h := startOAuthHost(t, s)
	me := newSecurePerson(t, h, "")
	os.Remove(me.Path(".esmtprc"))
	me.allowing("setup", "--host", "localhost:"+me.port, "--tls", "starttls", "--oauth", s.issuer(), "--username", h.user, "me@example.org")
	mails := h.newMails(2)
	me.send(mails...)
	me.once(mails)
}

// From a configuration to mail that arrives: Dovecot asks the authorization server about each
// token.
func TestDovecotOAuth(t *testing.T) {
	s := startAuthServer(t, "rotate=1", "at=30")
	h := startOAuthHost(t, s)
	me := newSecurePerson(t, h, "")
	me.logsIn("oauth:", "  provider: "+s.issuer(), "  client_id: native", "  scope: openid offline_access mail", "  redirect_url: http://127.0.0.1/back")

	mails := h.newMails(3)
	me.send(mails...)
	me.waits("access token unavailable: identity me@example.org: there has been no login; run: esmtpq oauth login me@example.org")
	me.connects(1)
	me.allow()
	me.once(mails)
	if n := s.refreshes(); n != "0" {
		t.Errorf("%s refreshes of a new token", n)
	}

	// Ten deliveries at once renew the token once: it is in the second half of its life.
	path := filepath.Join(me.Home, ".local/state/esmtpq/oauth/me@example.org.json")
	text := stage.Read(t, path)
	me.Write(".local/state/esmtpq/oauth/me@example.org.json", expired.ReplaceAllString(text, `"expires": "2020-01-01T00:00:00Z"`))
	mails = h.newMails(10)
	me.send(mails...)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { me.Try("", "deliver") })
	}
	all.Wait()
	me.once(mails)
	if n := s.refreshes(); n != "1" {
		t.Errorf("%s refreshes", n)
	}

	// The host refuses a token that was revoked: another one is fetched, once.
	text = stage.Read(t, path)
	me.Write(".local/state/esmtpq/oauth/me@example.org.json", access.ReplaceAllString(obtained.ReplaceAllString(text, `"obtained": "2020-01-01T00:00:00Z"`), `"access_token": "revoked"`))
	mails = h.newMails(1)
	me.send(mails...)
	me.once(mails)
	if n := s.refreshes(); n != "2" {
		t.Errorf("%s refreshes", n)
	}

	// The authorization server is down, for us and for the host: that passes.
	s.process.stop()
	mails = h.newMails(1)
	me.send(mails...)
	me.waits("454")
	text = stage.Read(t, path)
	me.Write(".local/state/esmtpq/oauth/me@example.org.json", expired.ReplaceAllString(text, `"expires": "2020-01-01T00:00:00Z"`))
	me.waits("the renewal of the access token failed: ", "; it is tried again")
	searchTokens(me, text)
}

var (
	access   = regexp.MustCompile(`"access_token": "[^"]*"`)
	refresh  = regexp.MustCompile(`"refresh_token": "([^"]*)"`)
	expired  = regexp.MustCompile(`"expires": "[^"]*"`)
	obtained = regexp.MustCompile(`"obtained": "[^"]*"`)
)

// waits runs deliver and expects that all mail waits, with these texts in the reason.
func (p *person) waits(texts ...string) {
	p.t.Helper()
	p.run()
	waiting := p.waiting()
	if len(waiting) == 0 {
		p.t.Error("nothing waits")
	}
	for _, q := range waiting {
		for _, text := range texts {
			if said := fmt.Sprint(q.reason, q.status, q); !strings.Contains(said, text) {
				p.t.Errorf("the reason is %s, without %s", said, text)
			}
		}
	}
	if failed := p.failed(); len(failed) > 0 {
		p.t.Errorf("failed: %v", failed)
	}
}

// searchTokens looks for the tokens of a record outside of its file.
func searchTokens(p *person, text string) {
	p.t.Helper()
	secret := refresh.FindStringSubmatch(text)[1]
	if secret == "" {
		p.t.Fatal("no refresh token")
	}
	filepath.WalkDir(p.Home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.Contains(path, "/esmtpq/oauth/") {
			if b, _ := os.ReadFile(path); strings.Contains(string(b), secret) {
				p.t.Errorf("%s has the refresh token", path)
			}
		}
		return nil
	})
}
