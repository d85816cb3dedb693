//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"esmtpq/queue"
)

// A program is a mail queue that is measured. All of it runs as root, in namespaces that
// nobody else is in.
type program struct {
	name    string
	submit  []string // takes a message; recipients follow
	deliver []string // tries all that waits
	list    []string
	env     []string
	// prepare writes the configuration for a smart host on loopback, and empties the queue.
	prepare func(smartHost) error
	// fill puts messages of a size into the queue, numbered from 1.
	fill func(messages, size int) error
	drop func() error // empties the queue
	// ready, if there is one, is called before deliver is timed, with the number of messages that wait.
	ready  func(messages int) error
	daemon bool // deliver does not return
}

// A smartHost is what a program has to know of the host that it sends to.
type smartHost struct {
	port     int
	secure   bool // STARTTLS and AUTH
	sessions int  // at most; 0 for what is usual
}

// esmtpq returns what this is all about.
func esmtpq(b *bench) *program {
	home := filepath.Join(b.work, "home")
	spool := filepath.Join(home, ".esmtp_queue")
	p := &program{
		name:    "esmtpq",
		submit:  []string{filepath.Join(b.bin, "sendmail")},
		deliver: []string{filepath.Join(b.bin, "deliver")},
		list:    []string{filepath.Join(b.bin, "mailq")},
		env:     []string{"HOME=" + home, "PATH=/usr/bin:/bin", "ESMTPQ_DELAY=never"},
	}
	p.prepare = func(h smartHost) error {
		if err := empty(home); err != nil {
			return err
		}
		config := fmt.Sprintf("identities:\n  - name: author@example.org\n    host: localhost\n    port: %d\n", h.port)
		if h.secure {
			config += "    tls: starttls\n    ca_file: " + b.authority() + "\n    username: user\n    password: password\n"
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
	p.drop = func() error { return empty(spool) }
	return p
}

// fill puts messages into a queue of esmtpq's, as sendmail does.
func fill(dir string, messages, size int) error {
	q, err := queue.OpenOrCreate(dir)
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
		_, err = w.Commit(&queue.Envelope{
			From: "author@example.org", Recipients: []queue.Recipient{{Address: "reader@example.com"}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}
