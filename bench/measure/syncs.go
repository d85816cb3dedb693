//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// flushDelay is by how many microseconds strace delays each flush, so that simultaneous ones do
// overlap, however fast the disk is.
const flushDelay = 30_000

const flushes = "fsync,fdatasync,sync,syncfs,msync,sync_file_range"

// printSyncs counts the syncs of a submission, if there is strace. It does not see those of
// daemons.
func (b *bench) printSyncs() error {
	strace, err := exec.LookPath("strace")
	if err != nil {
		fmt.Print("strace is not installed: syncs are not counted.\n\n")
		return nil
	}
	name, err := b.messageFile(submitSize)
	if err != nil {
		return err
	}
	rows, err := b.emptyQueues()
	if err != nil {
		return err
	}
	title("Calls that flush to disk, of one submission", "", "fsync and the like", "one after the other")
	for _, s := range append(b.floors(), rows...) {
		calls, err := b.syncsOf(s, strace, name)
		if err != nil {
			return err
		}
		o := observation{Measure: "syncs", Program: s.program, Syncs: len(calls), Serial: serial(calls)}
		if err := b.rec.add(o); err != nil {
			return err
		}
		line(s.program, fmt.Sprint(o.Syncs), fmt.Sprint(o.Serial))
	}
	fmt.Println()
	return nil
}

// syncsOf traces one submission.
func (b *bench) syncsOf(s submission, strace, stdin string) ([]call, error) {
	trace := filepath.Join(b.work, "trace")
	command := []string{strace, "-f", "-qq", "-ttt", "-T", "-o", trace, "-e", "trace=" + flushes, "-e", "signal=none",
		"-e", fmt.Sprintf("inject=%s:delay_enter=%d", flushes, flushDelay)}
	if s.root != "" {
		chroot, err := exec.LookPath("chroot")
		if err != nil {
			return nil, err
		}
		command = append(command, chroot, s.root)
	}
	if _, err := b.once(place{env: s.env}, stdin, append(command, s.command...)...); err != nil {
		return nil, fmt.Errorf("%w: %s", err, b.tail())
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		return nil, err
	}
	if err := s.cleanUp(); err != nil {
		return nil, err
	}
	return parseTrace(string(text)), nil
}

// A call is when a system call began and ended, in seconds.
type call struct{ begin, end float64 }

// parseTrace reads the output of strace about the calls of a command, also of threads that
// interrupt each other.
func parseTrace(trace string) []call {
	var all []call
	begun := map[string]float64{} // by thread
	for text := range strings.Lines(trace) {
		f := strings.Fields(text)
		if len(f) < 3 {
			continue
		}
		thread := f[0]
		at, err := strconv.ParseFloat(f[1], 64)
		switch {
		case err != nil || strings.HasPrefix(f[2], "+++"):
		case strings.Contains(text, "<unfinished ...>"):
			begun[thread] = at
		case strings.Contains(text, " resumed>"):
			if begin, ok := begun[thread]; ok {
				all = append(all, call{begin, begin + took(f, at-begin)})
				delete(begun, thread)
			}
		default:
			all = append(all, call{at, at + took(f, 0)})
		}
	}
	return all
}

// took returns the time at the end of a line of strace, or else the given one.
func took(fields []string, otherwise float64) float64 {
	last := fields[len(fields)-1]
	if t, err := strconv.ParseFloat(strings.Trim(last, "<>"), 64); err == nil && strings.HasPrefix(last, "<") {
		return t
	}
	return otherwise
}

// serial returns how many calls came one after the other: overlapping calls count as one. It is
// the size of the largest set of calls that do not overlap.
func serial(calls []call) (n int) {
	calls = slices.Clone(calls)
	slices.SortFunc(calls, func(a, b call) int { return cmp.Compare(a.end, b.end) })
	last := -1.0
	for _, c := range calls {
		if c.begin >= last {
			n++
			last = c.end
		}
	}
	return n
}
