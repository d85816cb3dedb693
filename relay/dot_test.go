package relay

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"esmtpq/queue"
)

// A conn that takes the final dot and fails behind it.
type dotConn struct {
	net.Conn
	after string
}

func (c *dotConn) Write(p []byte) (int, error) {
	if i := strings.Index(string(p), c.after); i >= 0 {
		n, _ := c.Conn.Write(p[:i+len(c.after)])
		return n, errors.New("cable cut")
	}
	return c.Conn.Write(p)
}

// The dot and the envelope behind it leave in one write, or in several if the buffer fills: a
// write that fails may have failed behind the dot. The message is in doubt, and not sent again in
// this run.
func TestWriteFailsBehindDot(t *testing.T) {
	s := serve(t, pipelinedStart+`
		C: MAIL FROM:<me@example.org>
		C: RCPT TO:<x1@example.com>
		C: DATA
		S: 250 ok
		S: 250 ok
		S: 354 go on
		C* .
		! hang
		---`+pipelinedStart+`
		! close
		---`+pipelinedStart+`
		! close
	`, nil)
	defer s.close()
	h := s.host()
	h.config.Limits.Quit = 300 * time.Millisecond // for a reply to what has arrived
	dialed := 0
	addr := h.addr
	h.dial = func(context.Context) (net.Conn, error) {
		conn, err := net.Dial("tcp", addr)
		if dialed++; dialed > 1 || err != nil {
			return conn, err
		}
		return &dotConn{conn, "\r\n.\r\n"}, nil
	}
	// The content fills the 32 kB that are written at once so far that the next envelope does not
	// fit in.
	first := message("1", "x1@example.com")
	first.Content = stringContent{text: "Subject: 1\n\n" + strings.Repeat("0123456789abcde\n", (32<<10-200)/17)}
	var many []string
	for range 45 {
		many = append(many, strings.Repeat("x", 60)+"@example.com")
	}
	src := &testSource{t: t, queue: []*queue.Delivery{first, message("2", many...)}}
	src.run(t.Context(), h)
	if len(src.log) == 0 || !strings.HasPrefix(src.log[0], "1 x1@example.com delayed/session unsure") {
		t.Errorf("the first message: %.200q, want it in doubt", src.log)
	}
}
