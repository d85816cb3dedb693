package relay_test

import (
	"fmt"
	"testing"
)

// A fault is what becomes of one reply, counted over all sessions of a run.
type fault struct {
	at   int
	kind kind
}

// threeMessages are the messages of the enumeration. In the second variant some recipients are
// refused, in the third a message is.
func threeMessages(variant int) []*message {
	msgs := []*message{
		newMessage(0, 1, "Subject: m0\n\nfirst\n.\n..second\n"),
		newMessage(1, 3, "Subject: m1\n\n.text of m1"),
		newMessage(2, 2, "Subject: m2\n\ntext of m2\n"),
	}
	switch variant {
	case 1:
		msgs[1].rcpts[1].refusal = 550
		msgs[2].rcpts[0].refusal = 450
	case 2:
		msgs[0].rcpts[0].refusal = 550
		msgs[1].refusal, msgs[1].refusedAt = 554, dot
	}
	return msgs
}

// variants are those of threeMessages, for each flavour.
const variants = 3 * int(flavours)

// positions is a reply further than any dialogue of the enumeration has without faults.
const positions = 30

// playFaults plays a run with faults, and an honest one.
func playFaults(m mode, variant int, verbose bool, faults ...fault) *world {
	p := &plan{mode: m, flavour: flavour(variant / 3)}
	w := newWorld(p, threeMessages(variant%3))
	w.verbose = verbose
	p.fault = func(s *session, c *command) kind {
		for _, f := range faults {
			if w.run == 1 && f.at == w.number {
				return f.kind
			}
		}
		return natural
	}
	w.carry(true)
	if len(faults) == 1 {
		w.judgeSingle(faults[0].kind, faults[0].at)
	}
	if !w.settled() && len(w.broken) == 0 {
		w.carry(false)
		w.judgeHonest()
	}
	return w
}

// TestOracleSingles: one reply goes wrong, in each way, at each position.
func TestOracleSingles(t *testing.T) {
	var all findings
	for m := range modes {
		for variant := range variants {
			for at := 1; at <= positions; at++ {
				for k := natural + 1; k < kinds && all.open(); k++ {
					name := fmt.Sprintf("playFaults(%s, %d, ..., fault{%d, %v})", modeNames[m], variant, at, k)
					all.play(t, name, func(verbose bool) *world { return playFaults(m, variant, verbose, fault{at, k}) })
				}
			}
		}
	}
	all.report(t)
}

// TestOraclePairs: two replies go wrong, in each two ways, at each two positions.
func TestOraclePairs(t *testing.T) {
	every := 61
	if isLong() {
		every = 1
	}
	var all findings
	n := 0
	for m := range modes {
		for i := 1; i <= positions; i++ {
			for j := i + 1; j <= positions; j++ {
				for k := natural + 1; k < kinds; k++ {
					for l := natural + 1; l < kinds && all.open(); l++ {
						if n++; n%every != 0 {
							continue
						}
						variant := n / every % variants
						name := fmt.Sprintf("playFaults(%s, %d, ..., fault{%d, %v}, fault{%d, %v})", modeNames[m], variant, i, k, j, l)
						all.play(t, name, func(verbose bool) *world { return playFaults(m, variant, verbose, fault{i, k}, fault{j, l}) })
					}
				}
			}
		}
	}
	all.report(t)
}
