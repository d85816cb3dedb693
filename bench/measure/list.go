//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"esmtpq/bench/internal/sink"
)

// list measures the cost of long queues: listing, counting, and a queue run with nothing due.
func (b *bench) list() error {
	for _, n := range b.queued {
		for _, p := range b.programs {
			if !p.ours && (n > 1000 || p.list == nil) {
				continue
			}
			port := b.nextPort()
			if err := p.prepare(smartHost{port: port}); err != nil {
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
			if err := b.nothingDue(p, n, port); err != nil {
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
		if err := b.listSample(p, queued, what, command...); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) listSample(p *program, queued int, what string, command ...string) error {
	u, err := b.once(p.place, os.DevNull, command...)
	if err != nil && !errors.Is(err, waits) {
		return err
	}
	if err := os.Remove(b.log()); err != nil { // it has become long
		return err
	}
	return b.rec.add(observation{Measure: "list", Program: p.name, Case: what, Queued: queued}.took(u))
}

// The cases of a queue run that finds nothing to do.
const (
	hostAway   = "run with nothing due"                       // the host could not be reached, all mail waits for it
	triedFirst = "first run after each was tried by itself"   // the host has put off every message just now
	triedOnce  = "run with nothing due, each tried by itself" // and later
)

// nothingDue measures a background run with nothing to do. It must not try any message: the host
// can be reached by then, and would notice.
func (b *bench) nothingDue(p *program, queued, port int) error {
	// This run tries the host, cannot reach it, and notes that.
	b.onceCommand(p.place, os.DevNull, p.deliver...).Run()
	host, err := sink.Listen(fmt.Sprintf("127.0.0.1:%d", port), sink.Config{Defer: true})
	if err != nil {
		return err
	}
	defer host.Close()
	run := append(slices.Clone(p.deliver), "--background", "0s")
	if err := b.listSamples(p, queued, hostAway, run...); err != nil {
		return err
	}
	if n := host.Counts().Opened; n > 0 {
		return fmt.Errorf("something was due: %d connections", n)
	}
	c := b.onceCommand(p.place, os.DevNull, p.deliver...)
	if err := c.Start(); err != nil {
		return err
	}
	end(c)
	before := host.Counts()
	if before.Deferred != queued {
		fmt.Fprintf(os.Stderr, "measure: left out: %s: %d of %d messages were tried\n", triedOnce, before.Deferred, queued)
		return nil
	}
	if err := b.listSample(p, queued, triedFirst, run...); err != nil {
		return err
	}
	if err := b.listSamples(p, queued, triedOnce, run...); err != nil {
		return err
	}
	if n := host.Counts().Opened - before.Opened; n > 0 {
		return fmt.Errorf("something was due that had been tried: %d connections", n)
	}
	return nil
}
