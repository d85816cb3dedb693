package clients

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// servePOP is a POP3 server (RFC 1939) with one mail in it, for one session. It reports whether the
// mail was deleted.
func servePOP(t *testing.T, mail string) (port string, deleted <-chan bool) {
	t.Helper()
	l := stage.Listen(t)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	gone := make(chan bool, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in, dele := bufio.NewScanner(conn), false
		fmt.Fprint(conn, "+OK\r\n")
		for in.Scan() {
			verb, arg, _ := strings.Cut(strings.ToUpper(in.Text()), " ")
			switch verb {
			case "CAPA", "UIDL", "LAST":
				fmt.Fprint(conn, "-ERR no\r\n")
			case "STAT":
				fmt.Fprintf(conn, "+OK 1 %d\r\n", len(mail))
			case "LIST":
				fmt.Fprintf(conn, "+OK 1 %d\r\n", len(mail))
				if arg == "" {
					fmt.Fprintf(conn, "1 %d\r\n.\r\n", len(mail))
				}
			case "RETR", "TOP":
				fmt.Fprint(conn, "+OK\r\n"+stuffed(mail)+".\r\n")
			case "DELE":
				dele = true
				fmt.Fprint(conn, "+OK\r\n")
			case "QUIT":
				fmt.Fprint(conn, "+OK\r\n")
				gone <- dele
				return
			default:
				fmt.Fprint(conn, "+OK\r\n")
			}
		}
		gone <- dele
	}()
	return port, gone
}

// stuffed returns a mail as it goes over the wire, without the final dot.
func stuffed(mail string) string {
	var b strings.Builder
	for line := range strings.Lines(mail) {
		if strings.HasPrefix(line, ".") {
			b.WriteByte('.')
		}
		b.WriteString(strings.TrimSuffix(line, "\n") + "\r\n")
	}
	return b.String()
}

// fetchmail's mda is a shell line of its own; a status other than zero keeps the mail on the
// server.
func TestFetchmail(t *testing.T) {
	root := stage.Debian(t, "usr/bin/fetchmail")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	fetch := func(options string) (deleted bool) {
		port, gone := servePOP(t, forwarded+stage.Awkward)
		me.Write(".fetchmailrc", fmt.Sprintf("poll 127.0.0.1 service %s protocol pop3 no dns auth password user \"ann\" there with password \"pw\" "+
			"is \"friend@example.net\" here no rewrite sslproto '' mda \"%s %s-i -f %%F -- %%T\"\n", port, me.Path("bin/sendmail"), options))
		cmd := me.Command(filepath.Join(root, "usr/bin/fetchmail"), "--invisible", "--nodetach", "--nosyslog",
			"-f", me.Path(".fetchmailrc"), "--idfile", me.Path(".fetchids"), "--pidfile", me.Path(".fetchpid"))
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+stage.UnpackedLibraries(root))
		r := stage.Finish(t, cmd, "")
		t.Logf("fetchmail: %d %s %s", r.Code, r.Stdout, r.Stderr)
		return <-gone
	}
	if !fetch("") {
		t.Error("a mail that was taken stays on the server")
	}
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "author@example.net", "friend@example.net")
	if got := mail.Text(t); got != stage.Awkward {
		t.Errorf("text arrived as %q, want %q", got, stage.Awkward)
	}
	if fetch("-Z ") {
		t.Error("a mail that was refused is gone from the server")
	}
}
