package relay

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// A windowSource measures how much is with the host and not recorded.
type windowSource struct {
	left         []*queue.Delivery
	octets, most int64
}

func (s *windowSource) Next(bool) *queue.Delivery {
	if len(s.left) == 0 {
		return nil
	}
	d := s.left[0]
	s.left = s.left[1:]
	return d
}

func (s *windowSource) Backlog() int { return len(s.left) }

func (s *windowSource) Wait(context.Context, time.Duration) bool { return false }

func (s *windowSource) Sending(d *queue.Delivery, _ []int) error {
	s.octets += d.Content.WireSize()
	s.most = max(s.most, s.octets)
	return nil
}

func (s *windowSource) Record(outcomes []queue.Outcome) error {
	for _, o := range outcomes {
		s.octets -= o.Delivery.Content.WireSize()
	}
	return nil
}

// hoardingHost accepts everything, and answers when it has several messages, to all in one go.
func hoardingHost(t *testing.T, messages int) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		if conn, err := l.Accept(); err == nil {
			hoard(conn, messages)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func hoard(conn net.Conn, messages int) {
	in := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 mx.example.org ESMTP\r\n")
	held, ends := "", 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		switch words[0] {
		case "EHLO":
			fmt.Fprint(conn, "250-mx.example.org\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
			continue
		case "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		case "BDAT":
			n, _ := strconv.Atoi(words[1])
			in.Discard(n)
			if len(words) > 2 {
				ends++
			}
		}
		if words[0] == "RSET" {
			held += "250 reset\r\n"
		} else {
			held += "250 ok\r\n"
		}
		if ends == messages || ends > 0 && in.Buffered() == 0 {
			fmt.Fprint(conn, held)
			held, ends = "", 0
		}
	}
}

// However many replies come at once, what they decide about is recorded before anything else is
// sent.
func TestWindowIsOfWhatIsNotRecorded(t *testing.T) {
	const size = 100_000
	src := &windowSource{}
	for i := range 60 {
		d := message(strconv.Itoa(i), "x@example.com")
		d.Content = stringContent{text: strings.Repeat(strings.Repeat("x", 98)+"\n", size/100)}
		src.left = append(src.left, d)
	}
	h := drained(&host{name: "mx.example.org", addr: hoardingHost(t, 10), dialTime: patience,
		config: smtp.Config{Name: "mx.example.org", Helo: "client.example.org", Limits: smtp.NewLimits(patience)}})
	w := worker{ctx: context.Background(), host: h, src: src}
	w.run()
	if src.octets != 0 || len(src.left) != 0 || src.most > 1<<20+2*size {
		t.Errorf("%d messages left, %d octets without an answer, at most %d at a time", len(src.left), src.octets, src.most)
	}
	if src.most < 2*size {
		t.Errorf("at most %d octets at a time: there was no series", src.most)
	}
}
