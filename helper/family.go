package helper

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// A proc is a process of the machine.
type proc struct {
	pid, parent, session int
	start                string // when it was started; with the pid, it is no other one
	dead                 bool   // a zombie
}

// A family is a command with all that belongs to it.
type family struct {
	root   int             // the process it began with, and its session; 0 for none
	mark   string          // "" for none
	exited <-chan struct{} // closed once the program is reaped
	seen   map[int]string  // start of each process that was found to belong to it
}

// living returns those processes that belong to the family and are not dead.
func (f *family) living() []proc {
	running := f.running() // asked first: then the root that is listed is ours
	all := processes()
	sessions := f.sessions(all, running)
	children := make(map[int][]proc)
	var found []proc
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p)
		if sessions[p.session] || f.seen[p.pid] == p.start || f.mark != "" && marked(p.pid, f.mark) {
			found = append(found, p)
		}
	}
	if f.seen == nil {
		f.seen = make(map[int]string)
	}
	var living []proc
	counted := map[int]bool{os.Getpid(): true}
	for len(found) > 0 {
		p := found[len(found)-1]
		found = found[:len(found)-1]
		if counted[p.pid] {
			continue
		}
		counted[p.pid] = true
		found = append(found, children[p.pid]...)
		if f.seen[p.pid] = p.start; !p.dead {
			living = append(living, p)
		}
	}
	return living
}

// sessions returns the sessions that were begun by a process of the family, each of which has the number of
// that process. What is left of a session keeps its number from being given away: where a
// process has it that is not the one that was seen, the session is gone.
func (f *family) sessions(all []proc, running bool) map[int]bool {
	sessions := make(map[int]bool)
	for pid := range f.seen {
		sessions[pid] = true
	}
	if f.root != 0 {
		sessions[f.root] = true
	}
	for _, p := range all {
		if sessions[p.pid] && f.seen[p.pid] != p.start && !(running && p.pid == f.root) {
			delete(sessions, p.pid)
		}
	}
	return sessions
}

// end ends all of the family. What has not ended by itself after patience is killed. It returns what
// is left even so.
func (f *family) end(patience time.Duration) []int {
	if patience > 0 {
		// Stopped, none can fork and be gone before it is seen.
		f.freeze()
		f.signal(f.living(), syscall.SIGTERM)
		f.signal(f.living(), syscall.SIGCONT)
		if len(f.wait(patience)) == 0 && listed() {
			return nil
		}
	}
	f.freeze()
	f.signal(f.living(), syscall.SIGKILL)
	var left []int
	for _, p := range f.wait(grace) {
		left = append(left, p.pid)
	}
	return left
}

// signal sends sig to processes of the family, and to the process group that it began with: that is all
// that is known of it where there is no /proc, and where that hides set-id programs from us.
func (f *family) signal(procs []proc, sig syscall.Signal) {
	for _, p := range procs {
		syscall.Kill(p.pid, sig)
	}
	if f.root != 0 && (f.running() || !listed()) {
		syscall.Kill(-f.root, sig)
	}
}

// running reports whether the program has not been reaped, and so its number cannot be another's.
func (f *family) running() bool {
	select {
	case <-f.exited:
		return false
	default:
		return true
	}
}

// maxRounds bounds how often freeze looks.
const maxRounds = 100

// freeze stops all of the family, so that none of it gets away by a fork.
func (f *family) freeze() {
	stopped := make(map[int]bool)
	for range maxRounds {
		fresh := false
		for _, p := range f.living() {
			if !stopped[p.pid] {
				stopped[p.pid], fresh = true, true
				syscall.Kill(p.pid, syscall.SIGSTOP)
			}
		}
		if !fresh {
			return
		}
	}
}

// The pauses between two looks grow from the first to the second.
const (
	firstPause = 2 * time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// wait waits until nothing of the family lives, for a time, and returns what does.
func (f *family) wait(limit time.Duration) []proc {
	if !listed() {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-f.exited:
		case <-timer.C:
		}
		return nil
	}
	end := time.Now().Add(limit)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		living := f.living()
		if len(living) == 0 {
			f.reaped(limit)
			return nil
		}
		if time.Now().After(end) {
			return living
		}
		time.Sleep(pause)
	}
}

// reaped waits until the program, which is dead, has been reaped.
func (f *family) reaped(limit time.Duration) {
	if f.root == 0 {
		return
	}
	select {
	case <-f.exited:
	case <-time.After(limit):
	}
}

// EndMarked ends every process that was started, by whichever run of ours, with a mark, and what belongs to
// it. The error names what cannot be ended.
func EndMarked(mark string) error {
	if mark == "" {
		return errors.New("no mark")
	}
	f := &family{mark: mark}
	if len(f.living()) == 0 {
		return nil
	}
	if left := f.end(grace); len(left) > 0 {
		return fmt.Errorf("process %d cannot be ended", left[0])
	}
	return nil
}
