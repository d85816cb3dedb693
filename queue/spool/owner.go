package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// These are the commands of the queue's owner. Each takes the entry's lock, so that a message
// does not change while it is being sent, and is durable when it returns.

// ErrBusy is returned for an entry that another process works on, most likely sending it.
var ErrBusy = errors.New("it is being sent at this moment: try again")

// busyPatience is how long an owner's command waits for an entry: longer than another command
// takes, but not as long as a delivery can take.
const busyPatience = 2 * time.Second

// edit opens an entry and hands it to f. It waits a little if another process works on the entry.
func (q *Queue) edit(id string, f func(e *Entry) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), busyPatience)
	defer cancel()
	for {
		e, err := q.OpenEntry(id)
		if err == nil {
			defer e.Close()
			return f(e)
		}
		if !errors.Is(err, ErrLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return ErrBusy
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// change is edit for a change that queue runs have to know of.
func (q *Queue) change(id string, f func(e *Entry) error) error {
	return q.edit(id, func(e *Entry) error {
		defer q.setEdited() // after the change, whatever its result
		return f(e)
	})
}

// SetHeld holds an entry back from queue runs, or releases it.
func (q *Queue) SetHeld(id string, on bool) error {
	return q.change(id, func(e *Entry) error {
		e.msg.Held = on
		if err := e.writeMessageLine(); err != nil {
			return fmt.Errorf("record it: %w", err)
		}
		return syncData(e.f)
	})
}

// Retry makes failed recipients of an entry pending again and the entry due, and restarts its
// schedule. It reports whether there is anything to try.
func (q *Queue) Retry(id string) (bool, error) {
	pending := false
	err := q.change(id, func(e *Entry) error {
		for i := range e.msg.Progress {
			p := &e.msg.Progress[i]
			if p.State == Refused && e.msg.Envelope.Recipients[i].Address != "" {
				p.State, p.Told, p.Unsure = Deferred, time.Time{}, 0
				if _, err := e.f.WriteAt(appendRecipientLine(nil, p), e.recipientAt(i)); err != nil {
					return fmt.Errorf("record it: %w", err)
				}
			}
		}
		pending = e.msg.Pending()
		e.msg.Attempts, e.msg.Next = 0, time.Time{}
		if err := e.writeMessageLine(); err != nil {
			return fmt.Errorf("record it: %w", err)
		}
		return syncData(e.f)
	})
	return pending, err
}

// Remove takes an entry out of the queue for good, whatever its state.
func (q *Queue) Remove(id string) error {
	if !IsID(id) {
		return fmt.Errorf("%q is no queue ID: %w", id, os.ErrNotExist) // nor a path to somewhere else
	}
	err := q.edit(id, func(*Entry) error { return q.removeEntry(id) })
	if errors.Is(err, ErrBusy) {
		return err
	}
	// An entry that cannot be read can still be dropped.
	if err != nil {
		if _, gone := os.Lstat(q.Dir + "/" + id); gone != nil {
			return gone
		}
		if err := os.RemoveAll(q.Dir + "/" + id); err != nil {
			return err
		}
	}
	return syncDir(q.dir)
}

// Running reports whether a queue run is going on.
func (q *Queue) Running() bool {
	d, err := os.Open(q.Dir)
	if err != nil {
		return false
	}
	defer d.Close()
	return syscall.Flock(int(d.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == syscall.EWOULDBLOCK
}

// Content returns the content of an entry as it was submitted.
func (q *Queue) Content(m *Message) (Content, error) { return q.content(m) }
