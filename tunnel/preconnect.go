package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"esmtpq/helper"
)

// preconnect runs the person's shell line before a connection is made. It waits for the shell to
// exit, but not for background processes of the line: an `ssh -f` stays to carry the connection.
// The line reads /dev/null, and everything it starts has the mark.
//
// The error is an [ExitError] if the shell exits with a status other than 0 or a signal ends it.
// If ctx ends first, everything that the line has started is ended, and the error wraps ctx's.
// The caller sets the time limit, and releases the process.
func preconnect(ctx context.Context, line, mark string) (*helper.Process, error) {
	c := helper.Shell(line)
	c.Mark, c.Shared, c.KeepOutput = mark, true, true
	process, err := c.Start(ctx)
	if err != nil {
		return nil, fmt.Errorf("preconnect: %w", err)
	}
	if exit := process.Exit(); !exit.OK() {
		process.Release()
		return nil, &ExitError{ExitError: helper.ExitError{Name: "preconnect", Exit: *exit}}
	}
	return process, nil
}

// Postconnect runs the person's shell line after a session, in the same way, but nothing is known
// of what it leaves in the background. The mail has been accepted by then, so the error is only
// worth a warning.
func Postconnect(ctx context.Context, line string) error {
	exit, err := helper.Shell(line).Run(ctx)
	if err != nil {
		return fmt.Errorf("postconnect: %w", err)
	}
	if exit.OK() {
		return nil
	}
	return &ExitError{ExitError: helper.ExitError{Name: "postconnect", Exit: *exit}}
}

// The pauses between two attempts of WaitDial grow from the first to the second.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// WaitDial dials addr until it accepts, for at most patience. Only a refused connection is tried
// again, since a port that is about to be forwarded refuses connections at first; any other error
// is returned at once.
func WaitDial(ctx context.Context, network, addr string, patience time.Duration) (net.Conn, error) {
	return waitDial(ctx, &net.Dialer{}, network, addr, patience)
}

func waitDial(ctx context.Context, dialer *net.Dialer, network, addr string, patience time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
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
