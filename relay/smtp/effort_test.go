package smtp

import (
	"crypto/tls"
	"strings"
	"testing"
)

// memory is a LoginMemory.
type memory struct{ LoginKnown }

func (m *memory) Recall() LoginKnown { return m.LoginKnown }
func (m *memory) Learn(k LoginKnown) { m.LoginKnown = k }

const (
	plus  = "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS "
	full  = "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256 "
	token = "token-of-a-kind"
)

var long = strings.Repeat("long-token.", 100)

// TestLogins: what is tried at a host, in which order, and what is told in the end. Each host is
// asked twice, with what was learned.
func TestLogins(t *testing.T) {
	for _, c := range []struct {
		name     string
		host     authHost
		tls      uint16 // 0 for none
		password string // "secret" by default
		token    bool
		fresh    string
		auth     []string
		known    LoginKnown
		tried    string
		again    string // the second time; "" for the same as the first
		fails    string // how the error begins; "" for a login
	}{
		{name: "SCRAM before PLAIN", host: authHost{offers: full}, tried: "1: SCRAM-SHA-256 n"},
		{name: "bound, TLS 1.3", host: authHost{offers: full + plus}, tls: tls.VersionTLS13, tried: "1: SCRAM-SHA-256-PLUS p"},
		{name: "bound, TLS 1.2", host: authHost{offers: full + plus}, tls: tls.VersionTLS12, tried: "1: SCRAM-SHA-256-PLUS p"},
		{name: "bound, SHA-1 alone", host: authHost{offers: full + "SCRAM-SHA-1-PLUS"}, tls: tls.VersionTLS13, tried: "1: SCRAM-SHA-1-PLUS p"},
		{name: "no binding without TLS", host: authHost{offers: full + plus}, tried: "1: SCRAM-SHA-256 n"},
		{name: "not offered, and said so", host: authHost{offers: full}, tls: tls.VersionTLS13, tried: "1: SCRAM-SHA-256 y"},
		{name: "refused for saying so", host: authHost{offers: full, noFlagY: true}, tls: tls.VersionTLS13,
			tried: "1: SCRAM-SHA-256 y, 1: SCRAM-SHA-256 n", again: "SCRAM-SHA-256 n"},
		{name: "bound is refused", host: authHost{offers: full + plus, refuses: []string{"SCRAM-SHA-256-PLUS"}}, tls: tls.VersionTLS13,
			tried: "1: SCRAM-SHA-256-PLUS p, 1: SCRAM-SHA-256 n", again: "SCRAM-SHA-256 n"},
		{name: "bound, the host falls", host: authHost{offers: full + plus, answers: map[string]string{"SCRAM-SHA-256-PLUS": "close"}}, tls: tls.VersionTLS13,
			tried: "1: SCRAM-SHA-256-PLUS p, 2: SCRAM-SHA-256 n", again: "SCRAM-SHA-256 n"},
		{name: "bound, 435", host: authHost{offers: full + plus, answers: map[string]string{"SCRAM-SHA-256-PLUS": "435 Unable to authenticate at present"}}, tls: tls.VersionTLS13,
			tried: "1: SCRAM-SHA-256-PLUS p, 1: SCRAM-SHA-256 n", again: "SCRAM-SHA-256 n"},
		{name: "SCRAM that cannot work", host: authHost{offers: full, refuses: []string{"SCRAM-SHA-256", "SCRAM-SHA-1"}}, tls: tls.VersionTLS13,
			tried: "1: SCRAM-SHA-256 y, 1: SCRAM-SHA-256 n, 1: PLAIN", again: "PLAIN"},
		{name: "SCRAM alone, of one kind", host: authHost{offers: "SCRAM-SHA-1 SCRAM-SHA-256", refuses: []string{"SCRAM-SHA-256"}},
			tried: "1: SCRAM-SHA-256 n, 1: SCRAM-SHA-1 n", again: "SCRAM-SHA-1 n"},
		{name: "a wrong password", host: authHost{offers: full, good: "another"}, tried: "1: SCRAM-SHA-256 n, 1: PLAIN",
			fails: "mx.example.org answered 535 bad credentials to AUTH; refused: SCRAM-SHA-256, PLAIN; ask for help"},
		{name: "a wrong password, PLAIN and LOGIN", host: authHost{offers: "PLAIN LOGIN", good: "another"}, tried: "1: PLAIN",
			fails: "mx.example.org answered 535 bad credentials to AUTH; ask for help"},
		{name: "a host that closes after a refusal", host: authHost{offers: full, refuses: []string{"SCRAM-SHA-256"}, closes: true},
			tried: "1: SCRAM-SHA-256 n, 2: PLAIN", again: "PLAIN"},
		{name: "a host that then offers less", host: authHost{offers: full, later: "SCRAM-SHA-256", refuses: []string{"SCRAM-SHA-256"}, closes: true},
			tried: "1: SCRAM-SHA-256 n", fails: "mx.example.org answered 535 bad credentials to AUTH"},
		{name: "a token, and then it offers less", host: authHost{offers: "XOAUTH2", later: "PLAIN", onlyIR: "504 5.7.4 what"}, token: true, password: long,
			tried: "1: XOAUTH2 later", fails: "mx.example.org answered 504 what to AUTH"},
		{name: "PLAIN is not understood", host: authHost{offers: "PLAIN LOGIN", answers: map[string]string{"PLAIN": "504 5.5.4 not that"}},
			tried: "1: PLAIN, 1: LOGIN", again: "LOGIN"},
		{name: "PLAIN in the other form", host: authHost{offers: "PLAIN", noIR: "501 5.5.4 no initial response"},
			tried: "1: PLAIN, 2: PLAIN later", again: "PLAIN later"},
		{name: "CRAM-MD5 is not taken", host: authHost{offers: "CRAM-MD5"}, fails: "mx.example.org offers none of the ways"},
		{name: "CRAM-MD5 on request", host: authHost{offers: "CRAM-MD5 PLAIN"}, auth: []string{"CRAM-MD5", "PLAIN"}, tried: "1: CRAM-MD5"},
		{name: "only what is allowed", host: authHost{offers: full + plus}, tls: tls.VersionTLS13, auth: []string{"LOGIN"}, tried: "1: LOGIN"},
		{name: "in the order that is given", host: authHost{offers: full}, auth: []string{"PLAIN", "SCRAM-SHA-1"}, tried: "1: PLAIN"},
		{name: "SCRAM by request does not speak of binding", host: authHost{offers: full}, tls: tls.VersionTLS13, auth: []string{"SCRAM-SHA-1"}, tried: "1: SCRAM-SHA-1 n"},
		{name: "nothing that is allowed", host: authHost{offers: "PLAIN"}, auth: []string{"SCRAM-SHA-256"},
			fails: "mx.example.org offers none of the mechanisms that auth: allows here, but PLAIN"},

		{name: "as typed", host: authHost{offers: full}, password: "pä²ss", tried: "1: SCRAM-SHA-256 n"},
		{name: "prepared", host: authHost{offers: full, good: "pä2ss"}, password: "pä²ss",
			tried: "1: SCRAM-SHA-256 n, 1: SCRAM-SHA-256 n", again: "SCRAM-SHA-256 n"},
		{name: "prepared and bound", host: authHost{offers: full + plus, good: "pä2ss"}, password: "pä²ss", tls: tls.VersionTLS13,
			tried: "1: SCRAM-SHA-256-PLUS p, 1: SCRAM-SHA-256-PLUS p", again: "SCRAM-SHA-256-PLUS p"},

		{name: "454", host: authHost{offers: full, answers: map[string]string{"SCRAM-SHA-256": "454 4.7.0 later"}}, tried: "1: SCRAM-SHA-256 n",
			fails: "mx.example.org answered 454 later to AUTH"},
		{name: "421", host: authHost{offers: full, answers: map[string]string{"SCRAM-SHA-256": "421 4.7.0 too many"}}, tried: "1: SCRAM-SHA-256 n",
			fails: "mx.example.org answered 421 too many to AUTH"},
		{name: "who accepts anything", host: authHost{offers: full, unproven: true}, tried: "1: SCRAM-SHA-256 n",
			fails: "mx.example.org accepts the login, but the host does not prove that it knows the password"},
		{name: "who proves the wrong thing", host: authHost{offers: full, unproven: true, bad: "v=AAAA"}, tried: "1: SCRAM-SHA-256 n",
			fails: "AUTH SCRAM-SHA-256 with mx.example.org failed: the host does not prove that it knows the password"},

		{name: "OAUTHBEARER before XOAUTH2", host: authHost{offers: "PLAIN XOAUTH2 OAUTHBEARER"}, token: true, tried: "1: OAUTHBEARER"},
		{name: "XOAUTH2", host: authHost{offers: "PLAIN LOGIN XOAUTH2"}, token: true, tried: "1: XOAUTH2"},
		{name: "no token is taken", host: authHost{offers: full}, token: true, fails: "mx.example.org offers no login by token (OAUTHBEARER, XOAUTH2), but LOGIN PLAIN"},
		{name: "a long token", host: authHost{offers: "XOAUTH2"}, token: true, password: long, tried: "1: XOAUTH2 later"},
		{name: "a long token of Microsoft", host: authHost{offers: "LOGIN XOAUTH2", onlyIR: "504 5.7.4 Unrecognized authentication type"}, token: true, password: long,
			tried: "1: XOAUTH2 later, 2: XOAUTH2 long", again: "XOAUTH2 long"},
		{name: "a long token of Yahoo", host: authHost{offers: "XOAUTH2", onlyIR: "+ "}, token: true, password: long,
			tried: "1: XOAUTH2 later, 2: XOAUTH2 long", again: "XOAUTH2 long"},
		{name: "a token is refused", host: authHost{offers: "XOAUTH2", json: `{"status":"401","schemes":"bearer"}`, good: "another"}, token: true, tried: "1: XOAUTH2",
			fails: `mx.example.org answered 535 bad credentials to AUTH; it says of the token: {"status":"401","schemes":"bearer"}; ask for help`},
		{name: "a token is refused, and both are there", host: authHost{offers: "XOAUTH2 OAUTHBEARER", json: `{"status":"invalid_token"}`, good: "another"}, token: true, tried: "1: OAUTHBEARER",
			fails: `mx.example.org answered 535 bad credentials to AUTH; it says of the token: {"status":"invalid_token"}; ask for help`},
		{name: "OAUTHBEARER does not work", host: authHost{offers: "XOAUTH2 OAUTHBEARER", refuses: []string{"OAUTHBEARER"}}, token: true,
			tried: "1: OAUTHBEARER, 1: XOAUTH2", again: "XOAUTH2"},
		{name: "renewed", host: authHost{offers: "XOAUTH2", json: `{"status":"400"}`, good: "newer-token"}, token: true, fresh: "newer-token",
			tried: "1: XOAUTH2, 1: XOAUTH2"},
		{name: "renewed at Microsoft", host: authHost{offers: "XOAUTH2", onlyIR: "504 5.7.4 what", good: long + "new"}, token: true, password: long, fresh: long + "new",
			tried: "1: XOAUTH2 later, 2: XOAUTH2 long, 2: XOAUTH2 long"},
		{name: "a host that cuts long lines", host: authHost{offers: "XOAUTH2", maxLine: 1000, tooLong: "535 5.7.8 Error: authentication failed: Invalid base64 data in initial response"},
			token: true, password: long, known: LoginKnown{Way: Way{Mechanism: "XOAUTH2", Response: ResponseFirst}, Offer: "XOAUTH2"},
			tried: "1: XOAUTH2 long, 2: XOAUTH2 later", again: "XOAUTH2 later"},
		{name: "renewed in vain", host: authHost{offers: "XOAUTH2", good: "another"}, token: true, fresh: "newer-token",
			tried: "1: XOAUTH2, 1: XOAUTH2", fails: "mx.example.org answered 535 bad credentials to AUTH; ask for help"},
		{name: "will expire soon", host: authHost{offers: "XOAUTH2", refusal: "501 5.5.127 Token will expire soon", good: "newer-token"}, token: true, fresh: "newer-token",
			tried: "1: XOAUTH2, 1: XOAUTH2"},
		{name: "another user's token", host: authHost{offers: "XOAUTH2", refusal: "501 5.5.124 Invalid XOAUTH2 auth data", good: "another"}, token: true,
			tried: "1: XOAUTH2", fails: "mx.example.org answered 501 Invalid XOAUTH2 auth data to AUTH; the token is another user's than the username; ask for help"},
		{name: "trouble, as Dovecot 2.4.1 says it", host: authHost{offers: "XOAUTH2", json: `{"schemes":"bearer","status":"500"}`, good: "another"}, token: true, fresh: "newer-token",
			tried: "1: XOAUTH2", fails: "mx.example.org answered 535 bad credentials to AUTH; it says of the token"},
		{name: "trouble, by OAUTHBEARER", host: authHost{offers: "OAUTHBEARER", json: `{"status":"internal_failure"}`, good: "another"}, token: true, fresh: "newer-token",
			tried: "1: OAUTHBEARER", fails: "mx.example.org answered 535 bad credentials to AUTH; it says of the token"},

		{name: "SMTP AUTH is switched off", host: authHost{offers: "XOAUTH2", good: "another",
			refusal: "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."}, token: true, tried: "1: XOAUTH2",
			fails: "mx.example.org answered 535 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. to AUTH; an administrator"},
		{name: "no password any more", host: authHost{offers: "LOGIN XOAUTH2", good: "another",
			refusal: "550 5.7.30 Basic authentication is not supported for Client Submission"}, tried: "1: LOGIN",
			fails: "mx.example.org answered 550 Basic authentication is not supported for Client Submission to AUTH; this host takes no password any more"},
		{name: "an app password", host: authHost{offers: "PLAIN LOGIN", good: "another", refusal: "534 5.7.9 Application-specific password required"}, tried: "1: PLAIN",
			fails: "mx.example.org answered 534 Application-specific password required to AUTH; make an app password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := &c.host
			password := "secret"
			if c.token {
				password = token
			}
			if c.password != "" {
				password = c.password
			}
			if h.good == "" {
				h.good = password
			}
			if c.tls != 0 {
				h.config = serverTLS(t, c.tls)
			}
			h.start(t)
			m := &memory{c.known}
			again := strings.ReplaceAll(c.tried, "1: ", "2: ")
			if c.again != "" {
				again = c.again
			}
			for i, want := range []string{c.tried, again} {
				l := &login{user: "me", password: password, fresh: c.fresh}
				cfg := h.client(l)
				cfg.Token, cfg.Mechanisms, cfg.LoginMemory = c.token, c.auth, m
				conn, err := Open(t.Context(), cfg)
				got := h.tried()
				if i == 1 && c.again != "" {
					got = got[strings.Index(got, " ")+1:]
				}
				if got != want && (i == 0 || c.fails == "" && c.fresh == "") {
					t.Errorf("login %d tried %q, want %q", i+1, got, want)
				}
				switch {
				case c.fails == "" && err != nil, c.fails != "" && (err == nil || !strings.HasPrefix(err.Error(), c.fails)):
					t.Errorf("login %d: %v, want %q", i+1, err, c.fails)
				case err == nil:
					if !conn.LoggedIn() || len(l.heard) != 1 || !l.heard[0] {
						t.Errorf("logged in %v, heard %v", conn.LoggedIn(), l.heard)
					}
					conn.Quit()
				}
				if c.fails != "" {
					break
				}
			}
		})
	}
}

