package smtp

import "time"

// A pump reads the replies to everything that was sent, in order, so that we and the host never
// wait for each other to read.
type pump struct {
	want chan expected
	got  chan answer
}

// expected is a reply that is to come.
type expected struct {
	at    Stage
	limit time.Duration // counted from the reply before it
}

// An answer is a reply, or why there is none.
type answer struct {
	r    *Reply
	err  *Error
	more bool // the next reply has come, too
}

// newPump starts a goroutine, which ends with stop or once the connection is closed. Both
// channels have room for everything that can be in flight, so that no one waits for room.
func newPump(c *Conn) *pump {
	p := &pump{want: make(chan expected, maxUnanswered+1), got: make(chan answer, maxUnanswered+1)}
	go func() {
		defer close(p.got)
		for e := range p.want {
			r, err := c.expect(e.at, e.limit)
			p.got <- answer{r, err, err == nil && c.r.holds()}
			if err != nil {
				return
			}
		}
	}()
	return p
}

// stop ends the goroutine and waits for its end. Everything must have been answered, or the
// connection closed.
func (p *pump) stop() {
	close(p.want)
	for range p.got {
	}
}
