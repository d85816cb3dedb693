package tunnel

import (
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Memory is a file that keeps why ssh was refused by a gateway; without Dir, none. After some refused
// logins a gateway (sshd from 9.8 on) turns a client away without a word, and what would help is no
// longer told. It does no harm if the file is lost.
type Memory struct {
	// Dir opens the directory, and makes it first if it is asked to.
	Dir  func(create bool) (*os.File, error)
	Name string
}

// memoryLasts is how long a reason is worth repeating.
const memoryLasts = 24 * time.Hour

// maxMemory bounds the file, in octets.
const maxMemory = 1 << 10

// turnedAway reports whether all that ssh says is that the gateway has hung up.
func turnedAway(output string) bool {
	return strings.HasPrefix(output, "kex_exchange_identification: ")
}

// with calls a function with the descriptor of the directory, if it can be opened.
func (m Memory) with(create bool, f func(dir int)) {
	if m.Dir == nil {
		return
	}
	dir, err := m.Dir(create)
	if err != nil {
		return
	}
	defer dir.Close()
	f(int(dir.Fd()))
}

// open opens the file.
func (m Memory) open(dir, flag int) (*os.File, error) {
	fd, err := unix.Openat(dir, m.Name, flag|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), m.Name), nil
}

// keep keeps a reason.
func (m Memory) keep(reason string) {
	m.with(true, func(dir int) {
		f, err := m.open(dir, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return
		}
		defer f.Close()
		f.WriteString(reason[:min(len(reason), maxMemory)])
	})
}

// reason returns the reason that was kept last, "" if there is none or it is old.
func (m Memory) reason() (text string) {
	m.with(false, func(dir int) {
		f, err := m.open(dir, os.O_RDONLY)
		if err != nil {
			return
		}
		defer f.Close()
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) > memoryLasts {
			return
		}
		b, _ := io.ReadAll(io.LimitReader(f, maxMemory))
		text = string(b)
	})
	return text
}

// forget is called when a connection has come about.
func (m Memory) forget() {
	m.with(false, func(dir int) { unix.Unlinkat(dir, m.Name, 0) })
}
