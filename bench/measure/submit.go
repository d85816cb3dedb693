//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const submitSize = 2 << 10

// A submission is one row: a command that takes a message.
type submission struct {
	place
	program, how string
	queued       int
	command      []string
	cleanUp      func() error // after each sample
}

// asleep is the case of a submission that need not start the process that delivers.
const asleep = "the sleeper is there"

// beside is the case of an empty queue, in turn with a long one.
const inTurn = "in turn with "

func beside(queued int) string { return fmt.Sprintf("%s%d queued", inTurn, queued) }

// submit measures submission while nothing listens at the smart host.
func (b *bench) submit() error {
	rows, err := b.emptyQueues()
	if err != nil {
		return err
	}
	sleeping, err := b.withSleeper()
	if err != nil {
		return err
	}
	started, err := b.withStart()
	if err != nil {
		return err
	}
	watched, err := b.withWatcher()
	if err != nil {
		return err
	}
	if err := b.submitTo(0, append(rows, sleeping, started, watched)); err != nil {
		return err
	}
	for _, n := range b.queued {
		rows, err := b.fullQueues(n)
		if err != nil {
			return err
		}
		none, err := b.besideFull(n)
		if err != nil {
			return err
		}
		if err := b.submitTo(n, append(rows, none)); err != nil {
			return err
		}
	}
	b.printSubmit()
	return b.printSyncs()
}

// submitTo takes samples of all rows and of the floors in turn, so that everything else that the
// machine does affects all of them.
func (b *bench) submitTo(queued int, rows []submission) error {
	name, err := b.messageFile(submitSize)
	if err != nil {
		return err
	}
	defer b.endAll()
	all := b.floors()
	for i := range all {
		all[i].queued = queued
	}
	all = append(all, rows...)
	for i := range b.runs + 1 {
		for j := range all {
			r := all[(i+j+len(all)-1)%len(all)] // no row always has the same one before it
			u, err := b.once(r.place, name, r.command...)
			if err != nil {
				return fmt.Errorf("%w: %s", err, b.tail())
			}
			if r.cleanUp != nil {
				if err := r.cleanUp(); err != nil {
					return err
				}
				unix.Sync() // or the next sync of a directory would do it for us
			}
			if i == 0 {
				continue // the first round brings programs into memory
			}
			o := observation{Measure: "submit", Program: r.program, Case: r.how, Queued: r.queued}
			if err := b.rec.add(o.took(u)); err != nil {
				return err
			}
		}
	}
	return nil
}

// floors returns the rows of the floors.
func (b *bench) floors() []submission {
	dir := filepath.Join(b.work, "floor")
	var all []submission
	for _, f := range []struct{ name, file string }{{"(floor C)", "floor-c"}, {"(floor Go)", "floor"}} {
		if file := filepath.Join(b.bin, f.file); exists(file) {
			all = append(all, submission{program: f.name, command: []string{file, dir}, cleanUp: func() error { return b.setAside(dir) }})
		}
	}
	empty(dir)
	return all
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// emptyQueues returns the programs with nothing in their queues.
func (b *bench) emptyQueues() ([]submission, error) {
	var all []submission
	for _, p := range b.programs {
		s, err := b.emptyQueue(p)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// emptyQueue returns a program that drops each message again.
func (b *bench) emptyQueue(p *program) (submission, error) {
	s := submission{place: p.place, program: p.name, command: p.submission(), cleanUp: func() error { return b.forget(p) }}
	name, err := b.messageFile(submitSize)
	if err != nil {
		return s, err
	}
	if err := p.prepare(smartHost{port: 1}); err != nil {
		return s, fmt.Errorf("%s: %w", p.name, err)
	}
	if _, err := b.once(p.place, name, s.command...); err != nil { // the first submission makes the queue
		return s, fmt.Errorf("%w: %s", err, b.tail())
	}
	return s, p.drop()
}

// forget empties the queue of a program.
func (b *bench) forget(p *program) error {
	if len(p.spools) == 0 {
		return p.drop()
	}
	for _, dir := range p.spools {
		if err := b.setAside(p.path(dir)); err != nil {
			return err
		}
	}
	return nil
}

// setAside empties a directory by moving its content away, except for names that begin with a
// dot. The content is removed with everything else at the end: for some minutes ext4 looks at
// each removed inode whenever it gives out another, and the program that needs most inodes would
// pay most for earlier removals.
func (b *bench) setAside(dir string) error {
	aside := filepath.Join(b.work, "aside")
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		b.moved++
		file := filepath.Join(dir, e.Name())
		if os.Rename(file, filepath.Join(aside, strconv.Itoa(b.moved))) == nil {
			continue
		}
		if err := os.RemoveAll(file); err != nil { // another file system, perhaps
			return err
		}
	}
	return nil
}

// besideFull returns esmtpq with an empty queue in a home of its own, to take turns with a full
// one: the cost of a long queue is less than the drift of the machine in an hour.
func (b *bench) besideFull(queued int) (submission, error) {
	s, err := b.emptyQueue(esmtpq(b, "home-beside", "ESMTPQ_DELAY=never"))
	s.how = beside(queued)
	return s, err
}

// withSleeper returns the usual case of a series: the process that will deliver is waiting
// already.
func (b *bench) withSleeper() (submission, error) {
	p := esmtpq(b, "home-asleep", "ESMTPQ_DELAY=1h")
	s := submission{place: p.place, program: p.name, how: asleep, command: p.submission()}
	name, err := b.messageFile(submitSize)
	if err == nil {
		err = p.prepare(smartHost{port: 1})
	}
	if err == nil {
		_, err = b.once(p.place, name, s.command...)
	}
	return s, err
}

// fullQueues returns the programs with messages in their queues.
func (b *bench) fullQueues(messages int) ([]submission, error) {
	var all []submission
	for _, p := range b.programs {
		if !p.ours && messages > 1000 {
			continue // filled by one command for each message, which takes too long
		}
		if err := p.prepare(smartHost{port: 1}); err != nil {
			return nil, err
		}
		if err := p.fill(messages, submitSize); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		all = append(all, submission{place: p.place, program: p.name, queued: messages, command: p.submission()})
	}
	return all, nil
}

func (b *bench) printSubmit() {
	title(fmt.Sprintf("Submission of %d octets, nothing listening", submitSize),
		"", "queued before", "wall ms", "to floor C", "to floor Go", "cpu ms", "peak MiB")
	for _, r := range b.rec.rows("submit") {
		wall := b.rec.values(r, wallOf)
		to := func(floor string) string {
			base := b.rec.values(observation{Measure: "submit", Program: floor, Queued: r.Queued}, wallOf).median()
			if base == 0 || strings.HasPrefix(r.Case, inTurn) {
				return "-"
			}
			return figure(wall.median() / base)
		}
		name := r.Program
		if r.Case != "" {
			name += ", " + r.Case
		}
		line(name, fmt.Sprint(r.Queued), wall.spread(1000), to("(floor C)"), to("(floor Go)"),
			figure(b.rec.values(r, cpuOf).median()*1000), figure(b.rec.values(r, peakOf).at(1)))
	}
	fmt.Println()
}
