package relay_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// long is a flag that other packages' tests have, too.
func longFlag() *bool {
	if f := flag.Lookup("long"); f != nil {
		v := f.Value.String() == "true"
		return &v
	}
	return flag.Bool("long", false, "run the long versions of tests")
}

var (
	long = longFlag()
	seed = flag.Uint64("seed", 0, "play this dialogue of TestOracleRandom alone, or with -dialogues those from it on")
	some = flag.Uint64("dialogues", 0, "play so many dialogues of TestOracleRandom")
)

// isLong reports whether -long was given, whoever defined it.
func isLong() bool {
	f := flag.Lookup("long")
	return *long || f != nil && f.Value.String() == "true"
}

// A dice is a source of numbers that depends on nothing but the seed.
type dice struct{ *rand.Rand }

func newDice(a, b uint64) dice { return dice{rand.New(rand.NewPCG(a, b))} }

// one reports true one time in n.
func (d dice) one(n int) bool { return d.IntN(n) == 0 }

// text is a content: lines with and without dots, now and then a long one.
func (d dice) text(id string) string {
	var b strings.Builder
	b.WriteString("Subject: " + id + "\n\n")
	lines := d.IntN(6)
	if d.one(40) {
		lines = 500 + d.IntN(1500)
	}
	if d.one(400) {
		lines = 12000
	}
	for i := range lines {
		switch d.IntN(12) {
		case 0:
			b.WriteString(".\n")
		case 1:
			b.WriteString("..\n")
		case 2:
			b.WriteString(".QUIT\n")
		case 3:
			b.WriteString("\n")
		case 4:
			b.WriteString("grüße\n")
		case 5:
			b.WriteString("RSET\n")
		default:
			fmt.Fprintf(&b, "line %d of %s %s\n", i, id, strings.Repeat("x", d.IntN(70)))
		}
	}
	if d.one(5) {
		b.WriteString("no end of line")
	}
	return b.String()
}

// randomWorld makes a dialogue of a seed. Faults are of the first runs; how many those are is
// returned.
func randomWorld(n uint64) (w *world, faulty int) {
	d := newDice(n, 1)
	p := &plan{flavour: flavour(d.IntN(int(flavours))), mode: mode(d.IntN(int(modes)))}
	if d.one(4) {
		p.delay = []time.Duration{time.Millisecond, 100 * time.Millisecond, 4 * time.Second, 20 * time.Second}[d.IntN(4)]
	}
	if d.one(8) {
		p.frag = 1 + d.IntN(40)
	}
	p.small, p.two = d.one(10), d.one(8)
	p.idles = d.one(3)
	p.restarts, p.keeps = d.one(4), d.one(6)
	if d.one(10) {
		p.size = 1000
	}
	if d.one(6) {
		p.maxRcpts = 1 + d.IntN(3)
		p.limits = d.one(4)
		p.overRcpt = []reply{{452, "4.5.3", "Too many recipients"}, {451, "4.5.3", "Too many recipients"},
			{452, "", "too many recipients"}, {552, "5.5.3", "Too many recipients"}, {550, "5.5.3", "Too many recipients"}}[d.IntN(5)]
	}
	if d.one(6) {
		p.maxMsgs = 1 + d.IntN(5)
		p.overMsg = []reply{{452, "4.5.3", "Too many messages sent"}, {421, "4.7.0", "Too many messages in this connection"}}[d.IntN(2)]
		p.closing = p.overMsg.code == 421 && d.one(2)
	}
	if p.mode == pipelined {
		p.riders = []kind{natural, natural, natural, swallow, say503}[d.IntN(5)]
	}
	if p.mode == chunked && d.one(12) {
		p.floods = true
	}
	if d.one(12) {
		p.errors = 3 + d.IntN(20)
	}
	var msgs []*message
	count := 1 + d.IntN(4)
	if d.one(3) {
		count = 1 + d.IntN(12)
	}
	if d.one(25) {
		count = 1 + d.IntN(40)
	}
	soft := 0
	for i := range count {
		rcpts := 1
		if d.one(3) {
			rcpts = 1 + d.IntN(4)
		}
		if d.one(60) {
			rcpts = 40 + d.IntN(80)
		}
		m := newMessage(i, rcpts, d.text(fmt.Sprintf("m%d", i)))
		m.damaged = d.one(60)
		for j, r := range m.rcpts {
			switch x := d.IntN(40); {
			case x == 0:
				r.refusal = 550
			case x == 1 && j > 0:
				r.refusal = 450
			case x == 2 && j > 0:
				r.refusal = []int{530, 503}[d.IntN(2)]
			}
		}
		switch x := d.IntN(30); {
		case x == 0:
			m.refusal, m.refusedAt = 554, dot
		case x == 1:
			m.refusal, m.refusedAt = 550, mail
		case x == 2 && soft < 2:
			soft++
			m.refusal, m.refusedAt = 451, []verb{mail, dot}[d.IntN(2)]
		}
		msgs = append(msgs, m)
	}
	w = newWorld(p, msgs)
	// How often something goes wrong, of a thousand replies.
	rate := []int{0, 5, 20, 60, 200}[d.IntN(5)]
	only := kind(0)
	if d.one(3) {
		only = kind(1 + d.IntN(int(kinds)-1))
	}
	faulty = d.IntN(4)
	if faulty > 0 {
		p.fault = func(s *session, c *command) kind {
			if w.run > faulty || rate == 0 {
				return natural
			}
			x := newDice(n, uint64(s.number)<<20|uint64(c.at)<<1|1)
			if x.IntN(1000) >= rate {
				return natural
			}
			if only != 0 {
				return only
			}
			return kind(1 + x.IntN(int(kinds)-1))
		}
	}
	return w, faulty
}

