//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const submitSize = 2 << 10

// A submission is one row: a command that takes a message.
type submission struct {
	program, how string
	env, command []string
	cleanUp      func() error // after each sample
}

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
	if err := b.submitTo(0, b.floors(), append(rows, sleeping)); err != nil {
		return err
	}
	for _, n := range b.queued {
		rows, err := b.fullQueues(n)
		if err != nil {
			return err
		}
		if err := b.submitTo(n, b.floors(), rows); err != nil {
			return err
		}
	}
	b.printSubmit()
	return b.printSyncs()
}

// submitTo takes samples of all rows in turn, so that whatever else the machine does hits all of them.
func (b *bench) submitTo(queued int, floors, rows []submission) error {
	name, err := b.messageFile(submitSize)
	if err != nil {
		return err
	}
	defer b.endAll()
	for i := range b.runs + 1 {
		for _, r := range append(floors, rows...) {
			u, err := b.once(r.env, name, r.command...)
			if err != nil {
				return fmt.Errorf("%w: %s", err, b.tail())
			}
			if r.cleanUp != nil {
				if err := r.cleanUp(); err != nil {
					return err
				}
			}
			o := observation{Measure: "submit", Program: r.program, Case: r.how, Queued: queued}.took(u)
			if i == 0 {
				continue // the first brings programs into memory
			}
			if err := b.rec.add(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// floors returns the least there can be.
func (b *bench) floors() []submission {
	dir := filepath.Join(b.work, "floor")
	var all []submission
	for _, f := range []struct{ name, file string }{{"(floor C)", "floor-c"}, {"(floor Go)", "floor"}} {
		if file := filepath.Join(b.bin, f.file); exists(file) {
			all = append(all, submission{program: f.name, command: []string{file, dir}, cleanUp: func() error { return empty(dir) }})
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
	name, err := b.messageFile(submitSize)
	if err != nil {
		return nil, err
	}
	var all []submission
	for _, p := range b.programs {
		if err := p.prepare(smartHost{port: 1}); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		command := append(p.submit, "reader@example.com")
		if _, err := b.once(p.env, name, command...); err != nil { // the first makes the queue
			return nil, fmt.Errorf("%w: %s", err, b.tail())
		}
		if err := p.drop(); err != nil {
			return nil, err
		}
		all = append(all, submission{p.name, "", p.env, command, p.drop})
	}
	return all, nil
}

// withSleeper returns the usual case of somebody who sends a series: the process that will deliver is there
// already.
func (b *bench) withSleeper() (submission, error) {
	us := *b.programs[0]
	us.env = []string{"HOME=" + filepath.Join(b.work, "home-asleep"), "PATH=/usr/bin:/bin", "ESMTPQ_DELAY=1h"}
	return submission{us.name, "the sleeper is there", us.env, append(us.submit, "reader@example.com"), nil}, b.asleep(&us)
}

// asleep gives a copy of esmtpq a home with a sleeper in it.
func (b *bench) asleep(p *program) error {
	home := strings.TrimPrefix(p.env[0], "HOME=")
	if err := os.RemoveAll(home); err != nil {
		return err
	}
	if err := os.CopyFS(home, os.DirFS(filepath.Join(b.work, "home"))); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(home, ".config/esmtpq/config.yaml"), 0o600); err != nil {
		return err
	}
	name, err := b.messageFile(submitSize)
	if err == nil {
		_, err = b.once(p.env, name, append(p.submit, "reader@example.com")...)
	}
	return err
}

// fullQueues returns the programs with messages in their queues.
func (b *bench) fullQueues(messages int) ([]submission, error) {
	var all []submission
	for _, p := range b.programs {
		if p != b.programs[0] && messages > 1000 {
			continue // filled by a command a message, that takes too long
		}
		if err := p.prepare(smartHost{port: 1}); err != nil {
			return nil, err
		}
		if err := p.fill(messages, submitSize); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		all = append(all, submission{p.name, "", p.env, append(p.submit, "reader@example.com"), nil})
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
			if base == 0 {
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

// printSyncs counts what a submission makes durable, where there is strace. What daemons do is
// not seen.
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
	title("Calls that flush to disk, of one submission", "", "fsync and the like")
	for _, s := range append(b.floors(), rows...) {
		trace := filepath.Join(b.work, "trace")
		args := []string{"-f", "-qq", "-o", trace, "-e", "trace=fsync,fdatasync,sync,syncfs,msync", "-e", "signal=none"}
		if _, err := b.once(s.env, name, append(append([]string{strace}, args...), s.command...)...); err != nil {
			return err
		}
		text, err := os.ReadFile(trace)
		if err != nil {
			return err
		}
		if err := s.cleanUp(); err != nil {
			return err
		}
		o := observation{Measure: "syncs", Program: s.program}
		for call := range strings.Lines(string(text)) {
			if strings.Contains(call, "sync(") && !strings.Contains(call, "unfinished") || strings.Contains(call, "sync resumed") {
				o.Syncs++
			}
		}
		if err := b.rec.add(o); err != nil {
			return err
		}
		line(s.program, fmt.Sprint(o.Syncs))
	}
	fmt.Println()
	return nil
}
