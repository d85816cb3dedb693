package relay

// A pump reads the replies to what has been sent, in their order.
type pump struct {
	want chan stage // what is to be answered
	got  chan answer
}

// An answer is a reply, or why there is none.
type answer struct {
	r *reply
	t *trouble
}

// newPump starts a goroutine, which ends with stop, or once the connection is closed. Both
// channels hold all that can be without an answer, so nobody waits for room in them.
func newPump(s *session) *pump {
	p := &pump{want: make(chan stage, maxUnanswered+1), got: make(chan answer, maxUnanswered+1)}
	go func() {
		defer close(p.got)
		for at := range p.want {
			r, t := s.expect(at, s.host.limits.of(at))
			p.got <- answer{r, t}
			if t != nil {
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
