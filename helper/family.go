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
	start                string // when it was started; together with the pid this is unique
	dead                 bool   // a zombie
	still                bool   // it does nothing, and so cannot be within a fork
}

// A family is a command with all processes that belong to it.
type family struct {
	root   int             // the process it began with, and its session; 0 for none
	mark   string          // "" for none
	shared bool            // the mark of a shared daemon does not count
	exited <-chan struct{} // closed once the program is reaped
	seen   map[int]string  // start of each process that was found to belong to it
}

// living returns the processes of the family that are not dead.
func (f *family) living() []proc {
	running := f.running() // asked first: then the root that is listed is ours
	all := processes()
	sessions := f.sessions(all, running)
	children := make(map[int][]proc)
	var found []proc
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p)
		if sessions[p.session] || f.seen[p.pid] == p.start || f.hasMark(p.pid) {
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

// hasMark reports whether a process has the mark.
func (f *family) hasMark(pid int) bool {
	return f.mark != "" && marked(pid, f.mark) && !(f.shared && serves(pid))
}

// sessions returns the sessions that were begun by a process of the family. A session has the
// number of that process, and as long as anything is left of the session, no other process gets
// that number. So if another process has it than the one that was seen, the session is gone.
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

// end ends all of the family. It kills the processes that have not ended by themselves after
// patience, and returns those that are left even then.
func (f *family) end(patience time.Duration) []int {
	if patience > 0 {
		// While they are stopped, none can fork and be gone before its child is seen.
		f.freeze()
		f.signal(f.living(), syscall.SIGTERM)
		f.signal(f.living(), syscall.SIGCONT)
		if len(f.wait(patience, nil)) == 0 && listed() {
			return nil
		}
	}
	kill := func() {
		f.freeze()
		f.signal(f.living(), syscall.SIGKILL)
	}
	kill()
	var left []int
	for _, p := range f.wait(grace, kill) {
		left = append(left, p.pid)
	}
	return left
}

// signal sends sig to processes of the family, and to the process group that it began with. The
// group is all that is known of the family where there is no /proc, or where /proc hides set-id
// programs.
func (f *family) signal(procs []proc, sig syscall.Signal) {
	for _, p := range procs {
		syscall.Kill(p.pid, sig)
	}
	if f.root != 0 && (f.running() || !listed()) {
		syscall.Kill(-f.root, sig)
	}
}

// running reports whether the program has not been reaped yet, so that no other process has its
// number.
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

// freeze stops all of the family, so that no process gets away by a fork. A process within a fork stops
// behind it, and only then is its child in the list: so it looks until all that is there was seen to
// stand still before.
func (f *family) freeze() {
	told, still := make(map[int]bool), make(map[int]bool)
	for range maxRounds {
		fresh, moving := false, false
		for _, p := range f.living() {
			switch {
			case still[p.pid]:
				continue
			case !told[p.pid]:
				told[p.pid] = true
				syscall.Kill(p.pid, syscall.SIGSTOP)
			case p.still:
				still[p.pid] = true
			default:
				moving = true
			}
			fresh = true
		}
		if !fresh {
			return
		}
		if moving {
			time.Sleep(firstPause)
		}
	}
}

// The pauses between two looks grow from the first to the second.
const (
	firstPause = 2 * time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// wait waits, up to limit, until no process of the family lives, and returns those that still do. Each
// time it looks it calls again, unless that is nil: for what was born behind the back of the last look.
func (f *family) wait(limit time.Duration, again func()) []proc {
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
		if again != nil {
			again()
		}
		time.Sleep(pause)
	}
}

// reaped waits until the dead program has been reaped.
func (f *family) reaped(limit time.Duration) {
	if f.root == 0 {
		return
	}
	select {
	case <-f.exited:
	case <-time.After(limit):
	}
}

// EndMarked ends every process that any run of ours has started with a mark, and all that belongs
// to it. The error names a process that cannot be ended.
func EndMarked(mark string) error { return endMarked(&family{mark: mark}) }

// EndOwn is EndMarked for commands with Shared.
func EndOwn(mark string) error { return endMarked(&family{mark: mark, shared: true}) }

func endMarked(f *family) error {
	if f.mark == "" {
		return errors.New("no mark")
	}
	if len(f.living()) == 0 {
		return nil
	}
	if left := f.end(grace); len(left) > 0 {
		return fmt.Errorf("process %d cannot be ended", left[0])
	}
	return nil
}
