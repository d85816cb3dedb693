//go:build linux

// Measure measures esmtpq and its peers on this machine: how long they keep the submitter
// waiting, how fast they deliver, and what long queues and large messages cost. run.sh starts it
// as the first process of namespaces of its own: all traffic stays in them, and everything that
// it started ends with it. Tables go to standard output as Markdown, every observation to a file.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// settings are the choices of a caller.
type settings struct {
	bin, work string
	roots     string
	out       string
	only      string
	runs      int
	queued    counts
	drain     counts
	large     counts // MiB
	trips     durations
}

// counts are numbers, separated by commas.
type counts []int

func (c *counts) String() string { return fmt.Sprint([]int(*c)) }

func (c *counts) Set(s string) error {
	*c = nil
	for field := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 || n > 1_000_000 {
			return fmt.Errorf("%q should be a number from 1 to 1000000", field)
		}
		*c = append(*c, n)
	}
	return nil
}

// durations are times, separated by commas.
type durations []time.Duration

func (d *durations) String() string { return fmt.Sprint([]time.Duration(*d)) }

func (d *durations) Set(s string) error {
	*d = nil
	for field := range strings.SplitSeq(s, ",") {
		t, err := time.ParseDuration(field)
		if err != nil || t < 0 || t > 2*time.Second {
			return fmt.Errorf("%q should be a time from 0 to 2s", field)
		}
		*d = append(*d, t)
	}
	return nil
}

// measures are the possible measures, in this order.
var measures = []struct {
	name string
	run  func(*bench) error
}{
	{"submit", (*bench).submit},
	{"list", (*bench).list},
	{"drain", (*bench).drain},
	{"link", (*bench).link},
	{"setup", (*bench).setup},
	{"large", (*bench).large},
	{"recipients", (*bench).recipients},
	{"patches", (*bench).patches},
	{"interactive", (*bench).interactive},
	{"binary", (*bench).binary},
}

func main() {
	s := settings{runs: 20, queued: counts{1000, 10_000}, drain: counts{1000}, large: counts{1, 10, 100},
		trips: durations{0, 50 * time.Millisecond, 200 * time.Millisecond}}
	flag.StringVar(&s.bin, "bin", "", "directory of the programs (run.sh gives it)")
	flag.StringVar(&s.work, "work", "", "directory to work in (run.sh gives it)")
	flag.StringVar(&s.out, "out", "", "file for the observations (run.sh gives it)")
	flag.StringVar(&s.roots, "roots", "", "directory with root directories, for peers that are installed there: ROOTS/dma, ROOTS/nullmailer, ROOTS/postfix")
	flag.StringVar(&s.only, "only", "", "measure only these, separated by commas: "+names())
	flag.IntVar(&s.runs, "runs", s.runs, "samples of what is short; a quarter of it of what is longer")
	flag.Var(&s.queued, "queued", "lengths of the queue; add 100000 for a few minutes more")
	flag.Var(&s.drain, "drain", "messages to deliver on loopback; add 10000 for a minute more")
	flag.Var(&s.large, "large", "sizes of large messages, in MiB")
	flag.Var(&s.trips, "rtt", "round-trip times")
	flag.Parse()
	if err := s.measure(); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func names() string {
	var all []string
	for _, m := range measures {
		all = append(all, m.name)
	}
	return strings.Join(all, ",")
}

// measure does the chosen measures.
func (s *settings) measure() error {
	if os.Getpid() != 1 {
		return fmt.Errorf("not the first process of a namespace: start it by run.sh")
	}
	for name := range strings.SplitSeq(s.only, ",") {
		if name != "" && !strings.Contains(","+names()+",", ","+name+",") {
			return fmt.Errorf("no measure is called %q: there are %s", name, names())
		}
	}
	if s.roots != "" {
		abs, err := filepath.Abs(s.roots)
		if err != nil {
			return err
		}
		s.roots = abs
	}
	b, err := newBench(s)
	if err != nil {
		return err
	}
	defer b.close()
	for _, p := range b.programs {
		fmt.Fprintf(os.Stderr, "with %s, of %s\n", p.name, p.path("/"))
	}
	for _, m := range measures {
		if s.only != "" && !strings.Contains(","+s.only+",", ","+m.name+",") {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s ...\n", m.name)
		if err := m.run(b); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		b.endAll()
	}
	b.printBars()
	return b.chart()
}
