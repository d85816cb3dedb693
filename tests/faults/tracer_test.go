//go:build linux && amd64

package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"esmtpq/tests/stage"
)

// The injector runs a program under ptrace(2), counts the calls that all its threads make on
// files below one directory, and does something to a chosen one: it kills the program before or
// after the call, makes the call fail without executing it, or makes it short. It records the
// calls and their arguments, from which the state after a power cut is rebuilt.

// A deed is what the injector does to a call.
type deed int

const (
	nothing    deed = iota
	killBefore      // SIGKILL; the call is not executed
	killAfter       // SIGKILL; the call has been executed
	failWith        // the call is not executed and returns fault.errno
	shorten         // a write writes half of what it should
)

// A fault is what happens to a traced program.
type fault struct {
	deed  deed
	at    int // at which counted call, from 1; 0 for none
	errno unix.Errno
	times int // how many calls from there on; 0 for one
}

// forGood is fault.times for a fault that does not end.
const forGood = 1 << 30

func (f fault) hits(n int) bool { return f.at > 0 && n >= f.at && n < f.at+max(f.times, 1) }

// A sysCall is one counted call.
type sysCall struct {
	name     string
	path, to string // absolute; to is the new name of a rename
	flags    int    // of openat
	data     []byte // of a write
	offset   int64  // of a write
	ret      int64  // what it returned: negative for an error

	inode            uint64 // of the file
	parent, toParent uint64 // of the directories that path and to are in
	made             bool   // the call made the file
	began            int    // how many counted calls had ended when it began
	host             int    // what tracer.look said when it began
}

func (c *sysCall) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", c.name, c.path, c.to))
}

// A tracer runs one program.
type tracer struct {
	root  string // calls on files below it count
	fault fault  // what happens
	limit time.Duration
	look  func() int // called when a counted call begins; may be nil

	pid   int
	count int                 // counted calls that have begun
	open  map[int]*threadCall // by thread: the call it is in
	known map[int]bool        // threads that have been seen
	ended []*sysCall
}

// A threadCall is a call that a thread is in.
type threadCall struct {
	c    *sysCall // nil for one that does not count
	deed deed     // what is done to it
}

// A traceResult is how a traced program ended.
type traceResult struct {
	calls   []*sysCall // counted, in the order in which they ended
	code    int        // exit code, -1 if it was killed
	hung    bool       // it was killed for taking longer than the limit
	reached bool       // the fault took place
	stderr  string
}

// hooked are the calls that count, each with a way to find out its file.
var hooked = map[uint64]struct {
	name string
	file func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall)
}{
	unix.SYS_OPENAT: {"openat", func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) {
		c.path, c.flags = tr.pathAt(tid, r.Rdi, r.Rsi), int(r.Rdx)
	}},
	unix.SYS_MKDIRAT:  {"mkdir", func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) { c.path = tr.pathAt(tid, r.Rdi, r.Rsi) }},
	unix.SYS_MKDIR:    {"mkdir", func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) { c.path = tr.text(tid, r.Rdi) }},
	unix.SYS_UNLINKAT: {"unlink", func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) { c.path = tr.pathAt(tid, r.Rdi, r.Rsi) }},
	unix.SYS_UNLINK:   {"unlink", func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) { c.path = tr.text(tid, r.Rdi) }},
	unix.SYS_RMDIR:    {"unlink", func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) { c.path = tr.text(tid, r.Rdi) }},
	unix.SYS_RENAME: {"rename", func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) {
		c.path, c.to = tr.text(tid, r.Rdi), tr.text(tid, r.Rsi)
	}},
	unix.SYS_RENAMEAT:  {"rename", renamedFile},
	unix.SYS_RENAMEAT2: {"rename", renamedFile},
	unix.SYS_LINKAT:    {"link", renamedFile},
	unix.SYS_WRITE:     {"write", writtenFile},
	unix.SYS_PWRITE64:  {"write", writtenFile},
	unix.SYS_FSYNC:     {"sync", descriptorFile},
	unix.SYS_FDATASYNC: {"sync", descriptorFile},
	unix.SYS_FTRUNCATE: {"truncate", func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) {
		descriptorFile(tr, tid, r, c)
		c.offset = int64(r.Rsi)
	}},
	unix.SYS_FCHMOD:   {"chmod", descriptorFile},
	unix.SYS_FCHMODAT: {"chmod", func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) { c.path = tr.pathAt(tid, r.Rdi, r.Rsi) }},
	unix.SYS_FLOCK:    {"flock", descriptorFile},
	unix.SYS_CLOSE:    {"close", descriptorFile},
	// These are not used today. If they were, the model of a power cut would have to learn them.
	unix.SYS_WRITEV:          {"writev", descriptorFile},
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", func(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) { c.path = tr.descriptor(int(r.Rdx)) }},
	unix.SYS_FALLOCATE:       {"fallocate", descriptorFile},
}

// run starts a program and stays with it to its end. It needs a thread of its own, since the
// kernel lets only one thread trace.
func (tr *tracer) run(path string, argv, env []string, dir, stdin string) (*traceResult, error) {
	type answer struct {
		r   *traceResult
		err error
	}
	done := make(chan answer)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		r, err := tr.follow(path, argv, env, dir, stdin)
		done <- answer{r, err}
	}()
	a := <-done
	return a.r, a.err
}

