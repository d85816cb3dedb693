package tunnel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/tunnel/command"
)

// dial runs a shell script as a proxy command; host and port are its $1 and $2.
func dial(t *testing.T, script string) net.Conn {
	t.Helper()
	c, err := command.Parse("sh -c '" + script + "' sh %h %p")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Dial(t.Context(), c, "mail.test", "25", Memory{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func TestDialCarriesBytesBothWays(t *testing.T) {
	conn := dial(t, `echo "220 $1 $2"; read line; echo "got $line"; cat`)
	r := bufio.NewReader(conn)
	expect := func(want string) {
		t.Helper()
		if got, err := r.ReadString('\n'); err != nil || got != want+"\n" {
			t.Fatalf("read %q, %v, want %q", got, err, want)
		}
	}
	expect("220 mail.test 25")
	io.WriteString(conn, "EHLO x\n")
	expect("got EHLO x")
	io.WriteString(conn, "more\n")
	expect("more")
	if got := conn.RemoteAddr().String(); got != "mail.test:25" {
		t.Errorf("remote address %s", got)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

func TestDialReadTellsHowTheCommandEnded(t *testing.T) {
	for _, test := range []struct{ script, want string }{
		{`echo "ssh: connect to host gw port 22: Connection refused" >&2; exit 255`,
			"sh: exit status 255: ssh: connect to host gw port 22: Connection refused"},
		{`kill -TERM $$`, "sh: ended by signal: terminated"},
		{`exit 0`, "the tunnel ended (exit status 0) before the host's greeting, and said nothing; to see why, type: " +
			`sh -c 'exit 0' sh mail.test 25`},
		{`echo "Certificate verification failed" >&2`, "the tunnel ended (exit status 0) before the host's greeting: Certificate verification failed"},
		{`exit 1`, "sh: exit status 1, and said nothing; to see why, type: sh -c 'exit 1' sh mail.test 25"},
	} {
		conn := dial(t, test.script)
		_, err := conn.Read(make([]byte, 100))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.script, err, test.want)
		}
	}
}

func TestDialReadHasTheLastWordsFirst(t *testing.T) {
	conn := dial(t, `echo "421 closing"; echo gone >&2; exit 7`)
	got, err := io.ReadAll(conn)
	if string(got) != "421 closing\n" || err == nil || err.Error() != "sh: exit status 7: gone" {
		t.Errorf("read %q, %v", got, err)
	}
}

// After the greeting, the host may well be the cause of an end with status 0.
func TestDialReadAfterTheGreeting(t *testing.T) {
	conn := dial(t, `echo "220 hello"; echo words >&2`)
	if got, err := io.ReadAll(conn); string(got) != "220 hello\n" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

// The error quotes what a command asks for while it waits.
func TestDialDeadlineSaysWhatWasAsked(t *testing.T) {
	ready := newFIFO(t)
	t.Setenv("FIFO", ready.path)
	conn := dial(t, `echo "Enter the code of your token" >&2; exec 3>"$FIFO"; echo ready >&3; exec 3>&-; cat >/dev/null`)
	ready.line(t)
	conn.SetDeadline(time.Now().Add(-time.Second))
	_, err := conn.Read(make([]byte, 1))
	said, ok := errors.AsType[*SaidError](err)
	if !ok || !errors.Is(err, os.ErrDeadlineExceeded) || said.Said() != "the tunnel (sh) has said: Enter the code of your token" {
		t.Errorf("read: %v", err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "code of your token") {
		t.Errorf("write: %v", err)
	}
}

func TestLouder(t *testing.T) {
	for argv, want := range map[string]string{
		"nc.openbsd 127.0.0.1 25":              "nc.openbsd -v 127.0.0.1 25",
		"/bin/nc -v h 25":                      "/bin/nc -v h 25",
		"proxytunnel -q -p proxy:3128 -d h:25": "proxytunnel -v -p proxy:3128 -d h:25",
		"ssh -q -W h:25 gw":                    "ssh -v -W h:25 gw",
		"socat - TCP:h:25":                     "socat -d - TCP:h:25",
		"./mine it's $x [::1]:25":              `./mine 'it'\''s' '$x' '[::1]:25'`,
	} {
		if got := louder(strings.Fields(argv)); got != want {
			t.Errorf("%s: %s, want %s", argv, got, want)
		}
	}
}

func TestDialWriteTellsHowTheCommandEnded(t *testing.T) {
	conn := dial(t, `echo refused >&2; exit 1`)
	big := make([]byte, 1<<20) // more than the socket takes
	_, err := conn.Write(big)
	if exit, ok := errors.AsType[*ExitError](err); !ok || exit.Status != 1 || exit.Output != "refused" {
		t.Errorf("got %v", err)
	}
}

func TestDialDeadline(t *testing.T) {
	conn := dial(t, `cat >/dev/null`)
	conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	if said, ok := errors.AsType[*SaidError](err); !ok || !errors.Is(err, os.ErrDeadlineExceeded) || said.Said() != "the tunnel (sh) has said nothing" {
		t.Errorf("got %v", err)
	}
}

func TestDialCloseEndsWhatDoesNotEnd(t *testing.T) {
	for _, script := range []string{
		`exec 3>"$FIFO"; echo ready >&3; sleep 600`,               // does not see the end of its input
		`exec 3>"$FIFO"; echo ready >&3; sleep 600 & cat`,         // sees it, but not its child
		`exec 3>"$FIFO"; trap "" TERM; echo ready >&3; sleep 600`, // would ignore a signal
	} {
		ready := newFIFO(t)
		t.Setenv("FIFO", ready.path) // this also shows that the environment is passed on
		conn := dial(t, script)
		ready.line(t)
		if err := conn.Close(); err != nil {
			t.Errorf("%s: %v", script, err)
		}
		ready.ended(t)
	}
}

func TestDialCommandNotFound(t *testing.T) {
	c, err := command.Parse("./no-such-command %h %p")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Dial(t.Context(), c, "mail.test", "25", Memory{})
	if err == nil {
		conn.Close()
		t.Fatal("dialled")
	}
	if !strings.Contains(err.Error(), "no-such-command") {
		t.Errorf("error %q does not name the command", err)
	}
}

// A gateway that turns us away after refused logins does not take the reason for that from the person.
func TestReasonBeforeAGatewayHangsUp(t *testing.T) {
	dir := t.TempDir()
	ssh := filepath.Join(dir, "ssh")
	say := func(text string) {
		if err := os.WriteFile(ssh, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c, err := command.Parse(ssh + " gw")
	if err != nil {
		t.Fatal(err)
	}
	memory := Memory{func(bool) (*os.File, error) { return os.Open(dir) }, "memory"}
	failure := func() string {
		conn, err := Dial(t.Context(), c, "mail.test", "25", memory)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		_, err = conn.Read(make([]byte, 1))
		return fmt.Sprint(err)
	}
	const refused, away = "me@gw: Permission denied (publickey).", "kex_exchange_identification: read: Connection reset by peer"
	say("echo '" + away + "' >&2; exit 255")
	if got := failure(); !strings.Contains(got, away) || strings.Contains(got, "since then") {
		t.Errorf("first: %s", got)
	}
	say("echo '" + refused + "' >&2; exit 255")
	failure()
	say("echo '" + away + "' >&2; exit 255")
	for range 3 {
		if got := failure(); !strings.HasPrefix(got, "ssh: exit status 255: "+refused+"; no key was accepted: ssh-add -l ") || !strings.HasSuffix(got, "; since then the gateway hangs up: "+away) {
			t.Errorf("turned away: %s", got)
		}
	}
	say("echo 220 hello")
	failure()
	say("echo '" + away + "' >&2; exit 255")
	if got := failure(); strings.Contains(got, "since then") {
		t.Errorf("after a success: %s", got)
	}
}
