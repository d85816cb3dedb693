//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestMessage(t *testing.T) {
	for _, size := range []int{500, submitSize, 1 << 20} {
		m := message(7, size)
		if len(m) > size || len(m) < size-100 || !bytes.Contains(m, []byte("\nX-Seq: 7\n")) || m[len(m)-1] != '\n' {
			t.Errorf("%d octets of %d, beginning with %.200q", len(m), size, m)
		}
	}
}

func TestSeries(t *testing.T) {
	s := series{5, 1, 4, 2, 3, 7, 6, 9, 8, 10, 11}
	if s.median() != 6 || s.at(0) != 1 || s.at(1) != 11 || s[0] != 5 {
		t.Errorf("median %g, %g to %g", s.median(), s.at(0), s.at(1))
	}
	if got := s.spread(10); got != "60.0 (20.0-100)" {
		t.Error(got)
	}
	if got := (series{}).spread(1); got != "-" {
		t.Error(got)
	}
}

func TestRowsAreOfOneKind(t *testing.T) {
	r := recorder{all: []observation{
		{Measure: "list", Program: "a", Queued: 10, Wall: 1},
		{Measure: "list", Program: "a", Queued: 10, Wall: 3},
		{Measure: "list", Program: "a", Queued: 20, Wall: 5},
		{Measure: "drain", Program: "a", Queued: 10, Wall: 7},
	}}
	rows := r.rows("list")
	if len(rows) != 2 || rows[0].Queued != 10 || rows[1].Queued != 20 {
		t.Fatalf("%+v", rows)
	}
	if got := r.values(rows[0], wallOf); len(got) != 2 || got[0] != 1 || got[1] != 3 {
		t.Error(got)
	}
	if got := r.last(rows[0]); got.Wall != 3 {
		t.Error(got)
	}
}

func TestUsage(t *testing.T) {
	u, err := parseUsage("x", []byte("3000000 1000 2000 4096 0 \n"), nil)
	if err != nil || u.wall != 3*time.Millisecond || u.cpu != 3*time.Microsecond || u.peak != 4096 {
		t.Error(u, err)
	}
	for _, line := range []string{"", "1 2 3", "3000000 1000 2000 4096 75 "} {
		if _, err := parseUsage("x", []byte(line), nil); err == nil || !strings.Contains(err.Error(), "x") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestFlags(t *testing.T) {
	var c counts
	var d durations
	if c.Set("1000,10000") != nil || len(c) != 2 || d.Set("0s,50ms") != nil || len(d) != 2 {
		t.Error(c, d)
	}
	for _, s := range []string{"", "0", "-1", "10000000", "1;2", "3s"} {
		if c.Set(s) == nil || d.Set(s) == nil && s != "0" {
			t.Errorf("%q is taken: %v %v", s, c, d)
		}
	}
}
