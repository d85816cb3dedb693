package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"esmtpq/identity"
)

// An answer that is lost on the way does not cost the login: the request is not sent again while the
// token is good. Where it is the end, the reason says what to do.
func TestLostAnswer(t *testing.T) {
	s := startServer(t, "rotate=1")
	src := s.source()
	logIn(t, src)
	access := token(t, src, "")
	s.get("/set?cut=1")
	for range 3 {
		later(src, 55*time.Minute)
		if token(t, src, "") != access {
			t.Error("another token")
		}
	}
	if n := s.get("/stats"); n != "1" || !s.active(access) {
		t.Errorf("%s refreshes, active %v", n, s.active(access))
	}
	later(src, 2*time.Hour)
	_, err := src.Token(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "invalid_grant") || !strings.HasSuffix(err.Error(), "; run: esmtpq oauth login work") {
		t.Error(err)
	}
	if r, err := at(src.Home, "work").read(); err != nil || r.Refresh == "" || r.Access != access {
		t.Errorf("deleted after a failure: %+v %v", r, err)
	}
	logIn(t, src)
	if !s.active(token(t, src, "")) {
		t.Error("a new login does not help")
	}
}

// A crash between the answer and its reading loses nothing.
func TestCrashBehindAnswer(t *testing.T) {
	src := &Source{Home: t.TempDir(), Identity: &identity.Identity{Name: "work", OAuth: &identity.OAuth{Provider: "p"}}}
	st := at(src.Home, "work")
	r := &record{Provider: "p", Access: "old", Refresh: "spent", Expires: time.Now().Add(-time.Hour), Asked: time.Now(),
		Answer: `{"access_token":"new","refresh_token":"next","expires_in":3599.5}`}
	if err := st.write(r); err != nil {
		t.Fatal(err)
	}
	if got := token(t, src, ""); got != "new" {
		t.Errorf("%q", got)
	}
	if r, err := st.read(); err != nil || r.Refresh != "next" || r.Answer != "" || !r.Asked.IsZero() {
		t.Errorf("%+v %v", r, err)
	}
}

// answered makes a source whose token has ended, and whose server gives this answer.
func answered(t *testing.T, handler http.HandlerFunc) *Source {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	src := &Source{Home: t.TempDir(), Identity: &identity.Identity{Name: "work", OAuth: &identity.OAuth{Provider: "p", ClientID: "c"}}}
	r := &record{Provider: "p", ClientID: "c", TokenURL: server.URL + "/token", Access: "old", Refresh: "refresh", Expires: time.Now().Add(-time.Hour)}
	if err := at(src.Home, "work").write(r); err != nil {
		t.Fatal(err)
	}
	return src
}

