//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// The cases of a submission that has something started, or has the watcher see to its message.
const (
	starting = "the sleeper is started"
	watching = "the watcher is there"
)

// withWatcher returns the case of a submission that tells the watcher, which goes on waiting.
func (b *bench) withWatcher() (submission, error) {
	p := esmtpq(b, "home-watched", "ESMTPQ_DELAY=1h")
	s := submission{place: p.place, program: p.name, how: watching, command: p.submission(), cleanUp: func() error { return b.forget(p) }}
	name, err := b.messageFile(submitSize)
	if err == nil {
		err = p.prepare(smartHost{port: 1})
	}
	if err == nil {
		err = b.watch(p)
	}
	if err == nil {
		_, err = b.once(p.place, name, s.command...)
	}
	return s, err
}

// withStart returns the case of a submission that starts the sleeper.
func (b *bench) withStart() (submission, error) {
	p := esmtpq(b, "home-starting", "ESMTPQ_DELAY=1h")
	s, err := b.emptyQueue(p)
	s.how, s.cleanUp = starting, func() error { endSleeper(p); return b.forget(p) }
	endSleeper(p)
	return s, err
}

// endSleeper ends the process that a submission has started.
func endSleeper(p *program) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		args, _ := os.ReadFile(dir + "/cmdline")
		env, _ := os.ReadFile(dir + "/environ")
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && bytes.Contains(args, []byte("--background")) &&
			bytes.Contains(env, []byte(p.env[0]+"\x00")) {
			syscall.Kill(pid, syscall.SIGKILL)
			for syscall.Kill(pid, 0) == nil { // pid 1 is this process, and its parent
				if done, _ := syscall.Wait4(pid, nil, 0, nil); done == pid {
					break
				}
			}
		}
	}
}

// watch starts the watcher of a program, and waits until it can be told of mail.
func (b *bench) watch(p *program) error {
	if err := b.onceCommand(p.place, os.DevNull, p.deliver[0], "--watch").Start(); err != nil {
		return err
	}
	socket := filepath.Join(p.spools[0], ".wake")
	for end := time.Now().Add(patience); !exists(socket); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("the watcher does not begin: %s", b.tail())
		}
	}
	time.Sleep(time.Second) // its first run
	return nil
}

// interactiveRTT is the round-trip time for the mail of a person who sits there.
const interactiveRTT = 200 * time.Millisecond

// The cases of mail that somebody has just written.
const (
	firstMail = "the first mail"
	nextMail  = "the session was kept"
)

// interactive measures how long a mail takes to the host's last reply, with TLS and a login.
func (b *bench) interactive() error {
	for range max(b.runs/4, 1) {
		if err := b.interactiveBy(b.msmtp(), "", 1); err != nil {
			return err
		}
		p := esmtpq(b, "home-interactive", "ESMTPQ_DELAY=0s")
		if err := b.interactiveBy(p, firstMail, 3); err != nil {
			return err
		}
	}
	title(fmt.Sprintf("A mail of %d octets, STARTTLS and login, RTT %d ms, delay 0", submitSize, interactiveRTT.Milliseconds()),
		"", "", "command returned s", "accepted s", "to msmtp", "round trips")
	base := b.rec.values(observation{Measure: "interactive", Program: "msmtp", RTT: interactiveRTT.Seconds(), Size: submitSize, Messages: 1}, returnedOf).median()
	for _, r := range b.rec.rows("interactive") {
		wall := b.rec.values(r, wallOf)
		own := wall.median()
		if r.Program == "msmtp" {
			own = base
		}
		line(r.Program, r.Case, b.rec.values(r, returnedOf).spread(1), wall.spread(1), figure(own/base), figure(wall.median()/interactiveRTT.Seconds()))
	}
	fmt.Println()
	return nil
}

// interactiveBy measures mails one after the other by a program, which waits for the host itself or
// has a watcher.
func (b *bench) interactiveBy(p *program, first string, mails int) error {
	if p == nil {
		fmt.Fprintln(os.Stderr, "measure: left out: msmtp is not installed")
		return nil
	}
	h := smartHost{port: b.nextPort(), secure: true, now: true}
	if err := p.prepare(h); err != nil {
		return err
	}
	defer b.endAll()
	s, close, err := b.open(h.port, way{secure: true, chunking: true, rtt: interactiveRTT, rate: linkRate})
	if err != nil {
		return err
	}
	defer close()
	if p.ours {
		if err := b.watch(p); err != nil {
			return err
		}
	}
	name, err := b.messageFile(submitSize)
	if err != nil {
		return err
	}
	for i := range mails {
		o := observation{Measure: "interactive", Program: p.name, Case: first, RTT: interactiveRTT.Seconds(), Size: submitSize, Messages: 1}
		if i > 0 {
			o.Case = nextMail
		}
		start := time.Now()
		if _, err := b.once(p.place, name, p.submission()...); err != nil {
			return fmt.Errorf("%s: %w: %s", p.name, err, b.tail())
		}
		o.Returned = time.Since(start).Seconds()
		if !s.Wait(i+1, patience) {
			return fmt.Errorf("%s: no mail has come: %s", p.name, b.tail())
		}
		o.Wall = s.Counts().Last.Sub(start).Seconds() + interactiveRTT.Seconds()/2 // the reply is on its way
		if err := b.rec.add(o); err != nil {
			return err
		}
		time.Sleep(2 * interactiveRTT)
	}
	return nil
}

// msmtp returns msmtp; nil if it is not installed.
func (b *bench) msmtp() *program {
	p := &program{name: "msmtp", place: place{env: peerEnv}}
	if b.roots != "" {
		p.root = filepath.Join(b.roots, p.name)
	}
	if !exists(p.path("/usr/bin/msmtp")) {
		if p.root = ""; !exists(p.path("/usr/bin/msmtp")) {
			return nil
		}
	}
	p.submit = []string{"/usr/bin/msmtp", "--file=/tmp/msmtprc", "--"}
	p.prepare = func(h smartHost) error {
		if err := b.authorityFor(p, "/tmp/msmtp-ca.pem"); err != nil {
			return err
		}
		config := fmt.Sprintf("account default\nhost localhost\nport %d\nfrom author@example.org\ntls on\ntls_starttls on\n"+
			"tls_trust_file /tmp/msmtp-ca.pem\nauth plain\nuser user\npassword password\n", h.port)
		return os.WriteFile(p.path("/tmp/msmtprc"), []byte(config), 0o600)
	}
	return p
}
