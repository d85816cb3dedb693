package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"
)

// killGrace is how long a command that was told to end has before it is killed.
const killGrace = 2 * time.Second

// Preconnect runs the user's shell line before a connection is made and waits for
// the shell to exit, but not for what the line has put into the background: an
// `ssh -f` stays to carry the connection. The line reads /dev/null.
//
// The error is an [ExitError] where the shell exits with another status than 0 or
// a signal ends it. When ctx ends first, the shell and everything still in its
// process group are ended, and the error wraps ctx's. The caller sets the bound.
func Preconnect(ctx context.Context, line string) error {
	return runShell(ctx, "preconnect", line)
}

// Postconnect runs the user's shell line after a session, in the same manner. The mail
// has been accepted by then: its error is worth a warning and nothing more.
func Postconnect(ctx context.Context, line string) error {
	return runShell(ctx, "postconnect", line)
}

func runShell(ctx context.Context, name, line string) error {
	output, err := openOutput()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer output.Close()

	// With files for all three, Wait waits for the shell alone. A nil Stdin is /dev/null.
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return killGroup(cmd, syscall.SIGTERM) }
	cmd.WaitDelay = killGrace
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	err = cmd.Wait()
	if err == nil {
		return nil // even if ctx has just ended: what it left behind is wanted
	}
	if ctx.Err() != nil {
		killGroup(cmd, syscall.SIGKILL) // whoever did not heed SIGTERM
		return fmt.Errorf("%s: not finished in time and stopped: %w%s", name, context.Cause(ctx), suffix(lastLines(output)))
	}
	if err := exitError(name, cmd.ProcessState, output); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// The pauses between two attempts of WaitDial grow from the first to the second.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// WaitDial dials addr until it accepts, for at most patience. Only a refused
// connection is tried again, for that is what a port looks like that is about to be
// forwarded; any other error is returned at once.
func WaitDial(ctx context.Context, network, addr string, patience time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var dialer net.Dialer
	var refused error
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		conn, err := dialer.DialContext(ctx, network, addr)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			refused = err
		case refused != nil && ctx.Err() != nil: // patience ended during this attempt
		default:
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waited for %s to accept: %w", addr, refused)
		case <-time.After(pause):
		}
	}
}