// What a token endpoint may answer: one request each, a reason without the page, and the difference
// between what passes and what only a person can help with.
func TestAnswers(t *testing.T) {
	const form, plain, page = "application/x-www-form-urlencoded", "text/plain", "text/html"
	for _, c := range []struct {
		name, kind string
		status     int
		body       string
		want       string        // the token, or the reason
		life       time.Duration // of the token
		person     bool          // only a person can help
	}{
		{"usual", "", 200, `{"access_token":"new","expires_in":3600}`, "new", time.Hour, false},
		{"fraction", "", 200, `{"access_token":"new","expires_in":1800.5}`, "new", 1800500 * time.Millisecond, false},
		{"text", "", 200, `{"access_token":"new","expires_in":"600"}`, "new", 10 * time.Minute, false},
		{"exponent", "", 200, `{"access_token":"new","expires_in":1e3}`, "new", 1000 * time.Second, false},
		{"none", "", 200, `{"access_token":"new"}`, "new", time.Hour, false},
		{"null", "", 200, `{"access_token":"new","expires_in":null}`, "new", time.Hour, false},
		{"zero", "", 200, `{"access_token":"new","expires_in":0}`, "new", time.Hour, false},
		{"negative", "", 200, `{"access_token":"new","expires_in":-5}`, "new", time.Hour, false},
		{"senseless", "", 200, `{"access_token":"new","expires_in":true}`, "new", time.Hour, false},
		{"endless", "", 200, `{"access_token":"new","expires_in":1e300}`, "new", maxLife, false},
		{"JSON as text", plain, 200, `{"access_token":"new"}`, "new", time.Hour, false},
		{"form", form, 200, `access_token=new&expires_in=600`, "new", 10 * time.Minute, false},

		{"revoked", "", 400, `{"error":"invalid_grant","error_description":"AADSTS700082: ended\nTrace ID"}`,
			"the renewal of the access token was refused: invalid_grant (AADSTS700082: ended Trace ID)", 0, true},
		{"revoked, as text", plain, 400, `{"error":"invalid_grant"}`, "the renewal of the access token was refused: invalid_grant", 0, true},
		{"revoked, as words", plain, 400, `Error: invalid_grant.`, "the renewal of the access token was refused: invalid_grant", 0, true},
		{"revoked, with 200", "", 200, `{"error":"invalid_grant","access_token":"x"}`, "the renewal of the access token was refused: invalid_grant", 0, true},
		{"a refresh token repeated", "", 400, `{"error":"invalid_grant","error_description":"malformed token: refresh"}`,
			"the renewal of the access token was refused: invalid_grant (malformed token: ********)", 0, true},
		{"an error of its own", "", 400, `{"error":"AADSTS_new"}`, "the renewal of the access token was refused: AADSTS_new", 0, true},
		{"client", "", 401, `{"error":"invalid_client"}`, "the renewal of the access token was refused: invalid_client", 0, true},
		{"busy", "", 429, `{"error":"invalid_grant"}`, "the renewal of the access token failed: the server is busy or in trouble (status 429), again after 2m0s", 0, false},
		{"down", page, 503, `<html>secret page</html>`, "the renewal of the access token failed: the server is busy or in trouble (status 503), again after 2m0s", 0, false},
		{"not now", "", 400, `{"error":"temporarily_unavailable"}`, "the renewal of the access token was refused: temporarily_unavailable", 0, false},
		{"captive portal", page, 200, `<html>invalid_grant, please pay</html>`, "the renewal of the access token failed: a web page answers in place of the server (status 200)", 0, false},
		{"captive portal, 400", page, 400, `<html>error=x</html>`, "the renewal of the access token failed: a web page answers in place of the server (status 400)", 0, false},
		{"redirect", "", 302, ``, "the renewal of the access token failed: the server sends it elsewhere (status 302)", 0, false},
		{"redirect of a form", "", 307, ``, "the renewal of the access token failed: the server sends it elsewhere (status 307)", 0, false},
		{"nothing", "", 200, ``, "the renewal of the access token failed: the server's answer has no access token", 0, false},
		{"an empty object", "", 200, `{}`, "the renewal of the access token failed: the server's answer has no access token", 0, false},
		{"not found", plain, 404, `no`, "the renewal of the access token failed: status 404", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests atomic.Int32
			src := answered(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				if _, _, basic := r.BasicAuth(); r.FormValue("refresh_token") != "refresh" || r.FormValue("client_id") != "c" || basic {
					t.Errorf("the request is %v", r.Form)
				}
				w.Header().Set("Content-Type", c.kind)
				if c.kind == "" {
					w.Header().Set("Content-Type", "application/json")
				}
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "120")
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			got, err := src.Token(t.Context(), "")
			r, readErr := at(src.Home, "work").read()
			if readErr != nil || requests.Load() != 1 || !r.Asked.IsZero() || r.Answer != "" || r.Refresh != "refresh" {
				t.Fatalf("%d requests, %+v, %v", requests.Load(), r, readErr)
			}
			if c.life > 0 {
				if d := r.Expires.Sub(r.Obtained); err != nil || got != c.want || d != c.life {
					t.Errorf("%q %v for %v", got, err, d)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "page<") ||
				strings.HasSuffix(err.Error(), "; run: esmtpq oauth login work") != c.person || strings.HasSuffix(err.Error(), "; it is tried again") == c.person {
				t.Errorf("%v, want %s", err, c.want)
			}
			if r.Access != "old" || r.Failed == "" || r.Failed != src.Status().Failed {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A request that cannot go out, or is not answered, says so, and only the second leaves a doubt.
func TestNoAnswer(t *testing.T) {
	for _, c := range []struct {
		name  string
		cut   bool
		asked bool
	}{{"nobody there", false, false}, {"cut", true, true}} {
		src := answered(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		st := at(src.Home, "work")
		if r, _ := st.read(); !c.cut {
			r.TokenURL = "http://127.0.0.1:1/token"
			st.write(r)
		}
		_, err := src.Token(t.Context(), "")
		r, _ := st.read()
		if err == nil || !strings.HasPrefix(err.Error(), "the renewal of the access token failed: ") || strings.Contains(err.Error(), "refresh") || r.Asked.IsZero() == c.asked {
			t.Errorf("%s: %v, %+v", c.name, err, r)
		}
	}
}

// A host that refuses a token that has just come gets no other one: the token is not what is wrong.
func TestYoungTokenRefused(t *testing.T) {
	src := answered(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"access_token":"new","refresh_token":"refresh"}`)
	})
	if got := token(t, src, ""); got != "new" {
		t.Errorf("%q", got)
	}
	if got := token(t, src, "new"); got != "new" {
		t.Errorf("%q", got)
	}
	later(src, 2*time.Minute)
	r, _ := at(src.Home, "work").read()
	token(t, src, "new")
	if again, _ := at(src.Home, "work").read(); !again.Obtained.After(r.Obtained) {
		t.Error("an older one is not renewed")
	}
}

// A configuration that names another login than the one there is wants a new one.
func TestOtherLogin(t *testing.T) {
	src := answered(t, func(http.ResponseWriter, *http.Request) { t.Error("a request") })
	for _, change := range []func(*identity.OAuth){
		func(o *identity.OAuth) { o.Provider = "google" }, func(o *identity.OAuth) { o.ClientID = "another" }, func(o *identity.OAuth) { o.TokenURL = "https://other" },
	} {
		o := *src.Identity.OAuth
		change(&o)
		other := &Source{Home: src.Home, Identity: &identity.Identity{Name: "work", OAuth: &o}}
		if _, err := other.Token(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "run: esmtpq oauth login work") {
			t.Error(err)
		}
	}
}

// A file that others can read is not used, and damage is told.
func TestForeignRecord(t *testing.T) {
	src := answered(t, func(http.ResponseWriter, *http.Request) { t.Error("a request") })
	path := filepath.Join(Dir(src.Home), "work.json")
	os.Chmod(path, 0o644)
	if _, err := src.Token(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "chmod 600 ") {
		t.Error(err)
	}
	os.Chmod(path, 0o600)
	os.WriteFile(path, []byte("{"), 0o600)
	if _, err := src.Token(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Error(err)
	}
	os.Remove(path)
	os.Symlink("/etc/passwd", path)
	if _, err := src.Token(t.Context(), ""); err == nil {
		t.Error("a link is followed")
	}
}

// Waiting for the lock has an end.
func TestLockedOut(t *testing.T) {
	src := answered(t, func(http.ResponseWriter, *http.Request) { t.Error("a request") })
	unlock, err := at(src.Home, "work").lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := src.Token(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// Every identity has a file of its own, in the directory.
func TestFileNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"work", "me@example.org", "a/b", "a%2fb", "..", ".", "../x", "é", "A", "a", " ", "x.json", "%", strings.Repeat("l", 50)} {
		got := fileName(name)
		if strings.Contains(got, "/") || strings.HasPrefix(got, ".") || seen[got] != "" {
			t.Errorf("%q is %q, like %q", name, got, seen[got])
		}
		seen[got] = name
	}
}

// What comes back from a login has to be of this login, and of this server (RFC 9207).
func TestCode(t *testing.T) {
	p := &provider{issuer: "https://as.example", says: true}
	for query, want := range map[string]string{
		"code=c&state=s&iss=https://as.example":                        "c",
		"code=c&state=s&iss=https://as.example/":                       "c",
		"code=c&state=x&iss=https://as.example":                        "!another login",
		"code=c&iss=https://as.example":                                "!another login",
		"code=c&state=s&iss=https://evil.example":                      "!another server",
		"code=c&state=s":                                               "!another server",
		"error=access_denied&state=s&iss=https://as.example":           "!access_denied",
		"http://127.0.0.1:9/?code=c&state=s&iss=https://as.example#_=": "c",
		"4/0AX4":       "4/0AX4",
		"two words":    "!another login",
		"https://x/?x": "!another login",
	} {
		got, err := p.pasted(query, "s")
		if wrong, ok := strings.CutPrefix(want, "!"); ok && (err == nil || !strings.Contains(err.Error(), wrong)) || !ok && (err != nil || got != want) {
			t.Errorf("%s: %q, %v, want %s", query, got, err, want)
		}
	}
}

// Every preset is complete, and a secret goes over TLS only.
func TestPresets(t *testing.T) {
	for _, name := range []string{"google", "microsoft", "microsoft-personal", "microsoft-us", "microsoft-china", "yahoo", "fastmail"} {
		p, err := find(t.Context(), &identity.OAuth{Provider: name, ClientID: "c"})
		if err != nil || p.authorize == "" || p.token == "" || p.scope == "" || p.redirect == "" || p.style == 0 {
			t.Errorf("%s: %+v %v", name, p, err)
		}
	}
	conf := oauth2.Config{ClientID: "c", Endpoint: oauth2.Endpoint{AuthURL: "https://as.example/auth"}}
	p, _ := find(t.Context(), &identity.OAuth{Provider: "google", ClientID: "c"})
	if page := conf.AuthCodeURL("s", p.parameters("ann@example.org")...); !strings.Contains(page, "access_type=offline") ||
		!strings.Contains(page, "prompt=consent") || !strings.Contains(page, "login_hint=ann%40example.org") {
		t.Error(page)
	}
	p, err := find(t.Context(), &identity.OAuth{Provider: "microsoft", Tenant: "example.org", ClientID: "c"})
	if err != nil || p.token != "https://login.microsoftonline.com/example.org/oauth2/v2.0/token" {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := find(t.Context(), &identity.OAuth{Provider: "google", ClientID: "c", TokenURL: "http://example.org/token"}); err == nil {
		t.Error("a secret would go in clear")
	}
}
