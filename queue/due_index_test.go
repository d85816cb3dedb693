package queue

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// waitingQueue returns a queue with a due index that says that nothing is due for hours, and the
// IDs of its messages. It makes the first message due without the index, for runs that open it to
// find that out.
func waitingQueue(t *testing.T) (*spool.Queue, []string) {
	t.Helper()
	q := newQueue(t)
	for i := range dueIndexWorth {
		entryUnsynced(t, q, i)
	}
	sum := runQueue(t, q, one(&fakeHost{}), RunOptions{})
	wantWaiting(t, sum, dueIndexWorth)
	l, err := q.List()
	if err != nil {
		t.Fatal(err)
	}
	if !hasDueIndex(q) {
		t.Fatal("there is no due index")
	}
	setMessage(t, q, l.IDs[0], dueNow)
	return q, l.IDs
}

func dueNow(m *spool.Message) { m.Next = time.Now().Add(-time.Minute) }

func hasDueIndex(q *spool.Queue) bool {
	_, err := os.Lstat(q.Dir + "/" + dueIndexFile)
	return err == nil
}

func wantWaiting(t *testing.T, sum *Summary, want int) {
	t.Helper()
	n := 0
	for _, r := range sum.Waiting {
		n += r.Messages
	}
	if n != want || len(sum.Trouble) > 0 {
		t.Errorf("%d messages wait, want %d; trouble %q", n, want, sum.Trouble)
	}
}

func TestRunReliesOnTheDueIndex(t *testing.T) {
	q, _ := waitingQueue(t)
	before, _ := os.ReadFile(q.Dir + "/" + dueIndexFile)
	h := &fakeHost{}
	wantWaiting(t, runQueue(t, q, one(h), RunOptions{}), dueIndexWorth)
	if len(h.got()) > 0 {
		t.Errorf("opened %q all the same", h.got())
	}
	after, _ := os.ReadFile(q.Dir + "/" + dueIndexFile)
	if !bytes.Equal(before, after) {
		t.Error("a run that found nothing new wrote the due index again")
	}
}

