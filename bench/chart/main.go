// Chart draws how long programs take to deliver a batch over links of several round-trip times,
// from the observations of bench/run.sh:
//
//	go run ./bench/chart <bench/results/reference.jsonl >docs/drain.svg
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
)

func main() {
	err := chart(os.Stdout, os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

// A row is one line of the chart: a program, and its time for each round-trip time.
type row struct {
	name  string
	times []point
}

// A point is a round-trip time in milliseconds, and the resulting time in seconds.
type point struct{ rtt, wall float64 }

// slowest returns the time that rows are sorted by.
func (r row) slowest() float64 { return r.times[len(r.times)-1].wall }

func chart(w io.Writer, r io.Reader) error {
	rows, messages, err := read(r)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("no observation of the measure \"link\"")
	}
	return draw(w, rows, messages)
}

// read collects the medians of the measure link.
func read(r io.Reader) (rows []row, messages int, err error) {
	walls := map[string]map[float64][]float64{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var o struct {
			Measure, Program, Case string
			Messages               int
			RTT                    float64 `json:"rtt_s"`
			Wall                   float64 `json:"wall_s"`
			Chunking               bool
		}
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return nil, 0, err
		}
		if o.Measure != "link" {
			continue
		}
		name := label(o.Program, o.Case, o.Chunking)
		if walls[name] == nil {
			walls[name] = map[float64][]float64{}
		}
		walls[name][o.RTT*1000] = append(walls[name][o.RTT*1000], o.Wall)
		messages = o.Messages
	}
	for name, times := range walls {
		r := row{name: name}
		for rtt, all := range times {
			slices.Sort(all)
			r.times = append(r.times, point{rtt, all[len(all)/2]})
		}
		slices.SortFunc(r.times, func(a, b point) int { return cmp.Compare(a.rtt, b.rtt) })
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.slowest(), b.slowest()), cmp.Compare(a.name, b.name))
	})
	return rows, messages, lines.Err()
}

// label says what was measured.
func label(program, how string, chunking bool) string {
	host := "host with CHUNKING"
	if !chunking {
		host = "host without CHUNKING"
	}
	switch {
	case program == "(limit)" && chunking:
		return "limit of one connection, BDAT"
	case program == "(limit)":
		return "limit of one connection, DATA"
	case program != "esmtpq":
		return program
	case how == "new host":
		return "esmtpq, " + host + ", new to it"
	case how != "known host":
		return "esmtpq, " + host + how[len("known host"):]
	}
	return "esmtpq, " + host
}
