package inspect_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }

// esmtpq runs the program, which must exit with a status, and returns what it prints. No password may be in it.
func esmtpq(t *testing.T, me *stage.Person, code int, args ...string) string {
	t.Helper()
	r := me.Try("", "esmtpq", args...)
	if r.Code != code || r.Stderr != "" {
		t.Fatalf("esmtpq %q: exit %d, want %d\n%s%s", args, r.Code, code, r.Stdout, r.Stderr)
	}
	if strings.Contains(r.Stdout, stage.Password) || strings.Contains(r.Stdout, "not so secret") {
		t.Errorf("the password is shown:\n%s", r.Stdout)
	}
	return r.Stdout
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Fatalf("lacks %q:\n%s", part, text)
		}
	}
}

// rich is an identity with everything.
const rich = `identities:
  - name: work
    default: true
    host: localhost:PORT
    tls: starttls
    username: me@example.org
    password: "correct horse # battery"
`

// A probe does all that a delivery does before the first mail, shows it, and sends nothing.
func TestProbe(t *testing.T) {
	cert := stage.NewCertificate(t)
	host := stage.NewSmartHost(t, stage.WithTLS(cert))
	me := stage.NewPerson(t)
	config := func(text string) {
		me.Write(".config/esmtpq/config.yaml", strings.ReplaceAll(text, "PORT", host.Port))
	}
	config(rich)
	contains(t, esmtpq(t, me, 75, "probe"), "sends its own certificate alone", "TLS          none came about", "for localhost, 127.0.0.1; by throw-away authority; until ")
	me.Setenv("SSL_CERT_FILE=" + cert.Authority)
	contains(t, esmtpq(t, me, 0, "probe"), "work\n", "smart host   localhost:"+host.Port, "127.0.0.1:"+host.Port, "TLS 1.3", "for localhost, 127.0.0.1; by throw-away authority; until ",
		", in 0 days", "AUTH PLAIN", "logged in as me@example.org by PLAIN", "ready")
	if _, err := os.Stat(me.Path(".esmtp_queue")); err == nil {
		t.Error("a probe has made a queue")
	}

	var j struct {
		Identity, TLS, Mechanism, Reason string
		Certificates                     []struct{ Names []string }
		Offers                           map[string]string
		Ready                            bool
		LoggedIn                         bool `json:"logged_in"`
	}
	if err := json.Unmarshal([]byte(esmtpq(t, me, 0, "probe", "--json", "work")), &j); err != nil || j.Identity != "work" || j.TLS != "TLS 1.3" ||
		j.Mechanism != "PLAIN" || !j.Ready || !j.LoggedIn || j.Reason != "" || len(j.Certificates) != 1 || j.Offers["AUTH"] != "PLAIN" {
		t.Errorf("%+v, %v", j, err)
	}

	// Mail that waits does not go out, and with a queue the next probe still shows the certificate.
	me.Run("text\n", "sendmail", "friend@example.net")
	contains(t, esmtpq(t, me, 0, "probe", "-v"), "by throw-away authority")
	contains(t, esmtpq(t, me, 0, "probe", "-v"), "by throw-away authority")
	if n := len(host.Received()); n != 0 {
		t.Errorf("%d mails were sent", n)
	}

	// What a host refuses, what is not available now, and what does not fit differ.
	config(strings.Replace(rich, "correct horse # battery", "not so secret", 1))
	contains(t, esmtpq(t, me, 77, "probe"), "refused: me@example.org by PLAIN", "535")
	config(strings.Replace(rich, `password: "correct horse # battery"`, "password_command: exit 3", 1))
	contains(t, esmtpq(t, me, 75, "probe"), "password command failed")
	config(strings.Replace(rich, "tls: starttls", "tls: implicit", 1))
	contains(t, esmtpq(t, me, 75, "probe"), "SMTP begins in clear")
	config(strings.Replace(rich, "password:", "auth: CRAM-MD5\n    password:", 1))
	contains(t, esmtpq(t, me, 78, "probe"), "offers none of the mechanisms")
	config(strings.Replace(rich, "tls: starttls", "tls: starttls\n    tunnel: \"ncat | x\"", 1))
	contains(t, esmtpq(t, me, 78, "probe"), "no shell runs the command")

	// Several identities have a line each, and the status of the worst.
	closed := stage.Listen(t)
	closed.Close()
	config(rich + "  - name: away\n    match: x@example.net\n    host: " + closed.Addr().String() + "\n")
	out := esmtpq(t, me, 75, "probe")
	contains(t, out, "work: ready: localhost:"+host.Port+", TLS 1.3, logged in as me@example.org by PLAIN\n", "\naway: cannot connect to 127.0.0.1")
	if strings.Count(out, "\n") != 2 {
		t.Error(out)
	}
	contains(t, esmtpq(t, me, 75, "probe", "-v"), "greeting     ", "result       cannot connect")
	if out := esmtpq(t, me, 75, "probe", "--json"); strings.Count(out, "\n") != 2 {
		t.Error(out)
	}
	esmtpq(t, me, 0, "probe", "work")
	if r := me.Try("", "esmtpq", "probe", "nobody"); r.Code != 78 || !strings.Contains(r.Stderr, "there is no identity nobody") {
		t.Errorf("%+v", r)
	}
}

// A host that says nothing does not keep a probe longer than a step may take, and an interruption ends
// it.
func TestProbeIsBounded(t *testing.T) {
	l := stage.Listen(t)
	me := stage.NewPerson(t, "hostname = "+l.Addr().String())
	me.Setenv("ESMTPQ_TIMEOUT=500ms")
	contains(t, esmtpq(t, me, 75, "probe"), "did not answer to greeting within 500ms", "the port of a proxy")
	me.Setenv("ESMTPQ_TIMEOUT=1m")
	r := me.Try("", "timeout", "--preserve-status", "-s", "INT", "1", me.LookPath("esmtpq"), "probe")
	if r.Code != 75 || !strings.Contains(r.Stdout, "interrupted") {
		t.Errorf("%+v", r)
	}
}
