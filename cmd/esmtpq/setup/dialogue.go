package setup

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/queue/spool"
)

// A dialogue is one with the person at the terminal, on standard error: standard output is for what
// other programs read.
type dialogue struct {
	c        *door.Call
	ctx      context.Context
	terminal bool
	restore  func() // the terminal, as it was
}

func newDialogue(c *door.Call, ctx context.Context, wanted bool) *dialogue {
	d := &dialogue{c: c, ctx: ctx, restore: func() {}}
	fd := int(c.In.Fd())
	if !wanted || !term.IsTerminal(fd) {
		return d
	}
	d.terminal = true
	if state, err := term.GetState(fd); err == nil {
		d.restore = func() { term.Restore(fd, state) }
	}
	return d
}

// asks reports whether there is somebody to ask.
func (d *dialogue) asks() bool { return d.terminal && d.ctx.Err() == nil }

// say tells the person something.
func (d *dialogue) say(format string, args ...any) {
	fmt.Fprintf(d.c.Err, format, args...)
}

// ask asks for a line; an empty one means the usual answer. After an interrupt, or at the end of the
// input, the answer is empty.
func (d *dialogue) ask(question, usual string) string {
	if usual != "" {
		question += " [" + spool.Printable(usual) + "]"
	}
	d.say("%s: ", question)
	line, ok := d.line(func() (string, error) { return readLine(d.c.In) })
	if line = strings.TrimSpace(line); line == "" && ok {
		return usual
	}
	return line
}

// hidden asks for a line that is not shown.
func (d *dialogue) hidden(question string) string {
	fd := int(d.c.In.Fd())
	defer door.EchoOff(fd)()
	d.say("%s: ", question)
	line, ok := d.line(func() (string, error) {
		b, err := term.ReadPassword(fd)
		return string(b), err
	})
	if ok {
		d.say("\n")
	}
	return line
}

// line waits for a line, or for an interrupt. The end of the input is an interrupt, too: there will be no
// more answers.
func (d *dialogue) line(read func() (string, error)) (string, bool) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := read()
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		if a.err != nil {
			d.terminal = false
		}
		return a.text, a.err == nil
	case <-d.ctx.Done():
		d.restore()
		d.say("\n")
		return "", false
	}
}

// yes asks a question that is answered with yes or no.
func (d *dialogue) yes(question string, usual bool) bool {
	hint := " [y/N]"
	if usual {
		hint = " [Y/n]"
	}
	for range 3 {
		switch strings.ToLower(d.ask(question+hint, "")) {
		case "y", "yes":
			return true
		case "n", "no":
			return false
		case "":
			return usual && d.asks()
		}
		d.say("Please type y or n.\n")
	}
	return false
}

// maxLine bounds a line of input, in octets.
const maxLine = 64 << 10

// readLine reads a line, and nothing behind it, which may be for somebody else.
func readLine(in *os.File) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for len(line) < maxLine {
		n, err := in.Read(b)
		switch {
		case n == 1 && b[0] == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		case n == 1:
			line = append(line, b[0])
		case err == io.EOF && len(line) > 0:
			return string(line), nil
		case err != nil:
			return "", err
		}
	}
	return string(line), nil
}
