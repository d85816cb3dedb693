package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// small returns a fleet of 2 000 against a host that could serve all in 200 s.
func small(next schedule) result {
	f := fleet{machines: 2000, within: time.Second, next: next, draw: rand.New(rand.NewPCG(1, 2))}
	return f.run(&host{rate: 10, backlog: 20}, limit)
}

func TestJitterSpreadsTheFleet(t *testing.T) {
	with, without := small(jittered), small(unjittered)
	for name, r := range map[string]result{"with": with, "without": without} {
		if r.delivered != 2000 {
			t.Fatalf("%s jitter: %d of 2000 delivered", name, r.delivered)
		}
		if r.attempts != r.delivered+r.wasted {
			t.Errorf("%s jitter: %+v: the attempts do not add up", name, r)
		}
	}
	if with.last*2 > without.last || with.peak*2 > without.peak || with.wasted*2 > without.wasted {
		t.Errorf("with jitter    %+v\nwithout jitter %+v\nit should be worth more than a factor of 2", with, without)
	}
}

func TestHost(t *testing.T) {
	h := host{rate: 2, backlog: 3}
	for i, c := range []struct {
		at, done time.Duration // 0: refused
	}{
		{0, 500 * time.Millisecond},
		{0, time.Second},
		{0, 1500 * time.Millisecond},
		{0, 0},
		{400 * time.Millisecond, 2 * time.Second},
		{400 * time.Millisecond, 0},
		{time.Minute, time.Minute + 500*time.Millisecond},
	} {
		if done, ok := h.take(c.at); done != c.done || ok != (c.done != 0) {
			t.Errorf("%d: taken %v, served until %v, want %v", i, ok, done, c.done)
		}
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	o := options{machines: 500, rate: 50, backlog: 10, within: time.Second, seed: 1}
	o.print(&b)
	if rows := strings.Count(b.String(), "\n| "); rows != 2+3*len(schedules) {
		t.Errorf("%d rows in\n%s", rows, b.String())
	}
}
