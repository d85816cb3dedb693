package tunnel

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newForward returns a Forward of a port of its own, with the line made from the gateway, the local
// port and what it leads to.
func newForward(t *testing.T, line, config, host, port string) *Forward {
	t.Helper()
	local := unusedAddress(t)
	_, localPort, _ := net.SplitHostPort(local)
	return &Forward{
		Line: fmt.Sprintf(line, config, localPort, host, port), To: Endpoint{Host: "127.0.0.1", Port: localPort},
		Mark: fmt.Sprint("preconnect test ", os.Getpid(), t.Name()), Limit: patience, Dialing: patience, Patience: patience,
	}
}

// What a line has left for a session ends with it, so that the port is free for the next one.
func TestForwardEndsWithTheSession(t *testing.T) {
	server := startSSHServer(t)
	host, port := startSmartHost(t)
	for _, line := range []string{
		"ssh -F %s -f -o ExitOnForwardFailure=yes -L %s:%s:%s gateway 'sleep 20'",
		"ssh -F %s -f -N -o ExitOnForwardFailure=yes -L %s:%s:%s gateway",
	} {
		f := newForward(t, line, server.ClientConfig, host, port)
		for range 3 {
			conn, err := f.Dial(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			converse(t, conn)
			if _, ok := conn.(socket); !ok {
				t.Error("the connection does not show whether something has come")
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			if c, err := net.DialTimeout("tcp", net.JoinHostPort(f.To.Host, f.To.Port), time.Second); err == nil {
				c.Close()
				t.Fatalf("%s: the port is still forwarded", line)
			}
		}
	}
}

// What a line has left stays while another session uses it.
func TestForwardStaysForTheLastSession(t *testing.T) {
	server := startSSHServer(t)
	host, port := startSmartHost(t)
	f := newForward(t, "ssh -F %s -f -N -o ExitOnForwardFailure=no -L %s:%s:%s gateway", server.ClientConfig, host, port)
	first, err := f.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	converse(t, first)
	first.Close()
}

// What a killed run has left is ended before the line is run again.
func TestForwardOfAKilledRun(t *testing.T) {
	server := startSSHServer(t)
	host, port := startSmartHost(t)
	f := newForward(t, "ssh -F %s -f -N -o ExitOnForwardFailure=yes -L %s:%s:%s gateway", server.ClientConfig, host, port)
	left, err := preconnect(t.Context(), f.Line, f.Mark)
	if err != nil {
		t.Fatal(err)
	}
	left.Release()
	conn, err := f.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	converse(t, conn)
	conn.Close()
}

// The local port accepts although its far end refuses.
func TestForwardToNothing(t *testing.T) {
	server := startSSHServer(t)
	_, closed, _ := net.SplitHostPort(unusedAddress(t))
	f := newForward(t, "ssh -F %s -f -L %s:%s:%s gateway 'sleep 20'", server.ClientConfig, "127.0.0.1", closed)
	conn, err := f.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	_, err = conn.Read(make([]byte, 1))
	if want := "the forwarded port " + net.JoinHostPort(f.To.Host, f.To.Port) + " was closed: its far end refuses"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// A connection that is shared with others stays.
func TestForwardLeavesASharedConnection(t *testing.T) {
	server := startSSHServer(t)
	host, port := startSmartHost(t)
	control := filepath.Join(t.TempDir(), "c")
	shared := "-o ControlPath=" + control
	f := newForward(t, "ssh -F %s "+shared+" -o ControlMaster=auto -o ControlPersist=60 -f -L %s:%s:%s gateway 'sleep 20'", server.ClientConfig, host, port)
	conn, err := f.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	converse(t, conn)
	conn.Close()
	ssh := func(args ...string) *exec.Cmd {
		return exec.Command("ssh", append([]string{"-F", server.ClientConfig, "-o", "ControlPath=" + control}, args...)...)
	}
	if out, err := ssh("-O", "check", "gateway").CombinedOutput(); err != nil {
		t.Errorf("the master has gone: %v: %s", err, out)
	}
	if out, err := ssh("-O", "exit", "gateway").CombinedOutput(); err != nil {
		t.Logf("%v: %s", err, bufio.NewScanner(strings.NewReader(string(out))).Text())
	}
}