// playRandom plays a random dialogue to its end.
func playRandom(n uint64, verbose bool) *world {
	w, faulty := randomWorld(n)
	w.verbose = verbose
	w.plan.holds = newDice(n, 3).one(6)
	d := newDice(n, 2)
	if d.one(10) {
		w.count = 2 + d.IntN(3)
	}
	if d.one(16) {
		dir, err := os.MkdirTemp("", "oracle")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		w.state = filepath.Join(dir, "state")
	}
	w.power = d.one(4)
	stops := 0
	if d.one(3) {
		stops = 1 + d.IntN(3)
	}
	for run := 1; run <= faulty+stops; run++ {
		w.stopAt, w.kill, w.cut, w.late = 0, d.one(2), d.IntN(1<<16), 0
		if run > faulty || stops > 0 && d.one(2) {
			w.stopAt = 1 + d.IntN(1+d.IntN(60))
		}
		if d.one(5) {
			w.late = 1 + d.IntN(3)
		}
		w.spool.failAt, w.spool.scans = 0, d.one(6)
		if d.one(15) {
			w.spool.failAt = 1 + d.IntN(8)
		}
		w.carry(d.one(2))
		if w.settled() {
			break
		}
	}
	w.stopAt, w.spool.failAt = 0, 0
	if !w.settled() && len(w.broken) == 0 {
		w.carry(d.one(2))
		w.judgeHonest()
	}
	return w
}

// TestOracleRandom: whatever a host does, no message is lost, doubled, cut, or given to another's
// recipients, nobody's outcome is another's, every run ends, and a host that keeps to the rules
// again gets everything at once.
func TestOracleRandom(t *testing.T) {
	count := uint64(20000 / thinned)
	if isLong() {
		count = 1000000
	}
	first := uint64(1)
	if *seed != 0 {
		first, count = *seed, 1
	}
	if *some != 0 {
		count = *some
	}
	var all findings
	for n := first; n < first+count && all.open(); n++ {
		name := fmt.Sprintf("go test -run 'TestOracleRandom$' ./relay -args -seed %d", n)
		all.play(t, name, func(verbose bool) *world { return playRandom(n, verbose) })
	}
	all.report(t)
}
