package smtp

import "time"

// A pump reads the replies to what has been sent, in their order, so that the host never has to wait for us to
// read while we wait for it to.
type pump struct {
	want chan expected
	got  chan answer
}

// expected is a reply that is to come.
type expected struct {
	at    Stage
	limit time.Duration // counted from when the reply before it was there
}

// An answer is a reply, or why there is none.
type answer struct {
	r   *Reply
	err *Error
}

// newPump starts a goroutine, which ends with stop, or once the connection is closed. Both
// channels hold all that can be in flight, so nobody waits for room in them.
func newPump(c *Conn) *pump {
	p := &pump{want: make(chan expected, maxUnanswered+1), got: make(chan answer, maxUnanswered+1)}
	go func() {
		defer close(p.got)
		for e := range p.want {
			r, err := c.expect(e.at, e.limit)
			p.got <- answer{r, err}
			if err != nil {
				return
			}
		}
	}()
	return p
}

// stop ends the goroutine and waits for its end. All has been answered, or the connection closed.
func (p *pump) stop() {
	close(p.want)
	for range p.got {
	}
}
