package list

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/queue/spool"
)

const (
	// watchEvery is how often is looked whether anything has changed, which takes some system calls.
	watchEvery = 250 * time.Millisecond
	// listEvery is how often the list is made anew although nothing shows that it has changed: what
	// becomes of a recipient is written in place.
	listEvery = 2 * time.Second
	// watchShare is how much of the time is spent on making lists at most: one part of so many.
	watchShare = 50
)

// The screen that a watched list has for itself, and how it is given back.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// watch shows the list until the person ends it by q or an interrupt, and draws it anew when it changes.
func watch(c *door.Call, opt options) error {
	in, out := int(c.In.Fd()), int(c.Out.Fd())
	if !term.IsTerminal(in) || !term.IsTerminal(out) {
		return exit.Fail(exit.Usage, "--watch is for a person at a terminal: see --json for programs")
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	quiet := *c
	quiet.Err = null // remarks would be written across the screen
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	before, err := term.MakeRaw(in)
	if err != nil {
		return fmt.Errorf("--watch: %w", err)
	}
	defer term.Restore(in, before)
	if _, err := c.Out.WriteString(enterScreen); err != nil {
		return err
	}
	defer c.Out.WriteString(leaveScreen)
	w := &watcher{c: &quiet, opt: opt, screen: out}
	defer w.close()
	keys := make(chan struct{})
	go awaitEnd(c.In, keys)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := w.look(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-keys:
			return nil
		case <-tick.C:
		}
	}
}

// awaitEnd reads keys until one of them ends the watching.
func awaitEnd(in *os.File, end chan<- struct{}) {
	defer close(end)
	key := make([]byte, 1)
	for {
		if n, err := in.Read(key); n == 0 || err != nil {
			return
		}
		switch key[0] {
		case 'q', 'Q', 3, 4: // Ctrl-C, Ctrl-D
			return
		}
	}
}

// A watcher draws a list when it has changed.
type watcher struct {
	c      *door.Call
	opt    options
	screen int
	q      *spool.Queue // nil while there is none

	seen  string    // what showed that something had changed
	made  time.Time // when the list was made
	took  time.Duration
	list  string
	drawn string
}

func (w *watcher) close() {
	if w.q != nil {
		w.q.Close()
	}
}

// look makes the list if it may have changed, and draws it if it has.
func (w *watcher) look() error {
	if w.q == nil {
		var err error
		if w.q, err = door.OpenQueue(); err != nil {
			return err
		}
	}
	now, sign := time.Now(), w.sign()
	age := now.Sub(w.made)
	if (sign != w.seen || age > listEvery) && age > watchShare*w.took {
		var b bytes.Buffer
		if err := write(w.c, w.q, w.opt, &b); err != nil {
			return err
		}
		w.seen, w.made, w.took, w.list = sign, now, time.Since(now), b.String()
	}
	width, height, err := term.GetSize(w.screen)
	if err != nil || width < 1 || height < 2 {
		width, height = 80, 24
	}
	return w.draw(width, height)
}

// sign returns a text that changes when a mail comes or goes, a run begins or ends, or sends more of
// a mail.
func (w *watcher) sign() string {
	if w.q == nil {
		return ""
	}
	changed, _ := w.q.Changed()
	return fmt.Sprint(changed.UnixNano(), w.q.Running(), w.q.Transfers())
}

// draw draws the list, as far as there is room.
func (w *watcher) draw(width, height int) error {
	lines := strings.Split(strings.TrimRight(w.list, "\n"), "\n")
	if more := len(lines) - (height - 1); more > 0 {
		lines = append(lines[:height-2], fmt.Sprintf("... %d more lines", more+1))
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(cut(strings.ReplaceAll(line, "\t", "        "), width) + "\x1b[K\r\n")
	}
	b.WriteString("\x1b[J")
	if b.String() == w.drawn {
		return nil
	}
	w.drawn = b.String()
	_, err := w.c.Out.WriteString("\x1b[H" + w.drawn + cut("mailq at "+time.Now().Format(time.TimeOnly)+": q ends", width-1))
	return err
}

// cut cuts a text to a number of characters.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(width, 0)])
}
