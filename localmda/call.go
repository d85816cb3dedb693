package localmda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"esmtpq/queue"
)

// killGrace is how long an agent that was told to end has before it is killed.
const killGrace = 2 * time.Second

// call runs the agent once for names and returns what came of it.
func (a *Agent) call(ctx context.Context, content queue.Content, sender string, names []string) queue.Report {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	output, err := openOutput()
	if err != nil {
		return unstartable(err)
	}
	defer output.Close()
	r, err := content.Open()
	if err != nil {
		return unreadable(err)
	}
	defer r.Close()

	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", a.line.text, "sh"}, names...)...)
	cmd.Dir = workingDirectory()
	cmd.Env = append(cmd.Environ(), senderVariable+"="+sender)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return killGroup(cmd, syscall.SIGTERM) }
	cmd.WaitDelay = killGrace
	detach(cmd)
	f, err := startFed(ctx, cmd, r)
	if err != nil {
		return unstartable(err)
	}
	f.wait()

	if f.readErr != nil {
		rep := unreadable(f.readErr)
		rep.Unsure = cmd.ProcessState.Success()
		return rep
	}
	return a.judge(ctx, cmd.ProcessState, lastLine(output), f.whole)
}

// judge makes the report from how the agent ended; whole tells whether it had
// been given the message to its end.
func (a *Agent) judge(ctx context.Context, state *os.ProcessState, lastLine string, whole bool) queue.Report {
	if ctx.Err() != nil && !state.Success() {
		text := "the local delivery agent was stopped"
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			text = fmt.Sprintf("the local delivery agent had not finished after %v and was stopped", a.Timeout)
		}
		if lastLine != "" {
			text += ": " + lastLine
		}
		r := delayed(queue.ScopeRecipient, "4.3.0", text)
		r.Unsure = whole
		return r
	}
	status := state.ExitCode()
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		status = 128 + int(ws.Signal()) // as the shell would put it
	}
	r := exitReport(status, lastLine)
	r.Unsure = bySignal(status) && whole
	return r
}

// A feeding is a command that runs and is being given a message.
type feeding struct {
	ctx     context.Context
	cmd     *exec.Cmd
	pipe    *os.File      // our end of its standard input
	done    chan struct{} // closed when feed has ended
	whole   bool          // all of the message was written
	readErr error         // the message could not be read to its verified end
}

// startFed starts cmd with a pipe as its standard input and begins to write r to it.
func startFed(ctx context.Context, cmd *exec.Cmd, r io.Reader) (*feeding, error) {
	stdin, pipe, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	cmd.Stdin = stdin
	if err := cmd.Start(); err != nil {
		pipe.Close()
		return nil, err
	}
	f := &feeding{ctx: ctx, cmd: cmd, pipe: pipe, done: make(chan struct{})}
	go f.feed(r)
	return f, nil
}

// feed writes r to the command. The end of the message, which is the end of the pipe, is
// only given after r has said that it was the verified end. Where r fails, the
// command is killed with the pipe still open, and so never sees an end. A
// command that stops reading is no failure: its exit status counts.
func (f *feeding) feed(r io.Reader) {
	defer close(f.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := f.pipe.Write(buf[:n]); err != nil {
				return
			}
		}
		switch {
		case err == io.EOF:
			f.whole = true
			f.pipe.Close()
			return
		case err != nil:
			f.readErr = err
			killGroup(f.cmd, syscall.SIGKILL)
			return
		}
	}
}

// wait waits until the command has exited and the message been read, or the time is over.
func (f *feeding) wait() {
	f.cmd.Wait() // what it returns is in ProcessState and ctx
	if f.cmd.ProcessState.Success() {
		// It may have left the reading to a child of its own.
		select {
		case <-f.done:
		case <-f.ctx.Done():
		}
	}
	select {
	case <-f.done:
		if f.ctx.Err() == nil {
			break // what it has in the background may stay
		}
		killGroup(f.cmd, syscall.SIGKILL)
	default:
		killGroup(f.cmd, syscall.SIGKILL) // before the pipe ends short of the message
	}
	f.pipe.Close() // ends a Write that no one reads
	<-f.done
}

// unstartable is the report for an agent that could not be started.
func unstartable(err error) queue.Report {
	scope := queue.ScopeIdentity
	if errors.Is(err, syscall.E2BIG) {
		scope = queue.ScopeMessage // its recipients are too many for one call
	}
	return delayed(scope, "4.3.0", "the local delivery agent cannot be started: "+err.Error())
}
