package smtp

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Text in place of a greeting shows what is wrong: it is quoted, with a possible cause.
func TestGreetings(t *testing.T) {
	const behind = ": check host and port, and that nothing on the way prints text of its own"
	for _, c := range []struct {
		said string
		kind Kind
		want string
	}{
		{`S: welcome to gw, please behave`, KindGarbage,
			`mx.example.org sent "welcome to gw, please behave", which is no SMTP, as its answer to greeting` + behind},
		{`S: +OK Dovecot ready.`, KindGarbage,
			`mx.example.org sent "+OK Dovecot ready.", which is no SMTP, as its answer to greeting` + behind},
		{`S: * OK [CAPABILITY IMAP4rev1] ready`, KindGarbage,
			`mx.example.org sent "* OK [CAPABILITY IMAP4rev1] ready", which is no SMTP, as its answer to greeting` + behind},
		{"S: CONNECTED(00000003)", KindGarbage,
			`mx.example.org sent "CONNECTED(00000003)", which is no SMTP, as its answer to greeting: for TLS from the start set tls: implicit, which needs no openssl`},
		{"S: HTTP/1.1 400 Bad Request", KindGarbage,
			`mx.example.org sent "HTTP/1.1 400 Bad Request", which is no SMTP, as its answer to greeting: a web server or an HTTP proxy answers at this port`},
		{`S" "220 mx\x00\r\n"`, KindGarbage, `mx.example.org sent a reply with a NUL octet as its answer to greeting` + behind},
		{`S: ` + strings.Repeat("x", 5000), KindGarbage, `mx.example.org sent a reply line longer than 4096 octets as its answer to greeting` + behind},
		{`S: 220-mx` + "\nS: motd", KindGarbage, `mx.example.org sent "motd", which is no SMTP, as its answer to greeting` + behind},
		{`S" "ssh: connect to host gw port 22"` + "\n! close", KindLost,
			`mx.example.org closed the connection at greeting; it said "ssh: connect to host gw port 22"`},
		{"! close", KindLost, `mx.example.org closed the connection at greeting`},
		{"S: 554 5.3.2 not you", KindReply, `mx.example.org answered 554 not you to greeting`},
		{"S: 421 4.3.2 later", KindReply, `mx.example.org answered 421 later to greeting`},
		{"S: 250 ok", KindGarbage, `mx.example.org gave an answer to greeting that makes no sense: 250 ok`},
	} {
		s := serve(t, c.said+"\n! hang", nil)
		conn, err := Open(t.Context(), s.configured())
		if conn != nil || err == nil || err.Kind != c.kind || err.At != StageGreeting || err.Error() != c.want {
			t.Errorf("%.40q: %+v\nwant %s: %s", c.said, err, c.kind, c.want)
		}
		s.end()
	}
}

// A long line is not quoted in full.
func TestLongGreeting(t *testing.T) {
	s := serve(t, "S: "+strings.Repeat("motd ", 500)+"\n! hang", nil)
	_, err := Open(t.Context(), s.configured())
	failed(t, err, KindGarbage, StageGreeting, `mx.example.org sent "motd motd`)
	if len(err.Error()) > 500 {
		t.Errorf("%d octets of text", len(err.Error()))
	}
}

// A message of the day often begins with an empty line. Its words are the diagnosis.
func TestEmptyLineBeforeGreeting(t *testing.T) {
	s := serve(t, "S: \nS:  \nS: welcome to gw\n! hang", nil)
	_, err := Open(t.Context(), s.configured())
	failed(t, err, KindGarbage, StageGreeting, `mx.example.org sent "welcome to gw", which is no SMTP, as its answer to greeting`)
}

// A silent port may begin with TLS, or belong to a proxy; with implicit TLS the handshake gets no
// answer.
func TestSilentGreeting(t *testing.T) {
	s := serve(t, "! hang", nil)
	cfg := s.configured()
	cfg.Limits.Greeting = 200 * time.Millisecond
	_, err := Open(t.Context(), cfg)
	failed(t, err, KindTimeout, StageGreeting, "mx.example.org did not answer to greeting within 200ms: a port with TLS from the start, "+
		"such as 465, says nothing until TLS begins (tls: implicit), and so does the port of a proxy")
}