// A host where a bound login has worked and is no longer offered, or no longer works, gets no
// weaker one, unless the configuration names it. It is what someone between would bring about to
// read the password.
func TestDowngrade(t *testing.T) {
	for _, c := range []struct {
		name, fails, tried string
		later              authHost
		auth               []string
	}{
		{name: "not offered", later: authHost{offers: full}, fails: "mx.example.org has offered logins bound to the TLS session (SCRAM with -PLUS) before"},
		{name: "refused", later: authHost{offers: full + plus, refuses: []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"}}, tried: "1: SCRAM-SHA-256-PLUS p",
			fails: "mx.example.org answered 535 bad credentials to AUTH; a login bound to the TLS session has worked at this host before"},
		{name: "closed", later: authHost{offers: full + plus, answers: map[string]string{"SCRAM-SHA-256-PLUS": "close"}}, tried: "1: SCRAM-SHA-256-PLUS p",
			fails: "mx.example.org closed the connection at AUTH"},
		{name: "allowed", later: authHost{offers: full}, auth: []string{"PLAIN"}, tried: "1: PLAIN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memory{}
			first := authHost{offers: full + plus, good: "secret", config: serverTLS(t, tls.VersionTLS13)}
			for _, h := range []*authHost{&first, &c.later} {
				h.good, h.config = "secret", first.config
				h.start(t)
				cfg := h.client(&login{user: "me", password: "secret"})
				cfg.LoginMemory = m
				if h == &c.later {
					cfg.Mechanisms = c.auth
				}
				conn, err := Open(t.Context(), cfg)
				switch {
				case h == &first && err != nil, h == &c.later && c.fails == "" && err != nil:
					t.Fatal(err)
				case err == nil:
					conn.Quit()
				case !strings.HasPrefix(err.Error(), c.fails):
					t.Errorf("%v\nwant %s", err, c.fails)
				}
				if tried := h.tried(); h == &c.later && tried != c.tried {
					t.Errorf("tried %q, want %q", tried, c.tried)
				}
			}
			if !m.Bound {
				t.Error("forgotten")
			}
		})
	}
}

