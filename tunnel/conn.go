package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"esmtpq/helper"
	"esmtpq/helper/inherit"
	"esmtpq/tunnel/command"
)

// closeGrace is how long a command has to exit by itself, once the connection is closed or the
// command has closed its end. After that the command is ended, or its exit no longer awaited.
const closeGrace = 2 * time.Second

// Dial starts the command and returns the connection it carries to host and port. It does not
// wait until the command has a connection: if the command gets none, the error of the first Read
// is an [ExitError].
//
// Deadlines work; the error of a Read that ends at one quotes what the command has printed so far
// (see [SaidError]). Close ends the command: it has two seconds to exit by itself, then
// everything that it started is ended. ctx only bounds the start. memory keeps why ssh failed.
func Dial(ctx context.Context, c *command.Command, host, port string, memory Memory) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	argv, err := c.Argv(host, port)
	if err != nil {
		return nil, err
	}
	conn, err := start(c, argv, address(net.JoinHostPort(host, port)))
	if err != nil {
		return nil, fmt.Errorf("tunnel: %w", err)
	}
	conn.memory = memory
	return conn, nil
}

// A conn is our ends of two socket pairs, whose other ends are the command's standard input and
// output. With one pair for both, the end of the output could not be seen while the command goes on
// reading, as ncat does when the host has closed the connection.
type conn struct {
	net.Conn          // what the command prints is read here
	in       net.Conn // what it reads is written here
	name     string
	ssh      string // what a person types to see what ssh asks or says; "" for another command
	argv     []string
	memory   Memory
	remote   address
	process  *helper.Process
	greeted  atomic.Bool // something has come from the other side
	once     sync.Once
}

func start(cmd *command.Command, argv []string, remote address) (*conn, error) {
	out, stdout, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	in, stdin, err := socketPair()
	if err != nil {
		out.Close()
		return nil, err
	}
	defer stdin.Close()
	// The command lives as long as the connection.
	c := helper.Command{Argv: argv, Stdin: stdin, Stdout: stdout, Alone: true}
	process, err := c.Start(context.Background())
	if err != nil {
		out.Close()
		in.Close()
		return nil, err
	}
	return &conn{Conn: out, in: in, name: cmd.Name(), ssh: cmd.SSH(), argv: argv, remote: remote, process: process}, nil
}

// Read reads from the connection. If there is nothing to read because the command has ended, the
// error says how it ended and what it printed.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	switch {
	case n > 0:
		if !c.greeted.Swap(true) {
			c.memory.forget()
		}
	case err == io.EOF || errors.Is(err, syscall.ECONNRESET):
		err = c.explain(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = c.late(err)
	}
	return n, err
}

// Write writes to the connection; its errors are like those of Read.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.in.Write(p)
	switch {
	case errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET):
		err = c.explain(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = c.late(err)
	}
	return n, err
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.Conn.SetReadDeadline(t), c.in.SetWriteDeadline(t))
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.in.SetWriteDeadline(t) }

// explain returns how the command ended, in place of err, which says that its end of the
// connection is closed. It returns err itself if the command still runs, or exited with status 0
// after the host had spoken: then the host may well have ended the connection.
func (c *conn) explain(err error) error {
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-c.process.Done():
		if exit := c.process.Exit(); !exit.OK() || !c.greeted.Load() {
			return c.ended(exit)
		}
	case <-timer.C:
	}
	if c.ssh != "" {
		return &sharedError{err}
	}
	return err
}

// ended returns the error that says how the command ended.
func (c *conn) ended(exit *helper.Exit) error {
	e := &ExitError{ExitError: helper.ExitError{Name: c.name, Exit: *exit}, Early: exit.OK()}
	switch {
	case exit.Output == "" && exit.Signal == 0:
		e.Try = louder(c.argv)
	case c.ssh != "":
		e.Output, e.Cure = sshWords(exit.Output, c.ssh)
		if turnedAway(exit.Output) {
			e.Before = c.memory.reason()
		} else {
			c.memory.keep(e.Error())
		}
	}
	return e
}

// late adds what the command has printed to the error of a deadline. Before the greeting, that it has
// printed nothing is worth saying, too.
func (c *conn) late(err error) error {
	if said := c.process.Said(); said != "" || !c.greeted.Load() {
		return &SaidError{Name: c.name, Words: said, Err: err}
	}
	return err
}

// Close closes the connection and ends the command. It returns when the command is gone; how the
// command ended is no error any more.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		err = errors.Join(c.in.Close(), c.Conn.Close())
		timer := time.NewTimer(closeGrace)
		defer timer.Stop()
		select {
		case <-c.process.Done():
			return
		case <-timer.C:
		}
		c.process.End()
	})
	return err
}

// RemoteAddr is the smart host's address as it was dialled.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// An address is the host and port that a command connects to.
type address string

func (address) Network() string  { return "tunnel" }
func (a address) String() string { return string(a) }

// socketPair returns two connected stream sockets: ours uses the runtime's poller, for deadlines;
// theirs is a plain file for a child.
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	mine, theirs, err := inherit.Sockets("tunnel")
	if err != nil {
		return nil, nil, err
	}
	defer mine.Close() // FileConn has its own copy
	ours, err = net.FileConn(mine)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}
