//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// A program is a mail queue that is measured. It runs as root, in namespaces of its own.
type program struct {
	place
	name    string
	submit  []string // takes a message; recipients follow
	deliver []string // tries all waiting mail
	list    []string
	// prepare writes the configuration for a smart host on loopback, and empties the queue.
	prepare func(smartHost) error
	// fill puts messages of a size into the queue, numbered from 1.
	fill func(messages, size int) error
	drop func() error // empties the queue
	// spools are the directories of the queue, if their content may be moved away.
	spools []string
	// ready, if not nil, is called before deliver is timed, with the number of waiting messages.
	ready  func(messages int) error
	daemon bool // deliver does not return, or returns before its work is done
	ours   bool // it is esmtpq
	// processes are its daemons and deliver, if they can be observed.
	processes *group
	// sendmail is what git calls instead of submit; background must run then.
	sendmail, background []string
}

// submission returns the command that takes a message to one recipient.
func (p *program) submission() []string {
	return append(slices.Clone(p.submit), "reader@example.com")
}

// inside returns the place for commands of the program whose processes go on.
func (p *program) inside() place {
	at := p.place
	at.group = p.processes.path()
	return at
}

// A smartHost is what a program has to know of its smart host.
type smartHost struct {
	port     int
	secure   bool // TLS and AUTH
	implicit bool // TLS from the start
	now      bool // submitted mail is sent, as usual; otherwise it waits for deliver
	sessions int  // at most; 0 for the usual number
}

// esmtpq returns esmtpq, with a home directory of its own below the working directory. more is
// added to its environment.
func esmtpq(b *bench, name string, more ...string) *program {
	home := filepath.Join(b.work, name)
	spool := filepath.Join(home, ".esmtp_queue")
	p := &program{
		name:    "esmtpq",
		ours:    true,
		submit:  []string{filepath.Join(b.bin, "sendmail")},
		deliver: []string{filepath.Join(b.bin, "deliver")},
		list:    []string{filepath.Join(b.bin, "mailq")},
		place:   place{env: append([]string{"HOME=" + home, "PATH=/usr/bin:/bin"}, more...)},
	}
	p.prepare = func(h smartHost) error {
		if err := empty(home); err != nil {
			return err
		}
		config := fmt.Sprintf("identities:\n  - name: author@example.org\n    host: localhost\n    port: %d\n", h.port)
		if h.secure {
			mode := map[bool]string{true: "implicit", false: "starttls"}[h.implicit]
			config += "    tls: " + mode + "\n    ca_file: " + b.authority() + "\n    username: user\n    password: password\n"
		} else {
			config += "    tls: off\n"
		}
		if h.sessions > 0 {
			config += fmt.Sprintf("    sessions: %d\n", h.sessions)
		}
		dir := filepath.Join(home, ".config/esmtpq")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600)
	}
	p.fill = func(messages, size int) error { return fill(spool, messages, size) }
	p.spools = []string{spool}
	remove := []string{filepath.Join(b.bin, "esmtpq"), "rm", "--yes", "all"}
	p.drop = func() error {
		_, err := b.once(p.place, os.DevNull, remove...)
		return err
	}
	return p
}

// fill puts messages into a queue of esmtpq, as sendmail does.
func fill(dir string, messages, size int) error {
	q, err := spool.OpenOrCreate(dir)
	if err != nil {
		return err
	}
	defer q.Close()
	for i := range messages {
		w, err := q.NewWriter()
		if err != nil {
			return err
		}
		if _, err := w.Write(message(i+1, size)); err != nil {
			w.Abort()
			return err
		}
		_, err = w.Commit(&spool.Envelope{
			From: "author@example.org", Recipients: []spool.Recipient{{Address: "reader@example.com"}},
			// This is long enough ago for the next attempt to be far away, and too short for a
			// notice.
			Arrival: time.Now().Add(-3 * time.Hour),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
