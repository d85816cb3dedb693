package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An Entry is a message that this process works on. It is locked until Close.
type Entry struct {
	q    *Queue
	name string   // of its directory: the queue ID, until it is done
	f    *os.File // the envelope, for writing
	at   int64    // offset of the message's line in f

	mu     sync.Mutex // several destinations may work on one message
	msg    *Message
	marked []bool // of recipients: the file has "s"
	front  int    // all recipients before this one are served
	served bool   // it is recorded that every recipient is
	// remembered says that it is in the memory of what was sent.
	remembered bool
	cutOff     int // see CutOff
}

// OpenEntry locks an entry and reads it again under the lock. ErrLocked means that another
// process works on it.
func (q *Queue) OpenEntry(id string) (*Entry, error) {
	for try := range 10 { // an envelope is replaced by a person's command: once is rare
		fd, st, err := q.openEnvelope(id, os.O_RDWR)
		if errors.Is(err, fs.ErrPermission) && q.Halted(id) {
			fd, st, err = q.openEnvelope(id, os.O_RDONLY) // all that is written is its mode
		}
		if err != nil {
			return nil, err
		}
		// The last time, a file system whose numbers of files change is believed.
		if try == 9 {
			st.Ino = 0
		}
		f := os.NewFile(uintptr(fd), q.path(id+"/envelope"))
		e, err := q.lockEntry(id, f, st.Ino)
		if err == nil {
			return e, nil
		}
		f.Close()
		if err != errUnlinked {
			return nil, err
		}
	}
	return nil, q.failed("open", id+"/envelope", fs.ErrNotExist)
}

// errUnlinked says that an envelope was removed or replaced between its opening and its locking.
var errUnlinked = errors.New("the envelope has no name any more")

// AwaitEntry is OpenEntry for an entry that another process may have for a moment: a command that
// changes it, or the submission that has not quite ended. It waits for patience at most, and not
// beyond the end of ctx; then the error is ErrLocked.
func (q *Queue) AwaitEntry(ctx context.Context, id string, patience time.Duration) (*Entry, error) {
	end := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		e, err := q.OpenEntry(id)
		if !errors.Is(err, ErrLocked) || ctx.Err() != nil || time.Now().After(end) {
			return e, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// lockEntry locks an open envelope, whose inode number is given unless it cannot be relied on.
func (q *Queue) lockEntry(id string, f *os.File, inode uint64) (*Entry, error) {
	if err := tryLock(f); err != nil {
		return nil, err
	}
	// The process that had the lock before may have removed or replaced the envelope. Not every
	// file system counts the names of a file that has none, so the name is looked at as well.
	var st syscall.Stat_t
	var named unix.Stat_t
	err := q.lstat(id+"/envelope", &named)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && inode != 0 && named.Ino != inode:
		return nil, errUnlinked
	case err != nil:
		return nil, err
	}
	if err := fstat(int(f.Fd()), &st); err == nil && st.Nlink == 0 {
		return nil, errUnlinked
	} else if err != nil {
		return nil, q.failed("stat", id+"/envelope", err)
	}
	m, at, err := readEnvelope(int(f.Fd()), &st, id, new([]byte))
	if err != nil {
		return nil, err
	}
	q.seeHalted(m)
	if err := q.seeOrigin(m, int(f.Fd())); err != nil {
		return nil, err
	}
	e := &Entry{q: q, name: id, f: f, at: at, msg: m, marked: make([]bool, len(m.Progress))}
	for i := range m.Progress {
		// We hold the lock, so the process that was sending is dead.
		if m.Progress[i].State == Sending {
			m.Progress[i].possiblyDelivered()
			e.cutOff = max(e.cutOff, m.Progress[i].Unsure)
		}
	}
	return e, nil
}

// HoldUnsure holds an entry until its owner releases it, because its recipients may have the
// message.
func (e *Entry) HoldUnsure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.msg.Progress {
		if e.msg.Progress[i].State != Unsure {
			continue
		}
		if err := e.writeRecipientLine(i, Unsure); err != nil {
			return fmt.Errorf("hold %s: %w", e.msg.ID, err)
		}
	}
	e.msg.Held, e.msg.imposed = true, false
	if err := e.writeMessageLine(); err != nil {
		return fmt.Errorf("hold %s: %w", e.msg.ID, err)
	}
	return syncData(e.f)
}

