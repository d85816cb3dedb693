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

// A program is a mail queue that is measured. All of it runs as root, in namespaces that
// nobody else is in.
type program struct {
	place
	name    string
	submit  []string // takes a message; recipients follow
	deliver []string // tries all that waits
	list    []string
	// prepare writes the configuration for a smart host on loopback, and empties the queue.
	prepare func(smartHost) error
	// fill puts messages of a size into the queue, numbered from 1.
	fill func(messages, size int) error
	drop func() error // empties the queue
	// spools are the directories of the queue, where what is in them may be moved away.
	spools []string
	// ready, if there is one, is called before deliver is timed, with the number of messages that wait.
	ready  func(messages int) error
	daemon bool // deliver does not return, or before its work is done
	ours   bool // it is esmtpq
	// processes are those of its daemons, and of deliver, where that can be had.
	processes *group
	// sendmail is what git calls, where that is not submit; background has to run then.
	sendmail, background []string
}

// submission returns the command that takes a message to one recipient.
func (p *program) submission() []string {
	return append(slices.Clone(p.submit), "reader@example.com")
}

// inside returns where commands of the program are run whose processes go on.
func (p *program) inside() place {
	at := p.place
	at.group = p.processes.path()
	return at
}

// A smartHost is what a program has to know of the host that it sends to.
type smartHost struct {
	port     int
	secure   bool // TLS and AUTH
	implicit bool // TLS from the start
	now      bool // what is submitted is sent, as usual; else it waits for deliver
	sessions int  // at most; 0 for what is usual
}

// esmtpq returns what this is all about, with a home directory of its own below the one to work in. More is
// of its environment.
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

// fill puts messages into a queue of esmtpq's, as sendmail does.
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
			// Long enough ago for the next attempt to be far away, and not for a notice.
			Arrival: time.Now().Add(-3 * time.Hour),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
