package stage

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Limit is how long a test waits before it gives up on something that should have happened.
const Limit = 2 * time.Minute

// Await waits until come reports true. what says what did not happen if it never does.
func Await(t testing.TB, what string, come func() bool) {
	t.Helper()
	for end := time.Now().Add(Limit); !come(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v: still not %s", Limit, what)
		}
	}
}

// AwaitPort waits until a server listens on a port of loopback.
func AwaitPort(t testing.TB, port string) {
	t.Helper()
	Await(t, "a server on port "+port, func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// AwaitLine reads a program's log until a line has the text, and goes on reading so that
// the program never blocks.
func AwaitLine(t testing.TB, log *bufio.Scanner, text string) {
	t.Helper()
	var said []string
	for log.Scan() {
		if said = append(said, log.Text()); strings.Contains(log.Text(), text) {
			go func() {
				for log.Scan() {
				}
			}()
			return
		}
	}
	t.Fatalf("ended without %q:\n%s", text, strings.Join(said, "\n"))
}

// Listen listens on a port of loopback until the test ends.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// FreePort returns a port of loopback on which nothing listens, for a server that is told its
// port.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// DeadAddress returns an address of loopback at which every connection is refused until the test
// ends. The port is taken, so that no other test can begin to listen on it meanwhile.
func DeadAddress(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	t.Cleanup(func() { syscall.Close(fd) })
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
}
