package queue

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"esmtpq/queue/spool"
)

// A batchHost is a Transport that answers all its deliveries at once.
type batchHost struct {
	drawn    []*Delivery
	answer   func(d *Delivery, rcpt Recipient) Report
	recorded func(all []Outcome) // called once everything is recorded
	before   func()              // called before that
}

func (h *batchHost) Run(ctx context.Context, src Source) {
	var all []Outcome
	for d := src.Next(true); d != nil; d = src.Next(true) {
		h.drawn = append(h.drawn, d)
		if src.Sending(d, nil) != nil {
			return
		}
		o := Outcome{Delivery: d}
		for _, rcpt := range d.Recipients {
			r := relayed
			if h.answer != nil {
				r = h.answer(d, rcpt)
			}
			o.Reports = append(o.Reports, r)
		}
		all = append(all, o)
	}
	if h.before != nil {
		h.before()
	}
	if src.Record(all) == nil && h.recorded != nil {
		h.recorded(all)
	}
}

// Messages that are done are recorded by their names, others by their envelopes, before Record
// returns.
func TestBatchIsRecorded(t *testing.T) {
	q := newQueue(t)
	var ids []string
	for range 6 {
		ids = append(ids, submit(t, q, "a@example.com", "b@example.com"))
	}
	partly := submit(t, q, "a@example.com", "b@elsewhere.example")
	h := &batchHost{}
	h.answer = func(d *Delivery, rcpt Recipient) Report {
		switch {
		case d.ID == ids[1] && rcpt.Address[0] == 'b':
			return unknownUser
		case d.ID == ids[4]:
			return busy
		}
		return relayed
	}
	h.recorded = func([]Outcome) {
		for _, i := range []int{0, 2, 3, 5} {
			if _, err := os.Lstat(q.Dir + "/" + ids[i]); err == nil {
				t.Errorf("message %d is in the queue still", i)
			}
		}
		for id, want := range map[string]string{ids[1]: "rf", ids[4]: "dd", partly: "r"} {
			if got := letters(read(t, q, id)); !strings.HasPrefix(got, want) {
				t.Errorf("recorded %q, want %q", got, want)
			}
		}
	}
	elsewhere := &fakeHost{answer: refusing(busy)}
	sum := runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"example.com": h, "elsewhere.example": elsewhere}}, everything)
	if sum.Done != 4*2+1+1 || len(sum.Failed) != 1 || len(sum.Trouble) > 0 {
		t.Errorf("came to %+v", sum)
	}
	wantNames(t, q.Dir, ids[1], ids[4], partly)
}

// A run that dies after the renaming leaves nothing to be sent, and its successor removes the
// entries.
func TestSentIsNeverSentAgain(t *testing.T) {
	for _, files := range []string{"envelope mail", "envelope", ""} {
		q := newQueue(t)
		id := entryInState(t, q, "s", files, func(*spool.Message) {})
		if err := os.Rename(q.Dir+"/"+id, q.Dir+"/"+".sent-"+id); err != nil {
			t.Fatal(err)
		}
		if l, err := q.List(); err != nil || len(l.IDs)+len(l.Foreign) > 0 {
			t.Errorf("listed: %+v, %v", l, err)
		}
		h := &fakeHost{}
		if sum := runQueue(t, q, one(h), everything); len(h.got()) > 0 || len(sum.Trouble) > 0 {
			t.Errorf("%q: sent %q, trouble %q", files, h.got(), sum.Trouble)
		}
		wantNames(t, q.Dir)
	}
}

// An entry that cannot get its last name is recorded in its envelope.
func TestBatchWithANameTaken(t *testing.T) {
	q := newQueue(t)
	var ids []string
	for range 4 {
		ids = append(ids, submit(t, q, "a@example.com"))
	}
	h := &batchHost{before: func() {
		if err := os.MkdirAll(q.Dir+"/"+".sent-"+ids[1]+"/in the way", 0o700); err != nil {
			t.Error(err)
		}
	}}
	if sum := runQueue(t, q, one(h), everything); sum.Done != len(ids) || len(sum.Trouble) > 0 {
		t.Errorf("came to %+v", sum)
	}
	left := slices.DeleteFunc(names(t, q.Dir), func(name string) bool { return strings.HasPrefix(name, ".sent-") })
	if len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// Anything else with such a name, which is no entry of ours, is neither followed nor removed.
func TestSentNamesOfOthers(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	if err := q.SetHeld(id, true); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := os.WriteFile(elsewhere+"/mail", []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"0123456789ABCDEF": elsewhere, "0123456789ABCDE0": q.Dir + "/" + id} {
		if err := os.Symlink(to, q.Dir+"/"+".sent-"+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(q.Dir+"/"+".sent-"+"Notes/of mine", 0o700); err != nil {
		t.Fatal(err)
	}
	runQueue(t, q, one(&fakeHost{}), everything)
	for _, path := range []string{elsewhere + "/mail", file(q, id, "mail"), file(q, id, "envelope"), q.Dir + "/" + ".sent-" + "Notes/of mine"} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}
