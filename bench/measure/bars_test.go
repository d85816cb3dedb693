//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"
)

// goodRun returns observations of every kind that bars are made from, with which all bars are
// met.
func goodRun() []observation {
	all := []observation{
		{Measure: "submit", Program: "(floor C)", Wall: 0.001},
		{Measure: "submit", Program: us, Wall: 0.002},
		{Measure: "submit", Program: us, Case: asleep, Wall: 0.0021},
		{Measure: "submit", Program: "dma", Wall: 0.003},
		{Measure: "syncs", Program: us, Syncs: 4, Serial: 2},

		{Measure: "large", Program: us, Size: 100 << 20, Case: "submit", Wall: 0.3, Peak: 8 << 10},
		{Measure: "large", Program: us, Size: 100 << 20, Case: "deliver", Chunking: true, Wall: 0.2, Peak: 9 << 10},
		{Measure: "large", Program: "(floor Go)", Size: 100 << 20, Case: "submit", Wall: 0.25},
		{Measure: "large", Program: "(limit)", Size: 100 << 20, Case: "deliver", Chunking: true, Wall: 0.01},
		{Measure: "large", Program: "nullmailer", Size: 100 << 20, Case: "deliver", Chunking: true, Wall: 0.2},

		{Measure: "binary", Program: us, Case: "initialisation", Octets: 70_000, Allocations: 570},
		{Measure: "binary", Program: us, Case: "file", Octets: 8_000_000},
	}
	for _, n := range []int{1000, 100_000} {
		all = append(all,
			observation{Measure: "submit", Program: us, Queued: n, Wall: 0.0042}, // the machine is slower now
			observation{Measure: "submit", Program: us, Case: beside(n), Wall: 0.004})
	}
	for _, n := range []int{1000, 10_000} {
		drain := observation{Measure: "drain", Messages: n, Size: submitSize, Chunking: true, Sessions: 1}
		all = append(all, ran(drain, us, "known host", 1, 0.2, 12), ran(drain, "postfix", "", 2, 2, 9), ran(drain, "dma", "", 3, 1, 3))
	}
	for _, n := range []int{10_000, 100_000} {
		list := observation{Measure: "list", Queued: n}
		all = append(all, ran(list, us, "list", float64(n)*5e-6, 0, 12), ran(list, us, "count", float64(n)*4e-7, 0, 12),
			ran(list, us, hostAway, float64(n)*9e-7, 0, 12), ran(list, us, triedOnce, float64(n)*9e-7, 0, 12))
	}
	for _, rtt := range []float64{0.05, 0.2} {
		link := observation{Measure: "link", Messages: linkMessages, Size: linkSize, RTT: rtt, Sessions: 1, Chunking: true}
		all = append(all, ran(link, "(limit)", "", 1, 0, 0), ran(link, us, "known host", 1.2, 0, 9), ran(link, "postfix", "", 3, 0, 9))
		link.Chunking = false
		all = append(all, ran(link, "(limit)", "", 10, 0, 0), ran(link, us, "known host", 10.4, 0, 9), ran(link, us, manyCase, 2, 0, 9))
	}
	for _, measure := range []string{fromTLS, startTLS} {
		setup := observation{Measure: measure, Messages: 1, Size: submitSize, RTT: 0.2, Chunking: true, Program: "(limit)", Setup: 1.5}
		all = append(all, setup)
		setup.Program, setup.Case, setup.Setup = us, "known host", 1.52
		all = append(all, setup)
	}
	patches := observation{Measure: "patches", Messages: linkMessages, Size: linkSize, RTT: patchesRTT.Seconds(), Chunking: true, Sessions: 1}
	for program, returned := range map[string]float64{us: 2, "dma": 2.1, "postfix": 4, gitAlone: 1} {
		patches.Program, patches.Returned, patches.Wall = program, returned, 8
		all = append(all, patches)
	}
	return all
}

func ran(like observation, program, how string, wall, cpu float64, peak int64) observation {
	like.Program, like.Case, like.Wall, like.CPU, like.Peak = program, how, wall, cpu, peak<<10
	return like
}

func TestAllBarsMet(t *testing.T) {
	for _, x := range against(&recorder{all: goodRun()}) {
		if x.measured == "" || !x.met || x.wanted == "" {
			t.Errorf("%+v", x)
		}
	}
}

func TestNothingMeasured(t *testing.T) {
	bars := against(&recorder{})
	if len(bars) != len(against(&recorder{all: goodRun()})) {
		t.Errorf("%d bars", len(bars))
	}
	for _, x := range bars {
		if x.measured != "" {
			t.Errorf("%+v", x)
		}
	}
}

// If there are no peers, the comparisons with them are not measured, and the rest is.
func TestBarsWithoutPeers(t *testing.T) {
	all := slices.DeleteFunc(goodRun(), func(o observation) bool { return peer(o.Program) })
	for _, x := range against(&recorder{all: all}) {
		compared := strings.Contains(x.what, "to the fastest peer") || strings.Contains(x.what, "Postfix")
		if compared != (x.measured == "") {
			t.Errorf("%+v", x)
		}
	}
}