// Close gives up the lock.
func (e *Entry) Close() { e.f.Close() }

// ID returns the queue ID.
func (e *Entry) ID() string { return e.msg.ID }

// Message returns the message, to be read while nobody else works on the entry.
func (e *Entry) Message() *Message { return e.msg }

// View calls f with the message, which does not change meanwhile.
func (e *Entry) View(f func(m *Message)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e.msg)
}

// Served reports whether every recipient has been served and recorded so.
func (e *Entry) Served() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.served
}

// leaves reports whether every recipient has been served, and the memory does not have it yet.
func (e *Entry) leaves() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.served && !e.remembered
}

// CutOff returns how often the message has possibly been delivered, if a run died while sending
// it; 0 if none did. With several such recipients it is the highest of their numbers.
func (e *Entry) CutOff() int { return e.cutOff }

// writeMessageLine overwrites the line of the message. The line is not synced, since it can be
// lost without harm.
func (e *Entry) writeMessageLine() error {
	_, err := e.f.WriteAt(appendMessageLine(nil, e.msg), e.at)
	return err
}

func (e *Entry) recipientAt(i int) int64 {
	return e.at + messageLine + int64(i)*recipientLine
}

// Sending marks recipients as about to be sent to. The mark is not synced: it is for the case
// that this process dies, and the page cache survives that.
func (e *Entry) Sending(indexes []int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, i := range indexes {
		e.marked[i] = true
		var err error
		if e.msg.Progress[i].Unsure > 0 {
			err = e.writeRecipientLine(i, Sending) // with the number, which may be new
		} else {
			_, err = e.f.WriteAt([]byte{byte(Sending)}, e.recipientAt(i)+int64(letterAt))
		}
		if err != nil {
			return fmt.Errorf("record progress of %s: %w", e.msg.ID, err)
		}
	}
	return nil
}

// writeRecipientLine overwrites the line of recipient i with a new state.
func (e *Entry) writeRecipientLine(i int, s State) error {
	p := e.msg.Progress[i]
	p.State = s
	_, err := e.f.WriteAt(appendRecipientLine(nil, &p), e.recipientAt(i))
	return err
}

// Note writes reports about recipients that were not tried, because an attempt was known to be in
// vain.
func (e *Entry) Note(indexes []int, reports []Report, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	must, err := e.writeReports(indexes, reports, now)
	if err == nil && must {
		err = syncData(e.f)
	}
	return err
}

// record writes the reports of one attempt and syncs them if one of them must
// never be forgotten.
func (e *Entry) record(a *Attempt, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	must, err := e.writeReports(a.Recipients, a.Reports, now)
	if err == nil && must {
		err = syncData(e.f)
	}
	if err != nil && must {
		err = e.recordOtherwise(err)
	}
	if err == nil {
		err = e.recorded(a, now)
	}
	if err != nil {
		return fmt.Errorf("record progress of %s: %w", e.msg.ID, err)
	}
	return nil
}

// recorded does what has to follow once reports are durable.
func (e *Entry) recorded(a *Attempt, now time.Time) error {
	for e.front < len(e.msg.Progress) && e.msg.Progress[e.front].State.served() {
		e.front++ // what is served stays so; there may be very many
	}
	if e.front == len(e.msg.Progress) {
		e.served = true // to be removed when the run lets go of it
		return nil
	}
	if !a.Next.IsZero() && e.msg.Pending() {
		e.msg.Attempts++
		e.msg.Next = a.Next
		if !Plausible(e.msg.First, now) {
			e.msg.First = now
		}
	}
	e.msg.Last = now
	return e.writeMessageLine()
}

