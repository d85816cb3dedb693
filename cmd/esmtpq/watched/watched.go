// Package watched is what the watcher and the process that it has deliver say to each other.
//
// The watcher stays small and idle: it starts the process when there is something to do, and writes
// requests to it. The process acknowledges a request when a run begins that sees to it; it says what
// the queue waits for when the run is over, and ends when no session is kept open any more. Requests
// that a process has not acknowledged when it ends go to the next one.
package watched

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// Flag makes deliver the process of the watcher. Descriptor 3 is a socket to the watcher.
const Flag = "--watched"

// FD is that descriptor.
const FD = 3

// A Kind is what is asked for.
type Kind string

// The kinds of requests.
const (
	Ready   Kind = "ready"   // be ready for requests; it is not acknowledged
	New     Kind = "new"     // a message has come: deliver it after a delay
	Due     Kind = "due"     // try what is due
	Network Kind = "network" // the network has changed: try what waits for it, too
	Flush   Kind = "flush"   // try everything, as a person does
	Look    Kind = "look"    // try nothing, and say what the queue waits for
	End     Kind = "end"     // deliver what was asked for before, and end; it is not acknowledged
)

// A Request is one request of the watcher.
type Request struct {
	Kind  Kind
	Delay time.Duration // with New
}

// Write writes a request.
func (r *Request) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s %d\n", r.Kind, r.Delay)
	return err
}

// Read reads the next request.
func Read(in *bufio.Scanner) (*Request, error) {
	line, err := next(in)
	if err != nil {
		return nil, err
	}
	r := &Request{}
	if _, err := fmt.Sscanf(line, "%s %d", &r.Kind, &r.Delay); err != nil {
		return nil, fmt.Errorf("unexpected words of the watcher: %q", line)
	}
	return r, nil
}

// A Reply is what the process says.
type Reply struct {
	Taken   int       // how many requests were taken on since the last reply
	Over    bool      // a run is over, and what follows is set
	Next    time.Time // when there is something to do next; zero: nothing waits for a time
	Network bool      // mail waits for a network
}

// Write writes a reply.
func (r *Reply) Write(w io.Writer) error {
	var next int64
	if !r.Next.IsZero() {
		next = r.Next.UnixNano()
	}
	_, err := fmt.Fprintf(w, "%d %t %d %t\n", r.Taken, r.Over, next, r.Network)
	return err
}

// ReadReply reads the next reply.
func ReadReply(in *bufio.Scanner) (*Reply, error) {
	line, err := next(in)
	if err != nil {
		return nil, err
	}
	r, at := &Reply{}, int64(0)
	if _, err := fmt.Sscanf(line, "%d %t %d %t", &r.Taken, &r.Over, &at, &r.Network); err != nil {
		return nil, fmt.Errorf("unexpected words of deliver: %q", line)
	}
	if at != 0 {
		r.Next = time.Unix(0, at)
	}
	return r, nil
}

// next returns the next line.
func next(in *bufio.Scanner) (string, error) {
	if in.Scan() {
		return strings.TrimSpace(in.Text()), nil
	}
	if err := in.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}