// A port with TLS from the start may close by itself after a while; a host that refuses to talk does
// so at once.
func TestLateClose(t *testing.T) {
	t.Parallel()
	for after, want := range map[string]string{
		"! close":         "mx.example.org closed the connection at greeting",
		"! wait\n! close": "mx.example.org closed the connection at greeting after 4s without a word: as does a port with TLS from the start, such as 465 (tls: implicit), or that of a proxy",
	} {
		s := serve(t, after, nil)
		_, err := Open(t.Context(), s.configured())
		failed(t, err, KindLost, StageGreeting, want)
		s.end()
	}
}

// A prompt that waits for an answer has no line end. It is quoted, and the host counts as not
// silent.
func TestPromptForGreeting(t *testing.T) {
	s := serve(t, `S" "Enter the code of your token: "`+"\n! hang", nil)
	cfg := s.configured()
	cfg.Limits.Greeting = 200 * time.Millisecond
	_, err := Open(t.Context(), cfg)
	failed(t, err, KindTimeout, StageGreeting, `mx.example.org did not answer to greeting within 200ms; it said "Enter the code of your token:"`)
}

// Noise after the greeting is skipped, and quoted if the session is lost.
func TestNoiseLater(t *testing.T) {
	c, _ := opened(t, "S: 220 mx\nC: EHLO client.example.org\nS: \nS: 250-mx\nS: hm\nS: 250 PIPELINING\n"+goodbye)
	if !c.Pipelining() {
		t.Errorf("%v", c.Extensions())
	}
	c.Quit()

	s := serve(t, "S: 220 mx\nC: EHLO client.example.org\nS: Connection to gw closed.\n! close", nil)
	_, err := Open(t.Context(), s.configured())
	failed(t, err, KindLost, StageEHLO, `mx.example.org closed the connection at EHLO; it said "Connection to gw closed."`)

	s = serve(t, "S: 220 mx\nC: EHLO client.example.org\n"+strings.Repeat("S: no\n", 17)+"! hang", nil)
	_, err = Open(t.Context(), s.configured())
	failed(t, err, KindGarbage, StageEHLO, "mx.example.org sent line after line without a reply code as its answer to EHLO")
}

// TestNoConnection: an *Error of the dialling is returned as it is, anything else with the host's
// name.
func TestNoConnection(t *testing.T) {
	own := &Error{At: StageTunnel, Kind: KindLost, Text: "the tunnel ended"}
	for _, c := range []struct {
		err  error
		at   Stage
		want string
	}{
		{own, StageTunnel, "the tunnel ended"},
		{os.ErrPermission, StageConnect, "cannot reach mx.example.org: permission denied"},
	} {
		_, err := Open(t.Context(), &Config{Name: "mx.example.org", Dial: func(context.Context) (net.Conn, error) { return nil, c.err }})
		failed(t, err, KindLost, c.at, c.want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Open(ctx, &Config{Name: "mx.example.org", Dial: func(context.Context) (net.Conn, error) {
		cancel()
		return nil, errors.New("context canceled")
	}})
	failed(t, err, KindStopped, StageConnect, "the delivery was interrupted")
	if _, err = Open(ctx, &Config{}); err == nil || err.Kind != KindStopped { // and the host is not even dialled
		t.Errorf("%v", err)
	}
}

// print opens a session, asks what the host offers behind the login if need be, and returns the
// fingerprints before and after.
func print(t *testing.T, dialogue string, ask bool) (before, after string) {
	t.Helper()
	c, _ := opened(t, dialogue+goodbye, asMe)
	defer c.Quit()
	before = c.Fingerprint()
	if ask {
		if err := c.Ask(); err != nil {
			t.Error(err)
		}
	}
	return before, c.Fingerprint()
}

// The fingerprint of a session is that of its greeting and of what is offered.
func TestSessionFingerprint(t *testing.T) {
	first, _ := print(t, offering("PLAIN LOGIN")+byPlain+"S: 235 welcome\n", false)
	if again, _ := print(t, offering("LOGIN PLAIN")+byPlain+"S: 235 welcome\n", false); again != first {
		t.Errorf("%q and %q for one host", first, again)
	}
	other := strings.Replace(offering("LOGIN PLAIN"), "220 mx", "220 mx2 Postfix", 1)
	if other, _ := print(t, other+byPlain+"S: 235 welcome\n", false); other == first {
		t.Error("another greeting is not seen")
	}
}

// Whether the host was asked once more behind the login or not, it is the same host: what is
// learned of it must be found in the next session, when it has not been asked.
func TestFingerprintBehindAsk(t *testing.T) {
	if before, after := print(t, needs+"S: 250-mx\nS: 250 SMTPUTF8\n", true); before != after {
		t.Errorf("%q before and %q after the host was asked", before, after)
	}
}
