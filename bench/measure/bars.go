//go:build linux

package main

import (
	"fmt"
	"math"
	"time"
)

// us is the program that the bars are for.
const us = "esmtpq"

// batching is how long the process that delivers waits for more mail by default.
const batching = 5 * time.Second

// lateness is how many seconds later than that the last of a series may arrive.
const lateness = 2

// A bar is a goal and its measured value. It is met or missed, or was not measured.
type bar struct {
	what, wanted string
	measured     string // "" if it was not
	met          bool
}

// A ledger makes bars from observations.
type ledger struct {
	*recorder
	bars []bar
}

// atMost adds a bar: a figure in the given unit that must not exceed a limit. 0, and a figure
// that is not finite, means not measured.
func (l *ledger) atMost(what string, value, limit float64, unit string) {
	x := bar{what: what, wanted: fmt.Sprintf("at most %s%s", plain(limit), unit)}
	if value != 0 && !math.IsNaN(value) && !math.IsInf(value, 0) {
		x.measured, x.met = short(value)+unit, value <= limit
	}
	l.bars = append(l.bars, x)
}

// atLeast adds a bar for a figure that must not be below a limit.
func (l *ledger) atLeast(what string, value, limit float64, unit string) {
	l.atMost(what, value, limit, unit)
	x := &l.bars[len(l.bars)-1]
	x.wanted, x.met = fmt.Sprintf("at least %s%s", plain(limit), unit), x.measured != "" && value >= limit
}

// add adds a bar that is more than a figure.
func (l *ledger) add(x bar) { l.bars = append(l.bars, x) }

func plain(f float64) string { return fmt.Sprintf("%g", f) }

// short formats a measured value; a count has no decimals.
func short(f float64) string {
	if f == math.Trunc(f) {
		return plain(f)
	}
	return figure(f)
}

// wall returns the median of the times of a row; 0 if there are none.
func (l *ledger) wall(like observation) float64 { return l.values(like, wallOf).median() }

// peak returns the most memory of a row, in MiB.
func (l *ledger) peak(like observation) float64 { return l.values(like, peakOf).at(1) }

// by returns the row for a program without cases.
func by(program string, like observation) observation {
	like.Program, like.Case = program, ""
	return like
}

// peer reports whether a program is a peer, neither us nor a bound.
func peer(program string) bool { return program != us && program != "" && program[0] != '(' }

// fastest returns the peer with the lowest value in rows like this, and the value; "" if there is
// none.
func (l *ledger) fastest(like observation, value func(observation) float64) (name string, least float64) {
	for _, r := range l.rows(like.Measure) {
		if !peer(r.Program) || r.row() != by(r.Program, like).row() {
			continue
		}
		if v := l.values(r, value).median(); name == "" || v < least {
			name, least = r.Program, v
		}
	}
	return name, least
}

// over divides; if a value was not measured, the quotient is 0.
func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// against computes all bars.
func against(r *recorder) []bar {
	l := &ledger{recorder: r}
	l.submission()
	l.loopback()
	for _, rtt := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
		l.long(rtt)
	}
	l.opening(200 * time.Millisecond)
	l.largest()
	l.queues()
	l.series()
	l.program()
	return l.bars
}

// printBars prints which of them are met.
func (b *bench) printBars() {
	title("Against the bars", "", "wanted", "measured", "met")
	for _, x := range against(b.rec) {
		switch {
		case x.measured == "":
			line(x.what, x.wanted, "not measured", "-")
		case x.met:
			line(x.what, x.wanted, x.measured, "yes")
		default:
			line(x.what, x.wanted, x.measured, "**no**")
		}
	}
	fmt.Println()
}

