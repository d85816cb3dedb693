package inspect_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// online asks, in silence and in words; both have to come to one result.
func online(t *testing.T, me *stage.Person, code int, args ...string) (said string) {
	t.Helper()
	if out := esmtpq(t, me, code, append([]string{"online"}, args...)...); out != "" {
		t.Errorf("%q is said without -v", out)
	}
	said = esmtpq(t, me, code, append([]string{"online", "-v"}, args...)...)
	if again := esmtpq(t, me, code, append([]string{"online", "--verbose"}, args...)...); again != said {
		t.Errorf("-v: %q; --verbose: %q", said, again)
	}
	return said
}

// Online is who gets an answer of the host itself, be it that of one identity only. No login is made, and
// no password asked for.
func TestOnline(t *testing.T) {
	cert := stage.NewCertificate(t)
	host := stage.NewSmartHost(t, stage.WithTLS(cert))
	hole := stage.NewBlackHole(t)
	me := stage.NewPerson(t)
	config := func(text string) {
		me.Write(".config/esmtpq/config.yaml", strings.ReplaceAll(text, "PORT", host.Port))
	}
	const asks = "identities:\n- {name: work, host: 'localhost:PORT', tls: starttls, username: me, password_command: 'touch $HOME/asked; exit 1'}\n"
	config(asks)
	contains(t, online(t, me, 1), "work: localhost sends its own certificate alone") // as in the network of a hotel
	me.Setenv("SSL_CERT_FILE=" + cert.Authority)
	if said, want := online(t, me, 0), "work: localhost:"+host.Port+" answers, TLS 1.3\n"; said != want {
		t.Errorf("%q, want %q", said, want)
	}
	for _, name := range []string{"asked", ".esmtp_queue"} {
		if stage.Exists(me.Path(name)) {
			t.Errorf("%s is there", name)
		}
	}

	// One of several is enough, and silence of another does not keep anybody.
	config(asks + "- {name: silent, match: x@example.net, host: '" + hole.Addr + "', tls: off}\n")
	online := func(code int, args ...string) string { t.Helper(); return online(t, me, code, args...) }
	if said := online(0, "--timeout", "2s"); said != "work: localhost:"+host.Port+" answers, TLS 1.3\nsilent: no answer within 2s\n" {
		t.Errorf("%q", said)
	}
	contains(t, online(1, "--timeout=300ms", "silent"), "silent: no answer within 300ms")
	esmtpq(t, me, 0, "online", "work")
	config("identities:\n- {name: two, hosts: ['" + hole.Addr + "', 'localhost:PORT'], tls: off}\n")
	contains(t, online(0), "two: localhost:"+host.Port+" answers, in clear")

	// Nobody there, or somebody else.
	closed := stage.Listen(t)
	closed.Close()
	config("identities:\n- {name: gone, hosts: ['" + closed.Addr().String() + "', 'localhost:" + stage.FreePort(t) + "'], tls: off}\n")
	contains(t, online(1), "gone: ", "none of 2 hosts can be used", "connection refused")
	config("identities:\n- {name: web, host: '" + webServer(t) + "', tls: off}\n")
	contains(t, online(1), "web: ", "a web server or an HTTP proxy answers at this port")
	if n := len(host.Received()); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
}

// webServer answers each connection as a portal does.
func webServer(t *testing.T) (addr string) {
	t.Helper()
	l := stage.Listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\n\r\n")
			c.(*net.TCPConn).CloseWrite()
			go func() {
				io.Copy(io.Discard, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// What is asked for wrongly, or cannot be asked, is told from nobody's answering.
func TestOnlineMisused(t *testing.T) {
	me := stage.NewPerson(t)
	fails := func(code int, want string, args ...string) {
		t.Helper()
		if r := me.Try("", "esmtpq", append([]string{"online"}, args...)...); r.Code != code || !strings.Contains(r.Stderr, want) || r.Stdout != "" || !stage.OneLine(r.Stderr) {
			t.Errorf("%q: %+v", args, r)
		}
	}
	fails(78, "no configuration")
	me.Write(".config/esmtpq/config.yaml", "identities:\n- {name: a, transport: command, command: cat}\n")
	fails(78, "has a smart host")
	me.Write(".config/esmtpq/config.yaml", fmt.Sprintf("identities:\n- {name: a, host: %s}\n", stage.DeadAddress(t)))
	fails(78, "there is no identity nobody", "nobody")
	for _, bad := range []string{"0s", "-1s", "x", "", "11m", "5"} {
		fails(64, "--timeout", "--timeout", bad)
		fails(64, "--timeout", "--timeout="+bad)
	}
	fails(64, "--timeout needs", "--timeout")
	if r := me.Try("", "timeout", "--preserve-status", "-s", "INT", "1", me.LookPath("esmtpq"), "online", "-v", "-C", withHole(t, me)); r.Code != 1 || r.Stdout != "a: interrupted\n" {
		t.Errorf("%+v", r)
	}
}

// withHole writes a configuration with a host that says nothing.
func withHole(t *testing.T, me *stage.Person) (path string) {
	t.Helper()
	path = me.Path("hole.yaml")
	if err := os.WriteFile(path, []byte("identities:\n- {name: a, host: '"+stage.NewBlackHole(t).Addr+"', tls: off}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
