package tunnel

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Memory is a file that keeps why ssh was refused by a gateway; "" is none. After some refused
// logins a gateway (sshd from 9.8 on) turns a client away without a word, and what would help is no
// longer told. It does no harm if the file is lost.
type Memory string

// memoryLasts is how long a reason is worth repeating.
const memoryLasts = 24 * time.Hour

// maxMemory bounds the file, in octets.
const maxMemory = 1 << 10

// turnedAway reports whether all that ssh says is that the gateway has hung up.
func turnedAway(output string) bool {
	return strings.HasPrefix(output, "kex_exchange_identification: ")
}

// keep keeps a reason.
func (m Memory) keep(reason string) {
	if m == "" {
		return
	}
	os.Mkdir(filepath.Dir(string(m)), 0o700)
	f, err := os.OpenFile(string(m), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	f.WriteString(reason[:min(len(reason), maxMemory)])
}

// reason returns the reason that was kept last, "" if there is none or it is old.
func (m Memory) reason() string {
	if m == "" {
		return ""
	}
	f, err := os.OpenFile(string(m), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) > memoryLasts {
		return ""
	}
	b, _ := io.ReadAll(io.LimitReader(f, maxMemory))
	return string(b)
}

// forget is called when a connection has come about.
func (m Memory) forget() {
	if m != "" {
		os.Remove(string(m))
	}
}