func (l *ledger) submission() {
	usual := observation{Measure: "submit", Program: us}
	own := l.wall(usual)
	l.atMost("submit, to the floor in C", over(own, l.wall(by("(floor C)", usual))), 2.3, "x")
	name, least := l.fastest(usual, wallOf)
	l.add(than("submit, to the fastest peer", own, name, least, "less than 1x"))
	flushes := l.last(observation{Measure: "syncs", Program: us})
	l.atMost("flushes of a submission that follow each other", float64(flushes.Serial), 2, "")
	sleeping := usual
	sleeping.Case = asleep
	l.atMost("submit with the sleeper there, to submit", over(l.wall(sleeping), own), 1.15, "x")
	for _, n := range []int{1000, 100_000} {
		full, none := usual, usual
		full.Queued, none.Case = n, beside(n)
		l.atMost(fmt.Sprintf("submit with %d queued, to submit with none", n), over(l.wall(full), l.wall(none)), 1.1, "x")
	}
}

// than is the bar of being faster than a peer.
func than(what string, own float64, name string, theirs float64, wanted string) bar {
	x := bar{what: what, wanted: wanted}
	if own > 0 && name != "" {
		x.measured, x.met = fmt.Sprintf("%sx (%s)", figure(over(own, theirs)), name), own < theirs
	}
	return x
}

