package stage

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A Terminal is what a person sees of a program that runs at a terminal.
type Terminal struct {
	cmd    *exec.Cmd
	screen *os.File

	mu   sync.Mutex
	text bytes.Buffer
	end  chan struct{}
}

// AtTerminal starts a prepared command at a terminal.
func AtTerminal(t testing.TB, cmd *exec.Cmd) *Terminal {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term := &Terminal{cmd: cmd, screen: screen, end: make(chan struct{})}
	go term.read()
	return term
}

func (term *Terminal) read() {
	defer close(term.end)
	b := make([]byte, 4096)
	for {
		n, err := term.screen.Read(b)
		term.mu.Lock()
		term.text.Write(b[:n])
		term.mu.Unlock()
		if err != nil {
			return // EIO, once the program has ended
		}
	}
}

// Screen returns what has been printed so far.
func (term *Terminal) Screen() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.ReplaceAll(term.text.String(), "\r\n", "\n")
}

// Await waits until a text has been printed.
func (term *Terminal) Await(t testing.TB, text string) {
	t.Helper()
	Await(t, text, func() bool { return strings.Contains(term.Screen(), text) })
}

// Type types a line.
func (term *Terminal) Type(line string) { term.screen.WriteString(line + "\n") }

// End waits for the end of the program, and returns its exit code and what it has printed.
func (term *Terminal) End() (code int, screen string) {
	term.cmd.Wait()
	<-term.end
	return term.cmd.ProcessState.ExitCode(), term.Screen()
}
