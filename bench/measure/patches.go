//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const patchesRTT = 50 * time.Millisecond

// slowSeries is the time from which a single run is enough for a peer.
const slowSeries = 30 * time.Second

// gitAlone is the row of a sendmail that does nothing.
const gitAlone = "(git alone)"

// patches measures a series of git over a link in the usual way: the submission starts the
// process that delivers, which waits for more.
func (b *bench) patches() error {
	if !hasSendEmail() {
		fmt.Fprintln(os.Stderr, "measure: left out: git send-email is not installed (package git-email)")
		return nil
	}
	dir, err := b.writePatches()
	if err != nil {
		return err
	}
	nothing := filepath.Join(b.work, "sendmail-nothing")
	if err := os.WriteFile(nothing, []byte("#!/bin/sh\nexec cat >/dev/null\n"), 0o755); err != nil {
		return err
	}
	if _, err := b.git(dir, nothing); err != nil {
		fmt.Fprintln(os.Stderr, "measure: left out:", err)
		return nil
	}
	slow := map[string]bool{} // or that does not work
	for range max(b.runs/4, 1) {
		if err := b.patchesOnce(dir, nothing, slow); err != nil {
			return err
		}
	}
	b.printPatches()
	return nil
}

// patchesOnce measures git alone, esmtpq and the peers in turn, without slow peers.
func (b *bench) patchesOnce(dir, nothing string, slow map[string]bool) error {
	like := observation{Measure: "patches", Messages: linkMessages, Size: linkSize, RTT: patchesRTT.Seconds(), Chunking: true}
	alone := like
	alone.Program = gitAlone
	var err error
	if alone.Returned, err = b.git(dir, nothing); err != nil {
		return err
	}
	if err := b.rec.add(alone); err != nil {
		return err
	}
	if _, err := b.patchesBy(esmtpq(b, "home-git"), dir, like); err != nil {
		return err
	}
	for _, p := range b.programs[1:] {
		if slow[p.name] {
			continue
		}
		o, err := b.patchesBy(p, dir, like)
		if err != nil {
			fmt.Fprintln(os.Stderr, "measure: left out:", err)
		}
		slow[p.name] = err != nil || o.Wall > slowSeries.Seconds()
	}
	return nil
}

func (b *bench) printPatches() {
	title(fmt.Sprintf("git send-email of %d patches of %d octets, STARTTLS and login, RTT %d ms", linkMessages, linkSize, patchesRTT.Milliseconds()),
		"", "git returned s", "all arrived s", "after git s", "sessions", "in order")
	for _, r := range b.rec.rows("patches") {
		last, wall, returned := b.rec.last(r), b.rec.values(r, wallOf), b.rec.values(r, returnedOf)
		if r.Program == gitAlone {
			line(r.Program, returned.spread(1), "-", "-", "-", "-")
			continue
		}
		line(r.Program, returned.spread(1), wall.spread(1), figure(b.rec.values(r, afterOf).median()), fmt.Sprint(last.Sessions), inOrder(last))
	}
	fmt.Println()
}

// afterOf returns how long after the return of the command the last message arrived.
func afterOf(o observation) float64 { return max(o.Wall-o.Returned, 0) }

// hasSendEmail reports whether git knows send-email.
func hasSendEmail() bool {
	path, err := exec.Command("git", "--exec-path").Output()
	return err == nil && exists(filepath.Join(string(bytes.TrimSpace(path)), "git-send-email"))
}

// writePatches writes a series of numbered patches as git format-patch does.
func (b *bench) writePatches() (dir string, err error) {
	dir = filepath.Join(b.work, "patches")
	if err := empty(dir); err != nil {
		return "", err
	}
	for i := range linkMessages {
		name := filepath.Join(dir, fmt.Sprintf("%04d-change.patch", i+1))
		if err := os.WriteFile(name, patch(i+1, linkMessages, linkSize), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// patch returns a patch of about the given size.
func patch(number, of, size int) []byte {
	var p bytes.Buffer
	fmt.Fprintf(&p, "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: Author <author@example.org>\n"+
		"Date: Sat, 21 Nov 2026 20:00:00 +0000\nSubject: [PATCH %d/%d] change number %[1]d\nX-Seq: %[1]d\n\nIt was not right.\n---\n"+
		"diff --git a/file b/file\n--- a/file\n+++ b/file\n@@ -0,0 +1,50 @@\n", number, of)
	const line = "+This is a line of a program, of about as many octets as such lines have.\n"
	const end = "-- \n2.47.0\n\n"
	for p.Len()+len(line)+len(end) <= size {
		p.WriteString(line)
	}
	p.WriteString(end)
	return p.Bytes()
}

// patchesBy measures a series that a program delivers.
func (b *bench) patchesBy(p *program, dir string, o observation) (observation, error) {
	o.Program = p.name
	w := way{secure: true, chunking: true, rtt: patchesRTT, rate: linkRate}
	h := smartHost{port: b.nextPort(), secure: true, now: true}
	if err := p.prepare(h); err != nil {
		return o, err
	}
	defer b.endAll()
	s, close, err := b.open(h.port, w)
	if err != nil {
		return o, err
	}
	defer close()
	if p.background != nil {
		if err := b.onceCommand(p.place, os.DevNull, p.background...).Start(); err != nil {
			return o, err
		}
	}
	command, err := b.sendmailFor(p)
	if err != nil {
		return o, err
	}
	start := time.Now()
	if o.Returned, err = b.git(dir, command); err != nil {
		return o, err
	}
	if !s.Wait(o.Messages, patience) {
		return o, fmt.Errorf("%s: %d of %d patches arrived in %v: %s", p.name, s.Counts().Messages, o.Messages, patience, b.tail())
	}
	o = o.arrived(s.Counts(), start)
	return o, b.rec.add(o)
}

// sendmailFor writes a script that is a program's sendmail. All programs have one, so that all
// pay for it.
func (b *bench) sendmailFor(p *program) (string, error) {
	name := filepath.Join(b.work, "sendmail-"+p.name)
	command := p.sendmail
	if command == nil {
		command = p.submit
	}
	chroot, err := exec.LookPath("chroot")
	if err != nil {
		return "", err
	}
	script := fmt.Sprintf("#!/bin/sh\n%s exec %s %s %s \"$@\"\n", strings.Join(p.env, " "), chroot, p.path("/"), strings.Join(command, " "))
	return name, os.WriteFile(name, []byte(script), 0o755)
}

// git sends the series through a command, and returns how many seconds that took.
func (b *bench) git(dir, sendmail string) (seconds float64, err error) {
	log, err := os.OpenFile(b.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	c := exec.Command("git", "send-email", "--quiet", "--confirm=never", "--no-validate", "--suppress-cc=all", "--from=author@example.org",
		"--to=reader@example.com", "--envelope-sender=author@example.org", "--sendmail-cmd="+sendmail, dir)
	c.Env = append(os.Environ(), "HOME="+dir, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Author", "GIT_AUTHOR_EMAIL=author@example.org", "GIT_COMMITTER_NAME=Author", "GIT_COMMITTER_EMAIL=author@example.org")
	c.Dir, c.Stdout, c.Stderr = dir, log, log
	start := time.Now()
	if err := c.Start(); err != nil {
		return 0, err
	}
	if err := end(c); err != nil {
		return 0, fmt.Errorf("git send-email: %w: %s", err, b.tail())
	}
	return time.Since(start).Seconds(), nil
}
