package helper

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// linger is how long a standard output that another process still has open is read after the
// command's exit.
const linger = 500 * time.Millisecond

// A Process is a running command.
type Process struct {
	c      *Command
	cmd    *exec.Cmd
	output *os.File
	ctx    context.Context
	cancel context.CancelCauseFunc
	feed   *feeding      // nil if it is fed nothing
	exited chan struct{} // closed once the program is reaped

	exit Exit
	done chan struct{} // closed once exit is set
}

// errEnded is the cause when [Process.End] ended the command.
var errEnded = errors.New("ended")

// start starts the program, and begins to feed it.
func (p *Process) start() error {
	switch in := p.c.Stdin.(type) {
	case nil:
	case *os.File:
		p.cmd.Stdin = in
	default:
		stdin, pipe, err := os.Pipe()
		if err != nil {
			return err
		}
		p.cmd.Stdin = stdin
		p.feed = &feeding{pipe: pipe, reader: stdin, done: make(chan struct{})}
	}
	if err := p.cmd.Start(); err != nil {
		if p.feed != nil {
			p.feed.pipe.Close()
			p.feed.reader.Close()
		}
		return err
	}
	if p.feed != nil {
		go p.feed.run(p.c.Stdin, p.cancel)
	}
	return nil
}

// Done returns a channel that is closed when the command has ended, with all that is to end with
// it.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit waits for the end of the command and returns how it ended.
func (p *Process) Exit() *Exit {
	<-p.done
	return &p.exit
}

// Said returns the end of what the command has printed so far.
func (p *Process) Said() string {
	select {
	case <-p.done:
		if !p.c.KeepOutput {
			return p.exit.Output
		}
	default:
	}
	return lastLines(p.output)
}

// Release lets go of the output of a command with KeepOutput.
func (p *Process) Release() {
	<-p.done
	p.output.Close()
}

// End ends the command and all that belongs to it, and waits until that is done.
func (p *Process) End() {
	p.cancel(errEnded)
	<-p.done
}

// supervise waits for the end of the command, or ends it.
func (p *Process) supervise() {
	defer close(p.done)
	if !p.c.KeepOutput {
		defer p.output.Close()
	}
	go func() {
		p.cmd.Wait() // its result is in ProcessState
		close(p.exited)
	}()
	f := &family{root: p.cmd.Process.Pid, mark: p.c.Mark, shared: p.c.Shared, exited: p.exited}
	p.await(f)
	select {
	case <-p.exited:
		p.exit.set(p.cmd.ProcessState)
	default:
		p.exit.Status = -1 // not even SIGKILL has ended it
	}
	p.finish(f)
	p.exit.Output = lastLines(p.output)
}

// await waits for the program to exit, and ends it when its time is over.
func (p *Process) await(f *family) {
	watch := time.NewTicker(watchPause)
	defer watch.Stop()
	for {
		select {
		case <-p.exited:
			return
		case <-watch.C:
			bound(p.output)
		case <-p.ctx.Done():
			p.stop(f)
			return
		}
	}
}

// stop ends the command because its context has ended.
func (p *Process) stop(f *family) {
	p.exit.Stopped = context.Cause(p.ctx)
	patience := grace
	if errors.Is(p.exit.Stopped, errInput) {
		patience = 0
	}
	p.exit.Left = f.end(patience)
}

// finish ends the processes that are left of the command, if they must not stay, and the feeding.
func (p *Process) finish(f *family) {
	if p.feed != nil {
		p.exit.Unread = p.c.MustRead && p.exit.OK() && p.exit.Stopped == nil && p.feed.unread(p.ctx)
		p.feed.reader.Close()
	}
	fed := p.fed() && !p.exit.Unread
	if p.exit.Stopped == nil && p.ctx.Err() != nil {
		p.stop(f) // while another process was still reading
	} else if p.exit.Stopped == nil && (!fed || p.c.Alone || !p.exit.OK()) {
		p.exit.Left = f.end(grace)
	}
	if p.feed != nil {
		p.feed.pipe.Close() // ends a write that nobody reads
		<-p.feed.done
		p.exit.Whole, p.exit.InputErr = p.feed.whole, p.feed.err
	}
}

// fed waits until the input has been taken, and reports whether it was. The program may have left
// the reading to a child.
func (p *Process) fed() bool {
	if p.feed == nil {
		return true
	}
	if p.exit.OK() {
		select {
		case <-p.feed.done:
		case <-p.ctx.Done():
		}
	}
	return p.feed.ended()
}

// errInput is the cause when the command was ended because its input could not be read to the
// end.
var errInput = errors.New("its input could not be read")

// A feeding writes the input of a command.
type feeding struct {
	pipe    *os.File      // our end
	reader  *os.File      // the command's end, until it has exited: shows what is left in the pipe
	written atomic.Int64  // octets
	done    chan struct{} // closed when run has ended
	whole   bool          // all was written
	err     error         // of the reader
}

// unread reports whether nothing that was written has been read when the program has exited. A
// child that it has left the reading to has a moment to begin.
func (f *feeding) unread(ctx context.Context) bool {
	for end := time.Now().Add(linger); ; time.Sleep(firstPause) {
		written := f.written.Load()
		switch left := waiting(f.reader); {
		case left < 0 || int64(left) < written:
			return false
		case written == 0 && f.ended():
			return false // there was nothing to read
		case ctx.Err() != nil || time.Now().After(end):
			return true
		}
	}
}

func (f *feeding) ended() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// waiting returns how much can be read from a pipe; -1 if that is not known.
func waiting(pipe *os.File) int {
	n := -1
	conn, err := pipe.SyscallConn()
	if err != nil {
		return n
	}
	conn.Control(func(fd uintptr) {
		if left, err := unix.IoctlGetInt(int(fd), inputWaiting); err == nil {
			n = left
		}
	})
	return n
}

// atOnce is how many octets are written to a pipe as one: all or none (PIPE_BUF), so that what is
// counted is what is in it.
const atOnce = 4 << 10

// run writes r to the pipe. A command that stops reading is no failure: its exit status counts.
// If r fails, the pipe stays open until the command is gone.
func (f *feeding) run(r io.Reader, cancel context.CancelCauseFunc) {
	defer close(f.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			k, err := f.pipe.Write(rest[:min(len(rest), atOnce)])
			if err != nil {
				return
			}
			f.written.Add(int64(k))
			rest = rest[k:]
		}
		switch {
		case err == io.EOF:
			f.whole = true
			f.pipe.Close()
			return
		case err != nil:
			f.err = err
			cancel(errInput)
			return
		}
	}
}

// signaled returns the signal that ended a process; 0 if none did.
func signaled(state *os.ProcessState) syscall.Signal {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal()
	}
	return 0
}