// A changed password at a host that takes it in the clear is refused once, and forgotten with it is
// what worked.
func TestChangedPassword(t *testing.T) {
	h := &authHost{offers: full, refuses: []string{"SCRAM-SHA-256"}, good: "secret"}
	h.start(t)
	m := &memory{}
	for _, c := range []struct{ password, tried string }{
		{"secret", "1: SCRAM-SHA-256 n, 1: PLAIN"},
		{"secret", "2: PLAIN"},
		{"changed", "3: PLAIN"},
		{"secret", "4: SCRAM-SHA-256 n, 4: PLAIN"},
	} {
		cfg := h.client(&login{user: "me", password: c.password})
		cfg.LoginMemory = m
		if conn, _ := Open(t.Context(), cfg); conn != nil {
			conn.Quit()
		}
		if tried := h.tried(); tried != c.tried {
			t.Errorf("tried %q, want %q", tried, c.tried)
		}
	}
}

// Names and passwords with the characters that SCRAM and OAUTHBEARER escape.
func TestOddNames(t *testing.T) {
	for _, user := range []string{"a,b=c", "=2C", "é", "me@example.org"} {
		for _, mech := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"} {
			h := &authHost{offers: mech, user: user, good: "p,=ss"}
			h.start(t)
			conn, err := Open(t.Context(), h.client(&login{user: user, password: "p,=ss"}))
			if err != nil {
				t.Errorf("%s as %s: %v", mech, user, err)
				continue
			}
			conn.Quit()
		}
		h := &authHost{offers: "OAUTHBEARER", user: user, good: token}
		h.start(t)
		cfg := h.client(&login{user: user, password: token})
		cfg.Token = true
		conn, err := Open(t.Context(), cfg)
		if err != nil {
			t.Errorf("OAUTHBEARER as %s: %v", user, err)
			continue
		}
		conn.Quit()
	}
}

