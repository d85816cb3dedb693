package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// These are the commands of the queue's owner. Each takes the entry's lock, so that a message
// does not change while it is being sent, and is durable when it returns.

// ErrBusy is returned for an entry that another process works on, most likely sending it.
var ErrBusy = errors.New("it is being sent at this moment: try again")

// ErrServed is returned for an entry whose recipients have all been served, and which only has to
// be removed.
var ErrServed = errors.New("it has been sent")

// busyPatience is how long an owner's command waits for an entry: longer than another command
// takes, but not as long as a delivery can take.
const busyPatience = 2 * time.Second

// edit opens an entry and hands it to f. It waits a little if another process works on the entry.
func (q *Queue) edit(id string, f func(e *Entry) error) error {
	e, err := q.AwaitEntry(context.Background(), id, busyPatience)
	if errors.Is(err, ErrLocked) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	defer e.Close()
	if e.msg.Served() {
		return ErrServed
	}
	return f(e)
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
	if !on {
		if err := q.resume(id); err != nil {
			return err
		}
	}
	return q.change(id, func(e *Entry) error {
		e.msg.Held, e.msg.imposed = on, false
		if !on && e.msg.Foreign != "" {
			return e.adopt()
		}
		if err := e.writeMessageLine(); err != nil {
			return fmt.Errorf("record it: %w", err)
		}
		return syncData(e.f)
	})
}

// ErrHeld is returned for a held entry, which no queue run tries.
var ErrHeld = errors.New("it is held")

// Retry makes failed recipients of an entry pending again and the entry due, and restarts its
// schedule. It reports whether there is anything to try. A held entry stays as it is.
func (q *Queue) Retry(id string) (bool, error) {
	pending := false
	err := q.change(id, func(e *Entry) error {
		if e.msg.Held {
			return ErrHeld
		}
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
		e.msg.Attempts, e.msg.Next, e.msg.First, e.msg.Drop = 0, time.Time{}, time.Time{}, time.Time{}
		if err := e.writeMessageLine(); err != nil {
			return fmt.Errorf("record it: %w", err)
		}
		return syncData(e.f)
	})
	return pending, err
}

// Readdress gives a recipient of an entry another address, and makes it untried and the entry due.
// which chooses the recipient by its index; an error of it is returned. The content stays as it
// is. A held entry stays as it is, too.
func (q *Queue) Readdress(id, address string, which func(m *Message) (int, error)) error {
	return q.change(id, func(e *Entry) error {
		if e.msg.Held {
			return ErrHeld
		}
		i, err := which(e.msg)
		if err != nil {
			return err
		}
		e.msg.Envelope.Recipients[i].Address = address
		e.msg.Progress[i] = Progress{State: Untried}
		e.msg.Attempts, e.msg.Next, e.msg.First, e.msg.Drop = 0, time.Time{}, time.Time{}, time.Time{}
		if err := e.replaceEnvelope(); err != nil {
			return fmt.Errorf("write its envelope: %w", err)
		}
		return nil
	})
}

// newEnvelope is the name of an envelope that is to replace the one of its entry.
const newEnvelope = "envelope.new"

// replaceEnvelope writes the message as it is now into a new file, syncs it, and renames it to be
// the envelope. A crash leaves one envelope or the other. The new one is locked until everything
// is durable, so that no run sends by it before.
func (e *Entry) replaceEnvelope() error {
	q, name := e.q, e.name+"/"+newEnvelope
	if err := q.unlink(name); err != nil { // left by a dead command
		return err
	}
	f, err := q.create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := tryLock(f); err != nil {
		return err
	}
	e.msg.Envelope.Origin, e.msg.adopted = q.origin(int(f.Fd())), ""
	b, err := beginEnvelope(&e.msg.Envelope, e.msg)
	if err != nil {
		q.unlink(name)
		return err
	}
	for i := range e.msg.Progress {
		b = appendRecipientLine(b, &e.msg.Progress[i])
	}
	d, err := q.open(e.name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = q.failed("rename", name, q.rename(name, e.name+"/envelope"))
	}
	if err != nil {
		q.unlink(name)
		return err
	}
	return syncDir(d)
}

// Remove takes an entry out of the queue for good, whatever its state.
func (q *Queue) Remove(id string) error {
	if !IsID(id) {
		return fmt.Errorf("%q is no queue ID: %w", id, os.ErrNotExist) // nor a path to somewhere else
	}
	err := q.edit(id, func(e *Entry) error { return e.discard() })
	if errors.Is(err, ErrBusy) || errors.Is(err, ErrServed) {
		return err
	}
	// An entry that cannot be read can still be dropped.
	if err != nil {
		if err := q.lstat(id, new(unix.Stat_t)); err != nil {
			return err
		}
		if err := q.removeAll(id); err != nil {
			return err
		}
		q.remember(wasRemoved, false, leaver{id: id}) // an error is that of SyncMemory, too
	}
	return errors.Join(syncDir(q.dir), q.SyncMemory())
}

// Content returns the content of an entry as it was submitted.
func (q *Queue) Content(m *Message) (Content, error) { return q.content(m) }
