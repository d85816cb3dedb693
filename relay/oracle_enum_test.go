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
	n := 0
	for m := range modes {
		for variant := range variants {
			for at := 1; at <= positions; at++ {
				for k := natural + 1; k < kinds && all.open(); k++ {
					if n++; n%thinned != 0 {
						continue
					}
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
	every := 61 * thinned
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

// foundFaults are dialogues of the two tests above that once failed, and what was wrong.
var foundFaults = []struct {
	mode    mode
	variant int
	faults  []fault
	why     string
}{
	{chunked, 0, []fault{{15, say421Stay}}, "the messages behind a 421 are sent twice in a run"},
	{chunked, 1, []fault{{7, swallow}}, "a window out of step is believed"},
	{chunked, 2, []fault{{10, extra}}, "a reply too many at RSET: a refused message counts as taken"},
	{chunked, 0, []fault{{7, say5xxClose}}, "the first message fails by a reply that closed"},
	{chunked, 1, []fault{{21, garbage}}, "no reply to MAIL, in the last message of a window"},
	{chunked, 1, []fault{{22, garbage}}, "RSET not answered: the end's 2xx is not the end's"},
	{chunked, 1, []fault{{20, say3xx}}, "RSET answered with 354"},
	{chunked, 1, []fault{{8, say5xxClose}}, "the only recipient is refused, and the connection closed"},
	{chunked, 9, []fault{{21, extraOther}}, "a reply too many, found when the window has been read"},
	{chunked, 10, []fault{{13, extraLate}}, "a reply too many comes late"},
	{chunked, 10, []fault{{14, extra}, {17, say421Stay}}, "the end accepted though MAIL was refused"},
	{chunked, 10, []fault{{15, extra}, {20, say4xx}}, "the end accepted though MAIL was refused"},
	{chunked, 1, []fault{{10, junk}, {21, garbage}}, "lines that are no replies"},
	{pipelined, 2, []fault{{4, extraOther}}, "a dot into no message"},
	{pipelined, 2, []fault{{5, say3xx}}, "354 though all recipients were refused"},
	{pipelined, 0, []fault{{7, say3xx}}, "the dot was answered, RSET behind it with 354"},
	{pipelined, 3, []fault{{14, garbage}}, "the dot was answered, RSET behind it not"},
	{pipelined, 3, []fault{{7, extraOther}, {14, closes}}, "the dot was answered, RSET behind it twice"},
	{pipelined, 10, []fault{{8, say3xx}, {13, mute}}, "silence behind the dot"},
	{pipelined, 1, []fault{{6, say530}}, "a login is wanted at the end of a message"},
	{pipelined, 5, []fault{{12, garbage}, {15, deaf}}, "the reply to RSET is believed to be that to the dot"},
	{pipelined, 6, []fault{{13, swallow}, {14, say530}}, "the refusal of RSET is taken for that of the content"},
	{chunked, 6, []fault{{7, extraOther}, {9, garbage}}, "nobody accepted, the end is: sent again"},
	{chunked, 0, []fault{{10, swallow}, {11, say530}}, "the refusal of RSET is taken for that of the content"},
	{chunked, 0, []fault{{22, garbage}, {26, say4xx}}, "the same, in a series"},
	{lockstep, 0, []fault{{17, junk}}, "a line that is no reply before the last one"},
	{lockstep, 1, []fault{{17, say3xx}}, "354 to the dot: a recipient that was refused is in no doubt"},
	{pipelined, 8, []fault{{12, garbage}, {14, extra}}, "the dot is answered in the words of RSET"},
	{chunked, 0, []fault{{14, garbage}, {16, extraOther}}, "354 behind a reply that was missing: who was accepted is not known"},
	{chunked, 7, []fault{{21, extraOther}, {25, doneCloses}}, "nobody accepted, the end is, and the session is lost"},
	{pipelined, 11, []fault{{12, swallow}, {14, say5xx}}, "the dot is not answered, all behind it refused"},
	{chunked, 6, []fault{{14, swallow}, {16, extraOther}}, "354 behind a reply that was missing, with no line for it"},
	{chunked, 1, []fault{{19, extraOther}, {24, mute}}, "354 to RSET, and silence in the message behind"},
	{chunked, 6, []fault{{22, swallow}, {26, say4xx}}, "a chunk is answered in the words of an end, RSET refused"},
	{pipelined, 1, []fault{{15, extraOther}, {17, say3xx}}, "354 though all recipients were refused, and a reply too many"},
	{pipelined, 3, []fault{{13, swallow}, {14, say4xx}}, "the refusal of RSET is taken for that of the content, with the words of MAIL behind it"},
	{pipelined, 11, []fault{{12, garbage}, {14, say5xxClose}}, "a line in place of the reply to the dot, and what rides is refused"},
	{chunked, 7, []fault{{13, extraLate}, {19, say421Stay}}, "421 to the end is taken for that to RSET"},
	{chunked, 1, []fault{{23, garbage}, {26, say421Stay}}, "421 to RSET is taken for that to the end"},
	{chunked, 4, []fault{{15, swallow}, {16, garbage}}, "two replies are missing, and a chunk is answered in the words of RSET"},
	{chunked, 4, []fault{{16, swallow}, {20, swallow}}, "two replies are missing, and a chunk is answered in the words of an end"},
	{chunked, 7, []fault{{21, swallow}, {24, mute}}, "recipients are accepted of a message whose MAIL is refused"},
	{chunked, 0, []fault{{25, swallow}, {26, say4xx}}, "the refusal of RSET is taken for that of the content, and silence"},
}

// TestOracleFoundFaults plays them.
func TestOracleFoundFaults(t *testing.T) {
	var all findings
	for _, c := range foundFaults {
		name := fmt.Sprintf("%s, %d, %v: %s", modeNames[c.mode], c.variant, c.faults, c.why)
		all.play(t, name, func(verbose bool) *world { return playFaults(c.mode, c.variant, verbose, c.faults...) })
	}
	all.report(t)
}
