//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"esmtpq/bench/internal/sink"
)

// An observation is one sample. Fields that do not apply are left out.
type observation struct {
	Measure string `json:"measure"`
	Program string `json:"program"`
	Case    string `json:"case,omitempty"` // how it was called, or with what

	Queued     int     `json:"queued,omitempty"` // messages in the queue before
	Messages   int     `json:"messages,omitempty"`
	Size       int     `json:"size,omitempty"` // octets of a message
	Recipients int     `json:"recipients,omitempty"`
	RTT        float64 `json:"rtt_s,omitempty"`
	Chunking   bool    `json:"chunking,omitempty"` // the host offers it

	Wall     float64 `json:"wall_s,omitempty"`
	Returned float64 `json:"returned_s,omitempty"` // until the command returned
	CPU      float64 `json:"cpu_s,omitempty"`
	Peak     int64   `json:"peak_kib,omitempty"`     // of any one process
	Together int64   `json:"together_kib,omitempty"` // of all processes of a daemon
	Setup    float64 `json:"setup_s,omitempty"`      // until the host had the first MAIL command
	Resumed  int     `json:"resumed,omitempty"`      // TLS sessions
	Sessions int     `json:"sessions,omitempty"`
	Disorder int     `json:"disorder,omitempty"` // messages that came before their predecessor
	Syncs    int     `json:"syncs,omitempty"`
	Serial   int     `json:"serial_syncs,omitempty"` // of them one after the other

	Octets      int64 `json:"octets,omitempty"`
	Allocations int64 `json:"allocations,omitempty"`
}

// took adds the resources that a command took.
func (o observation) took(u usage) observation {
	o.Wall, o.CPU, o.Peak = u.wall.Seconds(), u.cpu.Seconds(), u.peak
	return o
}

// arrived adds the counts of the host.
func (o observation) arrived(c sink.Counts, start time.Time) observation {
	o.Wall, o.Setup = c.Last.Sub(start).Seconds(), c.Mail.Sub(start).Seconds()
	o.Sessions, o.Disorder, o.Resumed = c.Sessions, c.Disorder, c.Resumed
	return o
}

// A recorder keeps the observations of one measure, and writes them to a file.
type recorder struct {
	file *os.File
	all  []observation
}

func newRecorder(name string) (*recorder, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	r := &recorder{file: f}
	return r, r.write(machine())
}

func (r *recorder) close() error { return r.file.Close() }

func (r *recorder) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = r.file.Write(append(line, '\n'))
	return err
}

func (r *recorder) add(o observation) error {
	r.all = append(r.all, o)
	return r.write(o)
}

// machine is the first line of a file: the machine of the observations.
func machine() any {
	var u syscall.Utsname
	syscall.Uname(&u)
	var release strings.Builder
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		release.WriteByte(byte(c))
	}
	return map[string]any{
		"measure": "machine", "time": time.Now().UTC().Format(time.RFC3339), "kernel": release.String(),
		"cpus": runtime.NumCPU(), "go": runtime.Version(), "arch": runtime.GOARCH,
	}
}

// A series is the observations of one thing.
type series []float64

// at returns a quantile.
func (s series) at(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	s = slices.Clone(s)
	slices.Sort(s)
	return s[int(q*float64(len(s)-1)+0.5)]
}

func (s series) median() float64 { return s.at(0.5) }

// spread formats the median, and the 10th and 90th percentile, in units of 1/scale.
func (s series) spread(scale float64) string {
	if len(s) < 4 {
		return figure(s.median() * scale)
	}
	return fmt.Sprintf("%s (%s-%s)", figure(s.median()*scale), figure(s.at(0.1)*scale), figure(s.at(0.9)*scale))
}

// figure formats a number with three significant digits.
func figure(f float64) string {
	switch {
	case f == 0:
		return "-"
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	case f >= 0.1:
		return fmt.Sprintf("%.2f", f)
	}
	return fmt.Sprintf("%.2g", f)
}

// values returns a value of each observation that belongs to the same row as o.
func (r *recorder) values(like observation, value func(observation) float64) series {
	var s series
	for _, o := range r.all {
		if o.row() == like.row() {
			s = append(s, value(o))
		}
	}
	return s
}

// row returns only the fields that distinguish the rows of a table.
func (o observation) row() observation {
	return observation{Measure: o.Measure, Program: o.Program, Case: o.Case, Queued: o.Queued, Messages: o.Messages,
		Size: o.Size, Recipients: o.Recipients, RTT: o.RTT, Chunking: o.Chunking}
}

// rows returns the rows of a measure, in the order in which they first appeared.
func (r *recorder) rows(measure string) []observation {
	var all []observation
	for _, o := range r.all {
		if o.Measure == measure && !slices.Contains(all, o.row()) {
			all = append(all, o.row())
		}
	}
	return all
}

func wallOf(o observation) float64 { return o.Wall }
func cpuOf(o observation) float64  { return o.CPU }
func peakOf(o observation) float64 { return float64(o.Peak) / 1024 }

func returnedOf(o observation) float64 { return o.Returned }
func setupOf(o observation) float64    { return o.Setup }
func togetherOf(o observation) float64 { return float64(o.Together) / 1024 }

// last returns the last observation of a row.
func (r *recorder) last(like observation) (found observation) {
	for _, o := range r.all {
		if o.row() == like.row() {
			found = o
		}
	}
	return found
}

// title begins a table.
func title(text string, columns ...string) {
	fmt.Printf("## %s\n\n", text)
	line(columns...)
	line(slices.Repeat([]string{"---"}, len(columns))...)
}

func line(cells ...string) { fmt.Printf("| %s |\n", strings.Join(cells, " | ")) }