// writeReports overwrites the lines of recipients, and reports whether they must be synced. All
// reports are taken into the message, even if a line could not be written.
func (e *Entry) writeReports(indexes []int, reports []Report, now time.Time) (must bool, err error) {
	for k, i := range indexes {
		r, p := &reports[k], &e.msg.Progress[i]
		if !p.State.Pending() {
			continue // what is done stays done
		}
		next := Progress{State: stateAfter(p.State, r), Time: now, Code: r.Code, Status: r.Status, Host: r.Host, Text: r.Text, Remark: r.Remark, Unsure: p.Unsure}
		if r.Unsure && next.State == Unsure {
			next.possiblyDelivered()
		}
		next.fit()
		if next.State == p.State && !e.marked[i] && next.Unsure == p.Unsure && next.sameReason(p) {
			continue // nothing new to write
		}
		*p = next
		must = must || next.State != Deferred
		if err == nil {
			_, err = e.f.WriteAt(appendRecipientLine(nil, p), e.recipientAt(i))
		}
		e.marked[i] = e.marked[i] && err != nil
	}
	return must, err
}

// Told records that the owner knows of failed recipients.
func (e *Entry) Told(indexes []int, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, i := range indexes {
		p := &e.msg.Progress[i]
		p.Told = now
		if _, err := e.f.WriteAt(appendRecipientLine(nil, p), e.recipientAt(i)); err != nil {
			return err
		}
	}
	return syncData(e.f)
}

// Plausible reports whether a time in the past can be believed, as it is now: a clock without a
// battery begins in 1970 or some other year, and a clock that was ahead has been set back.
func Plausible(t, now time.Time) bool { return !t.Before(oldest) && !t.After(now) }

// oldest is older than any message of this program.
var oldest = time.Unix(1_700_000_000, 0) // November 2023

// SetCopied records that a copy of the message was kept, as far as it can be.
func (e *Entry) SetCopied() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.msg.Copied = true
	return e.writeMessageLine()
}

// Content returns the content of the entry as it was submitted, whatever name the entry has by now.
func (e *Entry) Content() (Content, error) { return e.q.contentAt(e.name, e.msg) }

// SetDrop records when a failed message may be dropped.
func (e *Entry) SetDrop(at time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.msg.Drop = at
	return e.writeMessageLine()
}

// DelayTold records that the owner knows that the message is late.
func (e *Entry) DelayTold() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.msg.DelayTold = true
	if err := e.writeMessageLine(); err != nil {
		return err
	}
	return syncData(e.f)
}

// stateAfter returns the state of a recipient after a report. A recipient in state Unsure stays
// so while the message is only delayed further.
func stateAfter(before State, r *Report) State {
	switch r.Action {
	case Relayed:
		return Accepted
	case Delivered:
		return LocalDone
	case Failed:
		return Refused
	}
	if r.Unsure || before == Unsure {
		return Unsure
	}
	return Deferred
}

// possiblyDelivered counts once more that the message was possibly delivered to the recipient.
func (p *Progress) possiblyDelivered() {
	p.State, p.Unsure = Unsure, min(p.Unsure+1, unsureCeiling)
}

func (p *Progress) sameReason(as *Progress) bool {
	return p.Code == as.Code && p.Status == as.Status && p.Host == as.Host && p.Text == as.Text && p.Remark == as.Remark
}

// WaitsFor reports whether the recipient was put off for this reason.
func (p *Progress) WaitsFor(why *Progress) bool {
	return (p.State == Deferred || p.State == Unsure) && why.sameReason(p)
}

// WaitsFor reports whether each pending recipient already waits for this reason, so that there is
// nothing to note.
func (m *Message) WaitsFor(why *Progress) bool {
	for i := range m.Progress {
		p := &m.Progress[i]
		if p.State.Pending() && !p.WaitsFor(why) {
			return false
		}
	}
	return true
}