// Whatever makes the due index void, due mail goes out.
func TestDueIndexIsVoid(t *testing.T) {
	rewrite := func(change func(a *dueIndex) time.Time) func(*testing.T, *spool.Queue, []string) {
		return func(t *testing.T, q *spool.Queue, ids []string) {
			r := &run{q: q}
			a := readDueIndex(q, r.setup(), time.Now())
			written := change(a)
			if err := writeDueIndex(q, a, r.setup(), written); err != nil || !hasDueIndex(q) {
				t.Fatal(err)
			}
		}
	}
	spoil := func(at int) func(*testing.T, *spool.Queue, []string) {
		return func(t *testing.T, q *spool.Queue, ids []string) {
			b, err := os.ReadFile(q.Dir + "/" + dueIndexFile)
			if err != nil {
				t.Fatal(err)
			}
			b[(at+len(b))%len(b)] ^= 1
			if err := os.WriteFile(q.Dir+"/"+dueIndexFile, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		before func(t *testing.T, q *spool.Queue, ids []string)
		opt    RunOptions
	}{
		"all is asked for":    {opt: everything},
		"one is asked for":    {opt: RunOptions{Select: func(*spool.Message) bool { return true }}},
		"another setup":       {opt: RunOptions{Setup: "another"}},
		"other limits":        {opt: RunOptions{Limits: Limits{DelayNotice: -1}}},
		"its time has come":   {before: rewrite(func(a *dueIndex) time.Time { a.lines[0].until = uint32(time.Now().Unix()); return time.Now() })},
		"it is old":           {before: rewrite(func(*dueIndex) time.Time { return time.Now().Add(-dueIndexTrust - time.Minute) })},
		"the clock was set":   {before: rewrite(func(*dueIndex) time.Time { return time.Now().Add(time.Minute) })},
		"a record is damaged": {before: spoil(-3)},
		"the head is damaged": {before: spoil(2)},
		"it is gone":          {before: func(t *testing.T, q *spool.Queue, _ []string) { os.Remove(q.Dir + "/" + dueIndexFile) }},
		"it is a directory": {before: func(t *testing.T, q *spool.Queue, _ []string) {
			os.Remove(q.Dir + "/" + dueIndexFile)
			os.Mkdir(q.Dir+"/"+dueIndexFile, 0o700)
		}},
		"a message was held":      {before: func(t *testing.T, q *spool.Queue, ids []string) { q.SetHeld(ids[5], true) }},
		"the message was retried": {before: func(t *testing.T, q *spool.Queue, ids []string) { q.Retry(ids[0]) }},
	} {
		t.Run(name, func(t *testing.T) {
			q, ids := waitingQueue(t)
			if c.before != nil {
				c.before(t, q, ids)
			}
			h := &fakeHost{}
			runQueue(t, q, one(h), c.opt)
			if !slices.Contains(h.got(), ids[0]) {
				t.Errorf("sent %q", h.got())
			}
		})
	}
}

// Held mail waits for its owner, and goes out with the next run once it is released.
func TestReleasedInSpiteOfTheDueIndex(t *testing.T) {
	q, ids := waitingQueue(t)
	if err := q.SetHeld(ids[0], true); err != nil {
		t.Fatal(err)
	}
	h := &fakeHost{}
	runQueue(t, q, one(h), RunOptions{})
	wantWaiting(t, runQueue(t, q, one(h), RunOptions{}), dueIndexWorth-1)
	if !hasDueIndex(q) || q.Edited() {
		t.Fatal("no due index was made anew")
	}
	if err := q.SetHeld(ids[0], false); err != nil {
		t.Fatal(err)
	}
	runQueue(t, q, one(h), RunOptions{})
	if !slices.Equal(h.got(), ids[:1]) {
		t.Errorf("sent %q", h.got())
	}
}

// A change during a run that has read the entry already is seen by the next run.
func TestEditedBehindARun(t *testing.T) {
	q, ids := waitingQueue(t)
	if err := q.SetHeld(ids[9], true); err != nil {
		t.Fatal(err)
	}
	h := &fakeHost{}
	h.before = func(*Delivery) {
		if err := again(t, q).SetHeld(ids[9], false); err != nil {
			t.Error(err)
		}
		setMessage(t, q, ids[9], dueNow)
	}
	runQueue(t, q, one(h), RunOptions{})
	h.before = nil
	runQueue(t, q, one(h), RunOptions{})
	if !slices.Equal(h.got(), []string{ids[0], ids[9]}) {
		t.Errorf("sent %q", h.got())
	}
}

// Mail that waits for its identity is not opened either, and goes along, in order, when new mail
// finds that the host works.
func TestBackoffOfByTheDueIndex(t *testing.T) {
	q, ids := waitingQueue(t)
	for _, id := range ids {
		setMessage(t, q, id, func(m *spool.Message) { *m = spool.Message{Next: time.Now().Add(-time.Minute)} })
	}
	wantWaiting(t, runQueue(t, q, one(&fakeHost{answer: refusing(unreachable)}), everything), dueIndexWorth)
	h := &fakeHost{}
	runQueue(t, q, one(h), RunOptions{}) // reads the message that was tried
	if err := os.Rename(file(q, ids[7], "envelope"), file(q, ids[7], "hidden")); err != nil {
		t.Fatal(err)
	}
	sum := runQueue(t, q, one(h), RunOptions{})
	wantWaiting(t, sum, dueIndexWorth)
	if len(h.got()) > 0 || len(sum.Waiting) != 1 || sum.Waiting[0].Text != unreachable.Text {
		t.Errorf("sent %q; waits for %+v", h.got(), sum.Waiting)
	}
	if err := os.Rename(file(q, ids[7], "hidden"), file(q, ids[7], "envelope")); err != nil {
		t.Fatal(err)
	}
	ids = append(ids, submit(t, q, "a@example.com"))
	runQueue(t, q, one(h), RunOptions{})
	if !slices.Equal(h.got(), ids) {
		t.Errorf("sent %d in the order %q", len(h.got()), h.got())
	}
	if hasDueIndex(q) {
		t.Error("an due index of nothing was left")
	}
}

// A run that dies leaves no due index about the entries that it has changed, whatever it has
// noted before.
func TestDueIndexGoesBeforeAnEntryIsChanged(t *testing.T) {
	for name, opt := range map[string]RunOptions{"in use": {}, "of another setup": {Setup: "another"}} {
		q, ids := waitingQueue(t)
		if err := os.RemoveAll(q.Dir + "/" + ids[0]); err != nil { // which would go out
			t.Fatal(err)
		}
		entryInState(t, q, "f", "envelope mail", func(*spool.Message) {}) // waits for its owner, and is noted first
		submit(t, q, "a@example.com")
		h := &fakeHost{before: func(*Delivery) {
			if hasDueIndex(q) {
				t.Errorf("%s: it was there while a message was sent", name)
			}
		}}
		runQueue(t, q, one(h), opt)
		if len(h.got()) != 1 {
			t.Errorf("%s: sent %q", name, h.got())
		}
	}
}

// If a message that a run has counted as waiting becomes due during the run, the next run tries
// it.
func TestCountedIsLeft(t *testing.T) {
	q, ids := waitingQueue(t)
	r := &run{q: q, findings: findings{old: readDueIndex(q, (&run{q: q}).setup(), time.Now())}, reasons: map[Reason]int{}}
	if !r.stillWaits(0, true) {
		t.Fatal("it does not wait")
	}
	r.findings.old.lines[0].until = uint32(time.Now().Unix()) - 1
	if !r.stillWaits(0, false) {
		t.Errorf("%s is tried by a run that has counted it", ids[0])
	}
}

// A FIFO in place of a cache stops no command.
func TestCachesThatAreFIFOs(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	for _, name := range []string{dueIndexFile, ".edited", backoffFile} {
		if err := syscall.Mkfifo(q.Dir+"/"+name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- q.SetHeld(id, true) }()
	if err := receive(t, "the command", done); err != nil {
		t.Error(err)
	}
	runQueue(t, q, one(&fakeHost{}), everything)
}

func TestShortQueueHasNoDueIndex(t *testing.T) {
	q := newQueue(t)
	for i := range dueIndexWorth - 1 {
		entryUnsynced(t, q, i)
	}
	wantWaiting(t, runQueue(t, q, one(&fakeHost{}), RunOptions{}), dueIndexWorth-1)
	if hasDueIndex(q) {
		t.Error("it has")
	}
}

// A message that nobody has to be told of until after the end of the due index's validity is read
// again all the same.
func TestNothingUntil(t *testing.T) {
	now := time.Now()
	hours := func(n int) time.Time { return now.Add(time.Duration(n) * time.Hour) }
	for name, c := range map[string]struct {
		m    spool.Message
		want time.Time
	}{
		"its next attempt":    {spool.Message{Next: hours(1), DelayTold: true, Progress: []spool.Progress{{State: spool.Deferred}}}, hours(1)},
		"an attempt far away": {spool.Message{Next: hours(7), DelayTold: true, Progress: []spool.Progress{{State: spool.Deferred}}}, hours(4)},
		"late before that":    {spool.Message{Next: hours(3), Envelope: Envelope{Arrival: hours(-2)}, Progress: []spool.Progress{{State: spool.Deferred}}}, hours(2)},
		"held":                {spool.Message{Held: true, DelayTold: true, Progress: []spool.Progress{{State: spool.Deferred}}}, hours(4)},
		"failed":              {spool.Message{Envelope: Envelope{Arrival: hours(-24*30 + 1)}, Progress: []spool.Progress{{State: spool.Refused, Told: hours(-24*30 + 2)}}}, hours(2)},
		"not told of yet":     {spool.Message{Envelope: Envelope{Arrival: hours(-1), Recipients: []Recipient{{}}}, Progress: []spool.Progress{{State: spool.Refused}}}, now},
	} {
		r := &run{}
		if c.m.Envelope.Recipients == nil {
			c.m.Envelope.Recipients = make([]Recipient, len(c.m.Progress))
		}
		if got := r.nothingUntil(&c.m, now); !got.Equal(c.want) {
			t.Errorf("%s: %v from now, want %v", name, got.Sub(now), c.want.Sub(now))
		}
	}
}

func FuzzDecodeDueIndex(f *testing.F) {
	now := time.Now()
	a := &dueIndex{destinations: []string{"example.com"}, lines: []dueLine{{1, wait{uint32(now.Unix()) + 60, 0, true}}, {1 << 63, wait{uint32(now.Unix()) + 70, waitsOwner, false}}}}
	b, err := a.encode("setup", now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(append(b, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got dueIndex
		if !got.decode(b, "setup", now) {
			return
		}
		for i, r := range got.lines {
			if r.why >= 0 && int(r.why) >= len(got.destinations) || int64(r.until) > now.Add(dueIndexTrust).Unix() || i > 0 && got.lines[i-1].id >= r.id {
				t.Fatalf("record %d: %+v", i, r)
			}
		}
	})
}

func TestDueIndexIsReadAsWritten(t *testing.T) {
	now := time.Unix(2e9, 0)
	a := &dueIndex{destinations: []string{"a", "b"}, lines: []dueLine{{3, wait{2e9 + 60, 1, true}}, {9, wait{2e9 + 70, waitsItsTime, false}}}}
	b, err := a.encode("s", now)
	if err != nil {
		t.Fatal(err)
	}
	var got dueIndex
	if !got.decode(b, "s", now) {
		t.Fatal("refused")
	}
	a.disposition = make([]disposition, 2)
	if !reflect.DeepEqual(&got, a) {
		t.Errorf("%+v became %+v", a, got)
	}
}

// The next run need not open a message to find out that it has just been tried in vain.
func TestTriedIsLeftAlone(t *testing.T) {
	q, ids := waitingQueue(t)
	wantWaiting(t, runQueue(t, q, one(&fakeHost{answer: refusing(busy)}), everything), dueIndexWorth)
	for _, id := range ids {
		setMessage(t, q, id, dueNow)
	}
	h := &fakeHost{}
	wantWaiting(t, runQueue(t, q, one(h), RunOptions{}), dueIndexWorth)
	if len(h.got()) > 0 {
		t.Errorf("opened %d", len(h.got()))
	}
}

// New mail that finds that the host works takes along the mail that waited for that, but not mail
// that waits for reasons of its own.
func TestNotDueDoesNotGoAlong(t *testing.T) {
	q, ids := waitingQueue(t) // all but the first have hours to go
	entryUnsynced(t, q, dueIndexWorth)
	wantWaiting(t, runQueue(t, q, one(&fakeHost{answer: refusing(unreachable)}), everything), dueIndexWorth+1)
	if !hasDueIndex(q) {
		t.Fatal("there is no due index")
	}
	new := submit(t, q, "a@example.com")
	h := &fakeHost{}
	runQueue(t, q, one(h), RunOptions{})
	if !slices.Equal(h.got(), []string{new, ids[0]}) {
		t.Errorf("sent %d: %q ...", len(h.got()), h.got()[:min(3, len(h.got()))])
	}
}