// Each mishap costs the bars that are named, and no others.
func TestBarsMissed(t *testing.T) {
	for _, c := range []struct {
		mishap string
		hits   func(o observation) bool
		with   func(o *observation)
		missed []string
	}{
		{"a slow submission", is("submit", us, ""), func(o *observation) { o.Wall = 0.0024 + float64(o.Queued)*1e-3 },
			[]string{"submit, to the floor in C", "submit with 1000 queued", "submit with 100000 queued"}},
		{"a peer that is faster", is("submit", "dma", ""), func(o *observation) { o.Wall = 0.0019 },
			[]string{"submit, to the fastest peer"}},
		{"three flushes", is("syncs", us, ""), func(o *observation) { o.Serial = 3 }, []string{"flushes"}},
		{"a slow start of the sleeper", is("submit", us, asleep), func(o *observation) { o.Wall *= 1.2 }, []string{"submit with the sleeper"}},
		{"a slow drain", is("drain", us, "known host"), func(o *observation) { o.Wall *= 1.5 },
			[]string{"drain of 1000, messages/s", "drain of 10000, messages/s"}},
		{"a busy drain", is("drain", us, "known host"), func(o *observation) { o.CPU = 1.1 },
			[]string{"drain of 1000, CPU", "drain of 10000, CPU"}},
		{"a fat drain", is("drain", us, "known host"), func(o *observation) { o.Peak = 17 << 10 },
			[]string{"drain of 1000, peak", "drain of 10000, peak"}},
		{"drains with two connections", is("drain", us, "known host"), func(o *observation) { o.Sessions = 2 },
			[]string{"drain of 1000, sessions", "drain of 10000, sessions"}},
		{"disorder", is("link", us, "known host"), func(o *observation) { o.Disorder = 1 }, []string{
			"drain of 100, RTT 50 ms, with CHUNKING, sessions", "drain of 100, RTT 50 ms, without CHUNKING, sessions",
			"drain of 100, RTT 200 ms, with CHUNKING, sessions", "drain of 100, RTT 200 ms, without CHUNKING, sessions"}},
		{"a slow link", is("link", us, "known host"), func(o *observation) { o.Wall += 0.2 }, []string{
			"drain of 100, RTT 50 ms, with CHUNKING, to", "drain of 100, RTT 50 ms, without CHUNKING, to",
			"drain of 100, RTT 200 ms, with CHUNKING, to", "drain of 100, RTT 200 ms, without CHUNKING, to"}},
		{"slow sessions", is("link", us, manyCase), func(o *observation) { o.Wall = 3.5 }, []string{
			"drain of 100, RTT 50 ms, without CHUNKING, sessions: 20", "drain of 100, RTT 200 ms, without CHUNKING, sessions: 20"}},
		{"a round trip more", is(startTLS, us, "known host"), func(o *observation) { o.Setup += 0.2 }, []string{"STARTTLS (port 587)"}},
		{"a round trip more, inside", is(fromTLS, us, "known host"), func(o *observation) { o.Setup += 0.2 }, []string{"TLS from the start (port 465)"}},
		{"a fat submission", is("large", us, "submit"), func(o *observation) { o.Peak, o.Wall = 13<<10, 0.5 },
			[]string{"100 MiB, submission, peak", "100 MiB, submission, to the floor"}},
		{"a fat delivery", is("large", us, "deliver"), func(o *observation) { o.Peak, o.Wall = 13<<10, 0.5 },
			[]string{"100 MiB, delivery, peak", "100 MiB, delivery, to the fastest"}},
		{"a slow listing", is("list", us, "list"), func(o *observation) { o.Wall *= 2 }, []string{"listing 10000", "listing 100000"}},
		{"slow counting", is("list", us, "count"), func(o *observation) { o.Wall *= 2 }, []string{"counting 10000", "counting 100000"}},
		{"slow runs", is("list", us, hostAway), func(o *observation) { o.Wall *= 2 }, []string{hostAway + ", 100000"}},
		{"slow runs of what was tried", is("list", us, triedOnce), func(o *observation) { o.Wall *= 2 }, []string{triedOnce + ", 100000"}},
		{"memory that grows", is("list", us, triedOnce), func(o *observation) { o.Peak = int64(o.Queued) * 250 / 1024 },
			[]string{"memory for a message"}},
		{"a git that waits", is("patches", us, ""), func(o *observation) { o.Returned = 2.2 },
			[]string{"git send-email of 100 patches, until git returns"}},
		{"patches that are late", is("patches", us, ""), func(o *observation) { o.Wall = 9.5 },
			[]string{"git send-email of 100 patches, until all"}},
		{"patches in disorder", is("patches", us, ""), func(o *observation) { o.Disorder = 3 },
			[]string{"git send-email of 100 patches, sessions"}},
		{"a large start", is("binary", us, "initialisation"), func(o *observation) { o.Octets, o.Allocations = 81_000, 651 },
			[]string{"initialisation", "allocations"}},
		{"a large program", is("binary", us, "file"), func(o *observation) { o.Octets = 10_100_000 }, []string{"the program"}},
	} {
		all := goodRun()
		for i := range all {
			if c.hits(all[i]) {
				c.with(&all[i])
			}
		}
		var missed []string
		for _, x := range against(&recorder{all: all}) {
			if !x.met {
				missed = append(missed, x.what)
			}
		}
		if !slices.EqualFunc(missed, c.missed, strings.HasPrefix) {
			t.Errorf("%s: missed are %q, and should be %q", c.mishap, missed, c.missed)
		}
	}
}

// is reports whether an observation is of a kind.
func is(measure, program, how string) func(observation) bool {
	return func(o observation) bool { return o.Measure == measure && o.Program == program && o.Case == how }
}

// For the order, one bad run of several is bad enough; for the time, the median counts.
func TestBarsOfSeveralRuns(t *testing.T) {
	all := goodRun()
	for _, o := range goodRun() {
		if o.Measure == "drain" && o.Program == us {
			good, bad := o, o
			bad.Wall, bad.Disorder = 7, 1
			all = append(all, good, bad)
		}
	}
	for _, x := range against(&recorder{all: all}) {
		if disorder := strings.HasPrefix(x.what, "drain of 1000") && strings.HasSuffix(x.what, "order"); x.met == disorder {
			t.Errorf("%+v", x)
		}
	}
}