func (tr *tracer) follow(path string, argv, env []string, dir, stdin string) (*traceResult, error) {
	in, err := memoryFile("stdin", stdin)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := memoryFile("stderr", "")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p, err := os.StartProcess(path, argv, &os.ProcAttr{
		Dir: dir, Env: env, Files: []*os.File{in, out, out}, Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if err != nil {
		return nil, err
	}
	tr.pid = p.Pid
	p.Release()
	hung := make(chan struct{})
	overdue := time.AfterFunc(tr.limit, func() { close(hung); unix.Kill(tr.pid, unix.SIGKILL) })
	status, err := tr.loop()
	if err != nil {
		unix.Kill(tr.pid, unix.SIGKILL)
		return nil, err
	}
	r := &traceResult{calls: tr.ended, code: status.ExitStatus(), reached: tr.fault.at > 0 && tr.count >= tr.fault.at}
	if !overdue.Stop() {
		<-hung
		r.hung = true
	}
	var text bytes.Buffer
	out.Seek(0, 0)
	text.ReadFrom(out)
	r.stderr = text.String()
	return r, nil
}

// memoryFile is a file without a name.
func memoryFile(name, content string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteString(content); err != nil {
		return nil, err
	}
	_, err = f.Seek(0, 0)
	return f, err
}

const syscallStop = unix.SIGTRAP | 0x80 // with PTRACE_O_TRACESYSGOOD

// loop handles the stops of all threads until the program has ended.
func (tr *tracer) loop() (unix.WaitStatus, error) {
	tr.open, tr.known = map[int]*threadCall{}, map[int]bool{tr.pid: true}
	started := false
	for {
		var status unix.WaitStatus
		// It waits by process group, since other tests wait for the processes that they have
		// started.
		tid, err := unix.Wait4(-tr.pid, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case status.Exited() || status.Signaled():
			if tid == tr.pid {
				return status, nil // the last of its threads to be reported
			}
			continue
		}
		signal := 0
		switch stop := status.StopSignal(); {
		case !started: // behind execve
			started = true
			err := unix.PtraceSetOptions(tid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL)
			if err != nil {
				return 0, err
			}
		case stop == syscallStop:
			tr.syscall(tid)
		case !tr.known[tid]: // a new thread
			tr.known[tid] = true
		case status.TrapCause() > 0:
		default:
			signal = int(stop)
		}
		if err := unix.PtraceSyscall(tid, signal); err != nil && err != unix.ESRCH {
			return 0, err
		}
	}
}

// syscall handles the beginning or the end of a call.
func (tr *tracer) syscall(tid int) {
	var r unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &r) != nil {
		return // it has been killed
	}
	if t := tr.open[tid]; t != nil {
		delete(tr.open, tid)
		tr.end(tid, t, &r)
		return
	}
	t := &threadCall{}
	tr.open[tid] = t
	tr.begin(tid, t, &r)
}

func (tr *tracer) begin(tid int, t *threadCall, r *unix.PtraceRegs) {
	hook, ok := hooked[r.Orig_rax]
	if !ok {
		return
	}
	c := &sysCall{name: hook.name, began: len(tr.ended)}
	hook.file(tr, tid, r, c)
	if !tr.counts(c.path) {
		return
	}
	tr.count++
	t.c = c
	c.inode, c.parent = inodeOf(c.path), inodeOf(filepath.Dir(c.path))
	if c.to != "" {
		c.toParent = inodeOf(filepath.Dir(c.to))
	}
	if tr.look != nil {
		c.host = tr.look()
	}
	if !tr.fault.hits(tr.count) {
		return
	}
	t.deed = tr.fault.deed
	switch t.deed {
	case killBefore:
		unix.Kill(tr.pid, unix.SIGKILL)
	case failWith:
		r.Orig_rax = ^uint64(0) // no such call: nothing is executed
		unix.PtraceSetRegs(tid, r)
	case shorten:
		if c.name == "write" {
			c.data = c.data[:len(c.data)/2]
			r.Rdx = uint64(len(c.data))
			unix.PtraceSetRegs(tid, r)
		}
	}
}

func (tr *tracer) end(tid int, t *threadCall, r *unix.PtraceRegs) {
	if t.c == nil {
		return
	}
	if t.deed == failWith {
		r.Rax = uint64(-int64(tr.fault.errno))
		unix.PtraceSetRegs(tid, r)
	}
	c := t.c
	c.ret = int64(r.Rax)
	if made := inodeOf(c.path); c.inode == 0 && c.ret >= 0 {
		c.inode, c.made = made, made != 0
	}
	tr.ended = append(tr.ended, c)
	if t.deed == killAfter {
		unix.Kill(tr.pid, unix.SIGKILL)
	}
}

// errTrace says that the system does not allow tracing: a container may forbid it.
var errTrace = errors.New("ptrace is not permitted here")

// canTrace reports whether tracing works on this machine.
func canTrace(t *testing.T) error {
	tr := &tracer{root: "/nowhere", limit: stage.Limit}
	r, err := tr.run(stage.Program(t, "esmtpq"), []string{"esmtpq", "version"}, nil, "/", "")
	if err != nil || r.code != 0 {
		return errTrace
	}
	return nil
}
