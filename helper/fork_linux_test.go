package helper

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A fork takes long where the memory is large, and is at work when the command is ended: its child, which is not
// listed yet, is ended as well.
func TestNoForkGetsAway(t *testing.T) {
	damage := errors.New("damaged")
	const large = `setpgrp; $x = "a" x 4e7; open F, ">", $ENV{FIFO}; syswrite F, "ready\n";
		for (1..40) { if (!fork) { sysread STDIN, $y, 9 while 1 > eof STDIN; open O, ">", $ENV{OUT}; exit } }`
	for range 4 {
		fifo := newFIFO(t)
		out := filepath.Join(t.TempDir(), "out")
		c := Shell(`perl -e "$1"; :`, large)
		c.Env = []string{"OUT=" + out}
		c.Stdin = readerFunc(func([]byte) (int, error) { fifo.line(t); return 0, damage })
		if exit := run(t, c); exit.InputErr != damage || exit.Left != nil {
			t.Errorf("%+v", exit)
		}
		fifo.ended(t)
		if _, err := os.Stat(out); err == nil {
			t.Error("saw an end")
		}
	}
}

// A readerFunc is a reader made of its Read.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
