package smtp

import (
	"bytes"
	"context"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A cutConn takes nothing any more from a text on.
type cutConn struct {
	net.Conn
	at string
}

// Write implements net.Conn.
func (c cutConn) Write(p []byte) (int, error) {
	before, _, found := bytes.Cut(p, []byte(c.at))
	n, err := c.Conn.Write(before)
	if found && err == nil {
		err = syscall.ECONNRESET
	}
	return n, err
}

// What the host answers before the end of a content has gone out is no answer to that end: the
// message is not counted as taken.
func TestTakenBeforeItsEnd(t *testing.T) {
	const wanted = "S: 250 ok\nS: 250 ok\nS: 354 go on\n"
	lines := strings.Repeat("line\n", 10000)
	for _, c := range []struct{ name, script, content, cut, want string }{
		{"the dot", pipelined + flight + wanted + "C: line\nC: last\nS: 250 ok\n! hang", "line\nlast\n", ".\r\n",
			"mail 250 rcpt 250 end 250 part sent untrusted first..."},
		{"in the content", pipelined + flight + wanted + "C: line\nC* last\nS: 250 ok\n! hang", "line\n" + lines + "last\ncut\n" + lines, "cut",
			"mail 250 rcpt 250 end 250 part sent untrusted first..."},
		{"lockstep", lockstep + envelope + "C: line\nC: last\nS: 250 ok\n! hang", "line\nlast\n", ".\r\n",
			"mail 250 rcpt 250 end 250 part sent untrusted first..."},
		{"the last chunk", chunking + "C: MAIL FROM:<me@example.org>\nC: RCPT TO:<a@example.net>\nC: BDAT 1\nC: xBDAT 2 LAST\n" +
			strings.Repeat("S: 250 ok\n", 5) + "! hang", "x", "\r\nRSET", "mail 250 rcpt 250 end 250 part sent untrusted first..."},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, _ := opened(t, c.script, func(cfg *Config) {
				dial := cfg.Dial
				cfg.Dial = func(ctx context.Context) (net.Conn, error) {
					raw, err := dial(ctx)
					return cutConn{raw, c.cut}, err
				}
			})
			m := mail(c.content, "a@example.net")
			m.Chunks = strings.HasPrefix(c.script, chunking)
			got, _ := carry(t, conn, m)
			expect(t, got, c.want)
		})
	}
}

// A reply that had come by the time of an interruption counts: the one before it is then not the last, after which nobody
// knows what the host would have done.
func TestInterruptedBetweenReplies(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := serve(t, pipelined+"C: MAIL FROM:<me@example.org>\nC: RCPT TO:<a@example.net>\nC: RCPT TO:<b@example.net>\nC: DATA\n"+
		`S" "250 ok\r\n250 ok\r\n550 no\r\n354 go on\r\n"`+"\n! hang", nil)
	cfg := s.configured()
	var c *Conn
	cfg.Trace = func(_ byte, line string) {
		if line == "550 no" {
			cancel()
			for c.raw.SetReadDeadline(time.Time{}) == nil { // until the interruption has closed it
				time.Sleep(time.Millisecond)
			}
		}
	}
	c, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	got, err := carry(t, c, mail("x", "a@example.net", "b@example.net"))
	failed(t, err, KindStopped, StageMAIL, "the delivery was interrupted")
	expect(t, got, "mail 250 rcpt 250 550 end - nothing sent first (stopped at MAIL FROM)")
}
