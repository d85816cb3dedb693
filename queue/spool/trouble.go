package spool

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// What queue runs remember of trouble besides what is in the entries. mailq shows it.

// A Backoff is the state of an identity that waits: none of its mail can go out, for a reason
// that is charged to no message.
type Backoff struct {
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts"`
	Last     time.Time `json:"last"` // attempt
	Next     time.Time `json:"next"`
	Report   Report    `json:"report"`
	// Renewed is when the network last changed: the schedule begins anew then.
	Renewed time.Time `json:"renewed,omitzero"`
	// Cure says what to do, "" if the trouble may pass by itself.
	Cure string `json:"cure,omitempty"`
}

// RefusedLogin reports whether another attempt could do harm: hosts lock people out after a
// refused password is tried again and again, and a person may be asked for one again and again.
func (b *Backoff) RefusedLogin() bool {
	if b.Report.Code != 0 {
		return b.Report.Mend == MendLogin
	}
	s := b.Report.Status
	return len(s) > 3 && s[1:4] == ".7."
}

// NeedsOwner reports whether only a person can mend what an identity waits for: a password that is
// refused or cannot be had, or a configuration that cannot be used. A certificate that does not fit
// may pass, as in a hotel, and so may a refusal of this network before the mail.
func (b *Backoff) NeedsOwner() bool {
	if b.Report.Code != 0 {
		return b.Report.Mend != ""
	}
	_, detail, _ := strings.Cut(b.Report.Status, ".")
	return detail == "3.5" || strings.HasPrefix(detail, "7.") && detail != "7.5"
}

// OfNetwork reports whether another network may be all that it takes: the host has not answered,
// what answered in its place has shown no certificate of its, or it takes nobody from here.
func (b *Backoff) OfNetwork() bool {
	return !b.NeedsOwner() && (b.Report.Code == 0 || b.Report.Code/100 == 5)
}

// Stuck reports whether a message waits for what only a person can mend, whatever its identity: a
// configuration that has no route for it, or content that is damaged.
func (r *Report) Stuck() bool { return r.Action == Delayed && stuck(r.Code, r.Status) }

// Stuck is the same for what is recorded of a recipient.
func (p *Progress) Stuck() bool {
	return (p.State == Deferred || p.State == Unsure) && stuck(p.Code, p.Status)
}

func stuck(code int, status string) bool {
	return code == 0 && (strings.HasSuffix(status, ".3.5") || status == StatusDamaged)
}

// Waits reports whether some recipient of a message waits for the identity.
func (b *Backoff) Waits(m *Message) bool {
	why := b.Report.Reason()
	for i := range m.Progress {
		if p := &m.Progress[i]; (p.State == Deferred || p.State == Unsure) && p.sameReason(why) {
			return true
		}
	}
	return false
}

// StatusDamaged is the enhanced status code of a message whose content is damaged (RFC 3463,
// X.6.0).
const StatusDamaged = "4.6.0"

// maxTrouble bounds what is read of a file, in octets.
const maxTrouble = 1 << 20

// Backoffs returns the identities that wait, by destination.
func (q *Queue) Backoffs() map[string]*Backoff {
	all := map[string]*Backoff{}
	if !q.readCache(BackoffFile, &all) || all == nil {
		return map[string]*Backoff{}
	}
	for name, b := range all {
		if b == nil || b.Report.Action != Delayed {
			delete(all, name)
		}
	}
	return all
}

// An Unsendable is what a run has found out about an entry in which it could not record that.
type Unsendable struct {
	Why string `json:"why"`
	// Passing says that the system may let us use the entry another time.
	Passing bool `json:"passing,omitempty"`
}

// Unsendables returns what is known of entries that cannot be sent, and not be written to, by
// queue ID.
func (q *Queue) Unsendables() map[string]Unsendable {
	all := map[string]Unsendable{}
	if !q.readCache(UnsendableFile, &all) || all == nil {
		return map[string]Unsendable{}
	}
	return all
}

// readCache reads a file of JSON to a bound, and reports whether it could be read.
func (q *Queue) readCache(name string, into any) bool {
	f, err := q.OpenCache(name)
	if err != nil {
		return false
	}
	defer f.Close()
	return json.NewDecoder(io.LimitReader(f, maxTrouble)).Decode(into) == nil
}

// Told is the open, locked file of what the owner of the queue was told that no entry records. It
// also keeps two runs from telling the same.
type Told struct {
	q   *Queue
	f   *os.File
	all map[string]time.Time
}

// TryTold opens and locks the file. It returns nil and no error if another process has it.
func (q *Queue) TryTold() (*Told, error) {
	f, err := q.openLock(toldFile)
	if err != nil {
		return nil, err
	}
	var st syscall.Stat_t
	switch err := tryLock(f); {
	case err == ErrLocked:
		f.Close()
		return nil, nil
	case err == nil && fstat(int(f.Fd()), &st) == nil && st.Nlink == 0: // its last holder has removed it
		f.Close()
		return nil, nil
	case err != nil:
		f.Close()
		return nil, err
	}
	t := &Told{q: q, f: f}
	if json.NewDecoder(io.LimitReader(f, maxTrouble)).Decode(&t.all) != nil || t.all == nil {
		t.all = map[string]time.Time{}
	}
	return t, nil
}

// Has reports whether the owner was told of something that began at a time.
func (t *Told) Has(what string, since time.Time) bool {
	at, ok := t.all[what]
	return ok && at.Equal(since)
}

// Add notes that the owner was told.
func (t *Told) Add(what string, since time.Time) { t.all[what] = since }

// Close writes the file without what no longer is so, and gives up the lock.
func (t *Told) Close(still func(what string) bool) error {
	defer t.f.Close()
	for what := range t.all {
		if what == sharedHome && t.q.Shared != "" {
			continue
		}
		if !still(what) {
			delete(t.all, what)
		}
	}
	if len(t.all) == 0 {
		return t.q.unlink(toldFile)
	}
	b, err := json.MarshalIndent(t.all, "", "  ")
	if err != nil {
		return err
	}
	// In place, since the lock is on the file; cut short by a crash, it is no JSON.
	if err := t.f.Truncate(0); err != nil {
		return fmt.Errorf("write %s: %w", toldFile, err)
	}
	_, err = t.f.WriteAt(append(b, '\n'), 0)
	return err
}

// sharedHome is what Told knows Queue.Shared by.
const sharedHome = "home"

// TellShared returns Shared if its owner has not been told of it yet, and notes that he is. If that
// cannot be noted, he is told again.
func (q *Queue) TellShared() string {
	if q.Shared == "" {
		return ""
	}
	t, err := q.TryTold()
	if t == nil || err != nil {
		return ""
	}
	defer t.Close(func(string) bool { return true })
	if t.Has(sharedHome, time.Time{}) {
		return ""
	}
	t.Add(sharedHome, time.Time{})
	return q.Shared
}
