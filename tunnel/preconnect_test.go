package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Preconnect runs a line and leaves alone what it leaves.
func Preconnect(ctx context.Context, line string) error {
	process, err := preconnect(ctx, line, "")
	if err == nil {
		process.Release()
	}
	return err
}

func TestPreconnectStatus(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"exit 0", ""},
		{"exit 3", "preconnect: exit status 3"},
		{"echo first; echo 'no route' >&2; exit 255", "preconnect: exit status 255: first; no route"},
		{"printf 'a\\r\\n\\nb\\r\\n' >&2; exit 1", "preconnect: exit status 1: a; b"},
		{"kill -KILL $$", "preconnect: ended by signal: killed"},
		{"cat; test -c /dev/stdin", ""}, // stdin exists, is a device, and is empty
		{"nosuchcommandanywhere 2>/dev/null", "preconnect: exit status 127"},
		{"exit 1 # 'it", "preconnect: exit status 1"},
	} {
		err := Preconnect(t.Context(), test.line)
		if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
			t.Errorf("%q: %s, want %q", test.line, got, test.want)
		}
	}
	if err := Postconnect(t.Context(), "exit 2"); err == nil || err.Error() != "postconnect: exit status 2" {
		t.Errorf("postconnect: %v", err)
	}
}

func TestPreconnectOutputIsBounded(t *testing.T) {
	err := Preconnect(t.Context(), `i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done; exit 1`)
	exit, ok := errors.AsType[*ExitError](err)
	if !ok || exit.Status != 1 || exit.Signal != 0 {
		t.Fatalf("got %v", err)
	}
	if n := len(exit.Output); n > 1024 || n < 900 {
		t.Errorf("%d octets of output were kept", n)
	}
	if !strings.HasPrefix(exit.Output, "line 2") || !strings.HasSuffix(exit.Output, "\nline 2999") {
		t.Errorf("not the last whole lines: %q", exit.Output)
	}
}

// A background process of the line keeps stdout and stderr open, and is needed.
func TestPreconnectLeavesBackgroundAlone(t *testing.T) {
	back, goOn := newFIFO(t), makeFIFO(t)
	line := fmt.Sprintf("{ read word <'%s'; echo $word >'%s'; } & exit 0", goOn, back.path)
	if err := Preconnect(t.Context(), line); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(goOn, []byte("alive\n"), 0)
	if got := back.line(t); got != "alive\n" {
		t.Errorf("the background wrote %q", got)
	}
	back.ended(t)
}

func TestPreconnectIsStoppedWithItsGroup(t *testing.T) {
	for _, line := range []string{
		"sleep 600 & echo ready >&3; wait",
		"trap '' TERM; echo ready >&3; while :; do sleep 600; done", // ignores SIGTERM
		"(trap '' TERM; sleep 600) & echo ready >&3; wait",          // its child does not
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ready := newFIFO(t)
		done := make(chan error, 1)
		go func() { done <- Preconnect(ctx, "exec 3>'"+ready.path+"'; echo working; "+line) }()
		ready.line(t)
		cancel()
		err := <-done
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "working") {
			t.Errorf("%q: %v", line, err)
		}
		ready.ended(t)
	}
}

func TestPreconnectAfterItsTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Preconnect(ctx, "exit 0"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Our caller may have left descriptors open that the command must not get.
func TestPreconnectInheritsNoDescriptor(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := syscall.Dup(int(file.Fd())) // a duplicate stays open on exec
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := Preconnect(t.Context(), fmt.Sprintf("test ! -e /dev/fd/%d", fd)); err != nil {
		t.Errorf("descriptor %d was inherited: %v", fd, err)
	}
}

func TestPreconnectHasItsOwnSession(t *testing.T) {
	// The person's terminal is out of reach: no command can stop to ask something.
	if err := Preconnect(t.Context(), "! (: </dev/tty) 2>/dev/null"); err != nil {
		t.Error(err)
	}
}

func TestWaitDialUntilThePortAccepts(t *testing.T) {
	addr := unusedAddress(t)
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := WaitDial(t.Context(), "tcp", addr, patience)
		done <- result{conn, err}
	}()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skip("another process took the port:", err)
	}
	defer l.Close()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	r.conn.Close()
}

func TestWaitDialGivesUp(t *testing.T) {
	addr := unusedAddress(t)
	if conn, err := WaitDial(t.Context(), "tcp", addr, time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refused: %v, %v", conn, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if conn, err := WaitDial(ctx, "tcp", addr, patience); err == nil {
		t.Errorf("cancelled: %v", conn)
	}
	// Waiting does not help against an error of another kind.
	if conn, err := WaitDial(t.Context(), "unix", t.TempDir()+"/none", time.Hour); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v, %v", conn, err)
	}
}

// unusedAddress returns a loopback address that nothing listened at a moment ago.
func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