func TestSASLprep(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"secret", ""}, {"pä²ss", "pä2ss"}, {"a\u00a0b", "a b"}, {"so\u00adft", "soft"}, {"µ", "μ"}, {"½", "1⁄2"},
		{"ä", ""}, {"a\u0308", "ä"}, {"²\x07", ""}, {"\u00ad", ""}, {"\xff²", ""},
	} {
		got, differs := saslPrep(c.typed)
		if differs != (c.want != "") || differs && got != c.want {
			t.Errorf("%q: %q %v, want %q", c.typed, got, differs, c.want)
		}
	}
}

// What a host says in SCRAM is not believed.
func TestHostileSCRAM(t *testing.T) {
	for _, challenge := range []string{
		"", ",", "r", "r=", "m=x,r=NONCEx,s=c2FsdA==,i=4096", "r=other,s=c2FsdA==,i=4096", "r=NONCE,s=c2FsdA==,i=4096", "r=NONCEx,s=*,i=4096",
		"r=NONCEx,s=,i=4096", "r=NONCEx,s=c2FsdA==,i=1", "r=NONCEx,s=c2FsdA==,i=2000000000", "r=NONCEx,s=c2FsdA==,i=-4096", "r=NONCEx,s=c2FsdA==", "e=unknown-user",
	} {
		c := newScramClient("SCRAM-SHA-256", "me", "secret", "", 'n', nil)
		c.Start()
		if answer, err := c.Next([]byte(strings.ReplaceAll(challenge, "NONCE", c.nonce))); err == nil {
			t.Errorf("%q is answered with %q", challenge, answer)
		}
	}
}

