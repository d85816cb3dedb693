package spool

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Holder is the process that has the lock of the queue run.
type Holder struct {
	PID     int
	Since   time.Time // when the process began
	Stopped bool      // it has been stopped, as by Ctrl-Z, and will not end by itself
}

// Holder returns the process that has the lock of the queue run, as far as the system tells; false
// if nobody has it or that cannot be found out.
func (q *Queue) Holder() (Holder, bool) { return q.holder(runFile) }

// Watcher returns the process that watches, likewise.
func (q *Queue) Watcher() (Holder, bool) { return q.holder(watchFile) }

func (q *Queue) holder(lock string) (Holder, bool) {
	var st unix.Stat_t
	if q.lstat(lock, &st) != nil {
		return Holder{}, false
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return Holder{}, false
	}
	// 1: FLOCK  ADVISORY  WRITE 1234 08:01:654321 0 EOF
	inode := ":" + strconv.FormatUint(st.Ino, 10)
	for line := range bytes.Lines(locks) {
		f := strings.Fields(string(line))
		if len(f) < 6 || f[1] != "FLOCK" || f[3] != "WRITE" || !strings.HasSuffix(f[5], inode) {
			continue
		}
		if h, ok := process(f[4]); ok {
			return h, true
		}
	}
	return Holder{}, false
}

// process returns what the system tells of a process of ours.
func process(pid string) (h Holder, ok bool) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return h, false
	}
	if h.PID, err = strconv.Atoi(pid); err != nil {
		return h, false
	}
	// The name of the program, in parentheses, may have any characters.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 20 {
		return h, false
	}
	h.Stopped = f[0] == "T" || f[0] == "t"
	ticks, err := strconv.ParseInt(f[19], 10, 64)
	h.Since = bootTime().Add(time.Duration(ticks) * time.Second / userHz)
	return h, err == nil
}

// userHz is how many ticks a second has in /proc, on all usual architectures.
const userHz = 100

// bootTime returns when the system began.
func bootTime() time.Time {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}
	}
	var boot int64
	if _, line, ok := bytes.Cut(b, []byte("\nbtime ")); ok {
		fmt.Sscan(string(line[:min(len(line), 20)]), &boot)
	}
	return time.Unix(boot, 0)
}