func (l *ledger) loopback() {
	for _, n := range []int{1000, 10_000} {
		like := observation{Measure: "drain", Program: us, Case: "known host", Messages: n, Size: submitSize, Chunking: true}
		name, least := l.fastest(like, wallOf)
		what := fmt.Sprintf("drain of %d", n)
		l.atLeast(what+", messages/s to the fastest peer's"+named(name), over(least, l.wall(like)), 1.5, "x")
		l.inOrder(what, like)
		cpu := over(l.values(like, cpuOf).median(), l.values(by("postfix", like), cpuOf).median())
		l.atMost(what+", CPU time a message to Postfix's", cpu, 0.5, "x")
		l.atMost(what+", peak memory", l.peak(like), 16, " MiB")
	}
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

// inOrder is the bar of one session in order, in every run.
func (l *ledger) inOrder(what string, like observation) {
	x := bar{what: what + ", sessions and order", wanted: "one, in order", met: true}
	for _, o := range l.all {
		if o.row() != like.row() {
			continue
		}
		if x.measured == "" || o.Sessions != 1 || o.Disorder != 0 {
			x.measured = fmt.Sprintf("%d, %d out of order", o.Sessions, o.Disorder)
		}
		x.met = x.met && o.Sessions == 1 && o.Disorder == 0
	}
	l.add(x)
}

func (l *ledger) long(rtt time.Duration) {
	bdat := observation{Measure: "link", Program: us, Case: "known host", Messages: linkMessages, Size: linkSize, RTT: rtt.Seconds(), Chunking: true}
	data := bdat
	data.Chunking = false
	for _, c := range []struct {
		what  string
		like  observation
		limit float64
	}{{"with CHUNKING", bdat, 1.25}, {"without CHUNKING", data, 1.05}} {
		what := fmt.Sprintf("drain of %d, RTT %d ms, %s", linkMessages, rtt.Milliseconds(), c.what)
		l.atMost(what+", to the limit", over(l.wall(c.like), l.wall(by("(limit)", c.like))), c.limit, "x")
		l.inOrder(what, c.like)
	}
	many := data
	many.Case = manyCase
	name, theirs := "postfix", l.wall(by("postfix", bdat)) // which does not use CHUNKING
	if theirs == 0 {
		name = ""
	}
	what := fmt.Sprintf("drain of %d, RTT %d ms, without CHUNKING, sessions: %d, to Postfix", linkMessages, rtt.Milliseconds(), manySessions)
	l.add(than(what, l.wall(many), name, theirs, "less than 1x"))
}

// opening is the bar for the round trips until the first MAIL command arrives: no more than those
// of a client that does only what the protocol requires, plus half a round trip for the start of
// the program.
func (l *ledger) opening(rtt time.Duration) {
	for _, c := range []struct{ what, measure string }{{"TLS from the start (port 465)", fromTLS}, {"STARTTLS (port 587)", startTLS}} {
		like := observation{Measure: c.measure, Program: us, Case: "known host", Messages: 1, Size: submitSize, RTT: rtt.Seconds(), Chunking: true}
		own, least := l.values(like, setupOf).median()/like.RTT, l.values(by("(limit)", like), setupOf).median()/like.RTT
		x := bar{what: c.what + ", round trips until MAIL has arrived", wanted: "as the limit's"}
		if own > 0 && least > 0 {
			x.measured, x.met = fmt.Sprintf("%.1f, the limit's %.1f", own, least), own-least < 0.5
		}
		l.add(x)
	}
}

func (l *ledger) largest() {
	submit := observation{Measure: "large", Program: us, Size: 100 << 20, Case: "submit"}
	deliver := submit
	deliver.Case, deliver.Chunking = "deliver", true
	l.atMost("100 MiB, submission, peak memory", l.peak(submit), 12, " MiB")
	l.atMost("100 MiB, delivery, peak memory", l.peak(deliver), 12, " MiB")
	floor := submit
	floor.Program = "(floor Go)"
	l.atMost("100 MiB, submission, to the floor in Go", over(l.wall(submit), l.wall(floor)), 1.5, "x")
	name, least := "", 0.0
	for _, r := range l.rows("large") {
		if theirs := l.wall(r); peer(r.Program) && r.Case == "deliver" && r.Size == deliver.Size && (name == "" || theirs < least) {
			name, least = r.Program, theirs
		}
	}
	l.atMost("100 MiB, delivery, to the fastest peer"+named(name), over(l.wall(deliver), least), 1.3, "x")
}

func (l *ledger) queues() {
	for _, c := range []struct {
		queued int
		limit  float64 // ms
	}{{10_000, 60}, {100_000, 600}} {
		list := observation{Measure: "list", Program: us, Case: "list", Queued: c.queued}
		count := list
		count.Case = "count"
		l.atMost(fmt.Sprintf("listing %d", c.queued), l.wall(list)*1000, c.limit, " ms")
		l.atMost(fmt.Sprintf("counting %d, to listing them", c.queued), over(l.wall(count), l.wall(list)), 0.1, "x")
	}
	for _, how := range []string{hostAway, triedOnce} {
		run := observation{Measure: "list", Program: us, Case: how, Queued: 100_000}
		l.atMost(fmt.Sprintf("%s, 100000 queued", how), l.wall(run)*1000, 100, " ms")
	}
	l.growth()
}

// growth is the bar for the memory taken by messages that are not being sent: the growth for each
// message between two queues that are so long that the rest of the process does not matter.
func (l *ledger) growth() {
	const short, long = 10_000, 100_000
	var most float64
	for _, how := range []string{"list", "count", hostAway, triedOnce} {
		at := func(queued int) float64 {
			return l.peak(observation{Measure: "list", Program: us, Case: how, Queued: queued})
		}
		if at(short) > 0 && at(long) > 0 {
			most = max(most, (at(long)-at(short))*(1<<20)/(long-short), 1)
		}
	}
	l.atMost("memory for a message that waits", most, 200, " octets")
}

func (l *ledger) series() {
	like := observation{Measure: "patches", Program: us, Messages: linkMessages, Size: linkSize, RTT: patchesRTT.Seconds(), Chunking: true}
	name, least := l.fastest(like, returnedOf)
	own := l.values(like, returnedOf).median()
	what := fmt.Sprintf("git send-email of %d patches", linkMessages)
	l.atMost(what+", until git returns, to the fastest peer"+named(name), over(own, least), 1, "x")
	after := bar{what: what + ", until all have arrived, from when git has returned", wanted: fmt.Sprintf("at most %v s", batching.Seconds()+lateness)}
	if own > 0 {
		late := l.values(like, afterOf).at(1)
		after.measured, after.met = figure(late)+" s", late <= batching.Seconds()+lateness
	}
	l.add(after)
	l.inOrder(what, like)
}

func (l *ledger) program() {
	start := l.last(observation{Measure: "binary", Program: us, Case: "initialisation"})
	l.atMost("initialisation", float64(start.Octets)/1000, 80, " KB")
	l.atMost("allocations at initialisation", float64(start.Allocations), 650, "")
	l.atMost("the program, stripped", float64(l.last(observation{Measure: "binary", Program: us, Case: "file"}).Octets)/1e6, 10, " MB")
}
