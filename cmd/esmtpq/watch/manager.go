package watch

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A manager is a supervisor that wants to hear from us, such as systemd (sd_notify(3)). It is told
// that we work only while we do: nothing wakes up to say that there is nothing to do.
type manager struct {
	address  *syscall.SockaddrUnix // nil for none
	interval time.Duration         // of its watchdog; 0 for none
	ticker   *time.Ticker          // running while there is work
	state    string
}

// newManager returns the manager that the environment names.
func newManager() *manager {
	m := &manager{}
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" || name[0] != '/' && name[0] != '@' {
		return m
	}
	m.address = &syscall.SockaddrUnix{Name: name} // "@" is for an abstract one here, too
	pid, us := os.Getenv("WATCHDOG_PID"), os.Getenv("WATCHDOG_USEC")
	if n, err := strconv.ParseInt(us, 10, 64); err == nil && n > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		m.interval = time.Duration(n) * time.Microsecond
	}
	return m
}

// say tells it something.
func (m *manager) say(lines ...string) {
	if m.address == nil {
		return
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return
	}
	defer syscall.Close(fd)
	syscall.Sendto(fd, []byte(strings.Join(lines, "\n")), 0, m.address)
}

// working tells it whether there is work.
func (m *manager) working(busy bool) {
	state := "idle"
	if busy {
		state = "delivering"
	}
	if m.address == nil || state == m.state {
		return
	}
	m.state = state
	lines := []string{"STATUS=" + state}
	if m.interval > 0 {
		if busy {
			m.ticker = time.NewTicker(m.interval / 3)
			lines = append(lines, "WATCHDOG_USEC="+strconv.FormatInt(m.interval.Microseconds(), 10), "WATCHDOG=1")
		} else {
			if m.ticker != nil {
				m.ticker.Stop()
				m.ticker = nil
			}
			lines = append(lines, "WATCHDOG_USEC=0")
		}
	}
	m.say(lines...)
}

// tick returns a channel that ticks while there is work and a watchdog; or nil.
func (m *manager) tick() <-chan time.Time {
	if m.ticker == nil {
		return nil
	}
	return m.ticker.C
}
