//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// list measures what long queues cost: listing, counting, and a queue run with nothing due.
func (b *bench) list() error {
	for _, n := range b.queued {
		for _, p := range b.programs {
			if !p.ours && (n > 1000 || p.list == nil) {
				continue
			}
			if err := p.prepare(smartHost{port: 1}); err != nil {
				return err
			}
			if err := p.fill(n, submitSize); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if err := b.listSamples(p, n, "list", p.list...); err != nil {
				return err
			}
			if !p.ours {
				continue
			}
			if err := b.listSamples(p, n, "count", append(p.list, "--count")...); err != nil {
				return err
			}
			if err := b.nothingDue(p, n); err != nil {
				return err
			}
		}
	}
	title("Long queues", "", "queued", "what", "wall ms", "us a message", "cpu ms", "peak MiB")
	for _, r := range b.rec.rows("list") {
		wall := b.rec.values(r, wallOf)
		line(r.Program, fmt.Sprint(r.Queued), r.Case, wall.spread(1000), figure(wall.median()*1e6/float64(r.Queued)),
			figure(b.rec.values(r, cpuOf).median()*1000), figure(b.rec.values(r, peakOf).at(1)))
	}
	fmt.Println()
	return nil
}

func (b *bench) listSamples(p *program, queued int, what string, command ...string) error {
	for range max(b.runs/4, 1) {
		u, err := b.once(p.place, os.DevNull, command...)
		if err != nil && !errors.Is(err, waits) {
			return err
		}
		if err := os.Remove(b.log()); err != nil { // it has become long
			return err
		}
		o := observation{Measure: "list", Program: p.name, Case: what, Queued: queued}.took(u)
		if err := b.rec.add(o); err != nil {
			return err
		}
	}
	return nil
}

// nothingDue measures the queue run of the background while all mail waits for a host that cannot be
// reached.
func (b *bench) nothingDue(p *program, queued int) error {
	// Tries, finds nobody, and writes that down.
	b.onceCommand(p.place, os.DevNull, p.deliver...).Run()
	parked := filepath.Join(b.work, "home/.esmtp_queue/.parked")
	before, err := os.ReadFile(parked)
	if err != nil {
		return err
	}
	if err := b.listSamples(p, queued, "run with nothing due", append(p.deliver, "--background", "0s")...); err != nil {
		return err
	}
	after, err := os.ReadFile(parked)
	if err == nil && string(before) != string(after) {
		err = fmt.Errorf("something was due: %s", after)
	}
	return err
}
