package oauth

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/identity"
)

// A login in a browser, whose token is good, kept to its owner, and used without any request.
func TestLogin(t *testing.T) {
	s := startServer(t)
	for name, change := range map[string]func(*identity.OAuth){
		"public client": func(*identity.OAuth) {},
		"with a secret": func(o *identity.OAuth) { o.ClientID, o.ClientSecret = "secretive", identity.NewSecret("correct-horse") },
		"from a command": func(o *identity.OAuth) {
			o.ClientID, o.ClientIDCommand = "", "echo secretive; echo correct-horse"
		},
		"registered by itself": func(o *identity.OAuth) { o.ClientID = "" },
		"endpoints by hand": func(o *identity.OAuth) {
			o.AuthorizeURL, o.TokenURL = s.issuer+"/auth", s.issuer+"/token"
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := s.source(change)
			logIn(t, src)
			before := s.get("/stats")
			access := token(t, src, "")
			if !s.active(access) || s.get("/stats") != before {
				t.Errorf("active %v, %s refreshes", s.active(access), s.get("/stats"))
			}
			for path, mode := range map[string]os.FileMode{Dir(src.Home): 0o700, filepath.Join(Dir(src.Home), "work.json"): 0o600} {
				if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
					t.Errorf("%s: %v %v", path, st.Mode(), err)
				}
			}
			if st := src.Status(); st.Missing != "" || st.Expires.Before(time.Now()) {
				t.Errorf("%+v", st)
			}
			later(src, 55*time.Minute)
			if token(t, src, "") == access {
				t.Error("a token in its last minutes is used")
			}
			if there, err := src.Logout(t.Context()); !there || err != nil {
				t.Error(there, err)
			}
			if _, err := src.Token(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "run: esmtpq oauth login work") {
				t.Error(err)
			}
		})
	}
}

// The address of the last page, its query, or the code alone can be pasted, where no browser reaches
// this machine. What belongs to another login is passed over.
func TestPaste(t *testing.T) {
	s := startServer(t)
	for name, edit := range map[string]func(*url.URL) string{
		"address": func(u *url.URL) string { return u.String() },
		"query":   func(u *url.URL) string { return u.RawQuery },
		"code":    func(u *url.URL) string { return u.Query().Get("code") },
	} {
		t.Run(name, func(t *testing.T) {
			src := s.source()
			c := begin(t, src, (*Dialogue).Login)
			page := c.page(t)
			b := newBrowser(t)
			b.http.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
				if req.URL.Path == "/back" {
					return http.ErrUseLastResponse
				}
				return nil
			}
			// Where the browser would go next is in the header of the last answer.
			resp, err := b.http.Get(page)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			last, err := resp.Location()
			if err != nil {
				t.Fatal(err)
			}
			go c.lines.WriteTo(io.Discard)
			for _, line := range []string{"", "what is this?", "http://127.0.0.1/back?code=stolen&state=another", edit(last)} {
				if _, err := c.in.Write([]byte(line + "\n")); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.end(t); err != nil {
				t.Fatal(err)
			}
			if !s.active(token(t, src, "")) {
				t.Error("the token is no good")
			}
		})
	}
}

// A code typed in a browser of another machine.
func TestDevice(t *testing.T) {
	s := startServer(t)
	src := s.source()
	c := begin(t, src, (*Dialogue).LoginDevice)
	page := c.page(t)
	var code string
	for code == "" {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			t.Fatal(<-c.done)
		}
		_, code, _ = strings.Cut(strings.TrimSpace(line), "type this code there: ")
	}
	if _, text := newBrowser(t).visit(page, map[string]string{"user_code": code}); !strings.Contains(text, "Success") {
		t.Errorf("the last page is %s", text)
	}
	s.get("/set?busy=1") // trouble between two requests
	if err := c.end(t); err != nil {
		t.Fatal(err)
	}
	if !s.active(token(t, src, "")) {
		t.Error("the token is no good")
	}
}

// What is wrong with a login is said, and what else can be tried; nothing is stored.
func TestLoginRefused(t *testing.T) {
	s := startServer(t)
	for name, c := range map[string]struct {
		change func(*identity.OAuth)
		want   string
	}{
		"no refresh token": {func(o *identity.OAuth) { o.Scope = "openid mail" }, "none to renew it with (a refresh token)"},
		"denied":           {func(*identity.OAuth) { s.get("/set?deny=1") }, "the login was refused: access_denied not today; if the provider refuses this way, try esmtpq oauth login --device"},
		"a wrong secret":   {func(o *identity.OAuth) { o.ClientID, o.ClientSecret = "secretive", identity.NewSecret("wrong") }, "the login was refused: invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			s.get("/set?deny=")
			src := s.source(c.change)
			talk := begin(t, src, (*Dialogue).Login)
			newBrowser(t).visit(talk.page(t), nil)
			if err := talk.end(t); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if st := src.Status(); st.Missing == "" {
				t.Errorf("%+v", st)
			}
		})
	}
}

// Ten deliveries at once renew a token once, whether it has been refused or is about to end. The old
// refresh token would end the whole login.
func TestRenewedOnce(t *testing.T) {
	s := startServer(t, "rotate=1")
	for name, at := range map[string]time.Duration{"refused": 2 * time.Minute, "about to end": 55 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			before, _ := strconv.Atoi(s.get("/stats"))
			src := s.source()
			logIn(t, src)
			old, refused := token(t, src, ""), ""
			if name == "refused" {
				refused = old
			}
			var all sync.WaitGroup
			got := make([]string, 10)
			for i := range got {
				all.Go(func() {
					mine := &Source{Home: src.Home, Identity: src.Identity}
					later(mine, at)
					got[i], _ = mine.Token(t.Context(), refused)
				})
			}
			all.Wait()
			for _, g := range got {
				if g != got[0] || g == "" || g == old {
					t.Errorf("%.10s, %.10s", g, got[0])
				}
			}
			if n, _ := strconv.Atoi(s.get("/stats")); n != before+1 {
				t.Errorf("%d refreshes", n-before)
			}
			if !s.active(got[0]) {
				t.Error("the token is no good")
			}
		})
	}
}
