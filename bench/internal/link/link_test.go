package link

import (
	"io"
	"net"
	"testing"
	"time"
)

const roundTrip = 40 * time.Millisecond

// near connects to a server through a link. The server says hello, if that is not empty, and
// echoes the rest.
func near(t *testing.T, hello string) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, hello)
		io.Copy(c, c)
	}()
	k, err := Listen("127.0.0.1:0", l.Addr().String(), roundTrip, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	c, err := net.Dial("tcp", k.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// Taking less time than possible is a mistake; how much longer it takes depends on the machine.
func TestALinkIsNeverFasterThanItsRoundTrips(t *testing.T) {
	for _, c := range []struct {
		hello   string
		atLeast time.Duration // from the connection to the end of the answer
	}{
		{"hello", 2 * roundTrip}, // the handshake, which ends at the server half a trip later, and half a trip back
		{"", 2 * roundTrip},      // the handshake, and there and back
	} {
		start := time.Now()
		n := near(t, c.hello)
		want := c.hello
		if want == "" {
			want = "first"
			io.WriteString(n, want)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(n, got); err != nil || string(got) != want {
			t.Fatal(string(got), err)
		}
		if took := time.Since(start); took < c.atLeast {
			t.Errorf("%q came after %v, which takes %v", want, took, c.atLeast)
		}
	}
}

func TestALinkKeepsOrderAndEnds(t *testing.T) {
	c := near(t, "")
	for _, s := range []string{"a", "b", "c"} {
		io.WriteString(c, s)
		time.Sleep(time.Millisecond)
	}
	c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "abc" || err != nil {
		t.Error(string(got), err)
	}
}

func TestALinkToNobody(t *testing.T) {
	k, err := Listen("127.0.0.1:0", "127.0.0.1:1", time.Millisecond, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	c, err := net.Dial("tcp", k.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error(n, err)
	}
}
