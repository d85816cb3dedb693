package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// follower returns a Follower whose line notes that it was run, and a function that says how
// often that was.
func follower(t *testing.T, line string) (f *Follower, times func() int) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("OUT", out)
	f = &Follower{Line: `echo run >>"$OUT"; ` + line, Limit: patience, Failed: func(err error) { t.Error(err) }}
	return f, func() int {
		b, _ := os.ReadFile(out)
		return strings.Count(string(b), "run\n")
	}
}

// pipe is a dial that succeeds.
func pipe(context.Context) (net.Conn, error) {
	conn, _ := net.Pipe()
	return conn, nil
}

func TestPostconnectFollowsEachSession(t *testing.T) {
	f, times := follower(t, "")
	for want := 1; want <= 2; want++ {
		conn, err := f.Dial(t.Context(), pipe)
		if err != nil {
			t.Fatal(err)
		}
		if n := times(); n != want-1 {
			t.Errorf("run %d times before session %d has ended", n, want)
		}
		conn.Close()
		conn.Close()
		if n := times(); n != want {
			t.Errorf("run %d times after session %d", n, want)
		}
	}
}

func TestPostconnectFollowsTheLastOfSeveral(t *testing.T) {
	f, times := follower(t, "")
	first, _ := f.Dial(t.Context(), pipe)
	second, err := f.Dial(t.Context(), func(ctx context.Context) (net.Conn, error) {
		first.Close() // while another is being opened
		return pipe(ctx)
	})
	if err != nil || times() != 0 {
		t.Errorf("%v; run while a session was open", err)
	}
	second.Close()
	if n := times(); n != 1 {
		t.Errorf("run %d times", n)
	}
}

func TestPostconnectAndSessionsThatWereNeverOpened(t *testing.T) {
	f, times := follower(t, "")
	no := errors.New("preconnect: exit status 1")
	if _, err := f.Dial(t.Context(), func(context.Context) (net.Conn, error) { return nil, no }); err != no {
		t.Error(err)
	}
	if n := times(); n != 0 {
		t.Errorf("run %d times", n)
	}
	// The last one to end may be a failed attempt.
	conn, _ := f.Dial(t.Context(), pipe)
	f.Dial(t.Context(), func(context.Context) (net.Conn, error) {
		conn.Close()
		return nil, no
	})
	f.Dial(t.Context(), func(context.Context) (net.Conn, error) { return nil, no })
	if n := times(); n != 1 {
		t.Errorf("run %d times", n)
	}
}

func TestPostconnectOfAnInterruptedRun(t *testing.T) {
	f, times := follower(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := f.Dial(ctx, pipe)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	var wg sync.WaitGroup
	for range 2 { // once by the interrupting side, once by the interrupted one
		wg.Go(func() {
			conn.Close()
			if n := times(); n != 1 {
				t.Errorf("run %d times at the end of the session", n)
			}
		})
	}
	wg.Wait()
}

func TestPostconnectThatFailsOrDoesNotEnd(t *testing.T) {
	for line, want := range map[string]string{
		"echo gone >&2; exit 2": "postconnect: exit status 2: gone",
		"sleep 600":             "postconnect: not finished in time and stopped",
	} {
		f, _ := follower(t, line)
		var got error
		f.Failed = func(err error) { got = err }
		if strings.HasPrefix(line, "sleep") {
			f.Limit = f.Limit / 100
		}
		conn, _ := f.Dial(t.Context(), pipe)
		conn.Close()
		if got == nil || got.Error() != want {
			t.Errorf("%s: %v, want %s", line, got, want)
		}
	}
}

func TestFollowedConnectionStaysWhatItIs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			io.WriteString(conn, "220 hello")
			conn.Close()
		}
	}()
	f, times := follower(t, "")
	conn, err := f.Dial(t.Context(), func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := conn.(syscall.Conn); !ok {
		t.Error("cannot be looked into")
	}
	if _, ok := conn.RemoteAddr().(*net.TCPAddr); !ok {
		t.Errorf("remote address %v", conn.RemoteAddr())
	}
	if got, err := io.ReadAll(conn); string(got) != "220 hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	conn.Close()
	if n := times(); n != 1 {
		t.Errorf("run %d times", n)
	}
}