// Acting as another user, by every mechanism that can say so; without one, SCRAM says nothing of it,
// since Dovecot refuses an empty name.
func TestAuthorizeAs(t *testing.T) {
	for _, as := range []string{"", "team,=x"} {
		for _, mech := range []string{"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN", "EXTERNAL"} {
			h := &authHost{offers: mech, as: as, good: "secret", config: serverTLS(t, tls.VersionTLS13)}
			h.start(t)
			cfg := h.client(&login{user: "me", password: "secret"})
			cfg.AuthorizeAs, cfg.External, cfg.Mechanisms = as, true, []string{mech}
			conn, err := Open(t.Context(), cfg)
			if err != nil {
				t.Errorf("%s as %q: %v", mech, as, err)
				continue
			}
			conn.Quit()
		}
	}
	c := newScramClient("SCRAM-SHA-256", "me", "secret", "", 'n', nil)
	if _, first, _ := c.Start(); !strings.HasPrefix(string(first), "n,,n=me,r=") {
		t.Errorf("%s", first)
	}
}

// A client certificate logs in by itself where no user name is configured, and beside one only on
// request.
func TestExternal(t *testing.T) {
	for _, c := range []struct {
		name, offers, tried, fails string
		login                      bool
		auth                       []string
	}{
		{name: "alone", offers: "PLAIN EXTERNAL", tried: "1: EXTERNAL"},
		{name: "alone and not offered", offers: "PLAIN"},
		{name: "with a password", offers: "PLAIN EXTERNAL", login: true, tried: "1: PLAIN"},
		{name: "on request", offers: "PLAIN EXTERNAL", login: true, auth: []string{"EXTERNAL"}, tried: "1: EXTERNAL"},
		{name: "on request and not offered", offers: "PLAIN", auth: []string{"EXTERNAL"}, fails: "mx.example.org offers none of the mechanisms that auth: allows here, but PLAIN"},
	} {
		h := &authHost{offers: c.offers, good: "secret", config: serverTLS(t, tls.VersionTLS13)}
		h.start(t)
		cfg := h.client(nil)
		if c.login {
			cfg.Login = &login{user: "me", password: "secret"}
		}
		cfg.External, cfg.Mechanisms = true, c.auth
		conn, err := Open(t.Context(), cfg)
		switch tried := h.tried(); {
		case err == nil && c.fails == "" && tried == c.tried:
			conn.Quit()
		case err == nil || c.fails == "" || err.Error() != c.fails:
			t.Errorf("%s: tried %q, %v", c.name, tried, err)
		}
	}
}
