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

// restful returns a queue with an agenda, by which nothing is to be done about any message for hours, and
// their IDs; and makes the first of them due behind its back, for runs that open it to find out.
func restful(t *testing.T) (*spool.Queue, []string) {
	t.Helper()
	q := newQueue(t)
	for i := range agendaWorth {
		entryUnsynced(t, q, i)
	}
	sum := runQueue(t, q, one(&fakeHost{}), RunOptions{})
	wantWaiting(t, sum, agendaWorth)
	l, err := q.List()
	if err != nil {
		t.Fatal(err)
	}
	if !hasAgenda(q) {
		t.Fatal("there is no agenda")
	}
	setMessage(t, q, l.IDs[0], dueNow)
	return q, l.IDs
}

func dueNow(m *spool.Message) { m.Next = time.Now().Add(-time.Minute) }

func hasAgenda(q *spool.Queue) bool {
	_, err := os.Lstat(q.Dir + "/" + agendaFile)
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

func TestRunReliesOnTheAgenda(t *testing.T) {
	q, _ := restful(t)
	before, _ := os.ReadFile(q.Dir + "/" + agendaFile)
	h := &fakeHost{}
	wantWaiting(t, runQueue(t, q, one(h), RunOptions{}), agendaWorth)
	if len(h.got()) > 0 {
		t.Errorf("opened %q all the same", h.got())
	}
	after, _ := os.ReadFile(q.Dir + "/" + agendaFile)
	if !bytes.Equal(before, after) {
		t.Error("a run that found nothing new wrote the agenda again")
	}
}

// Whatever makes the agenda void, what is due goes out.
func TestAgendaIsVoid(t *testing.T) {
	rewrite := func(change func(a *agenda) time.Time) func(*testing.T, *spool.Queue, []string) {
		return func(t *testing.T, q *spool.Queue, ids []string) {
			r := &run{q: q}
			a := readAgenda(q, r.setup(), time.Now())
			written := change(a)
			if err := writeAgenda(q, a, r.setup(), written); err != nil || !hasAgenda(q) {
				t.Fatal(err)
			}
		}
	}
	spoil := func(at int) func(*testing.T, *spool.Queue, []string) {
		return func(t *testing.T, q *spool.Queue, ids []string) {
			b, err := os.ReadFile(q.Dir + "/" + agendaFile)
			if err != nil {
				t.Fatal(err)
			}
			b[(at+len(b))%len(b)] ^= 1
			if err := os.WriteFile(q.Dir+"/"+agendaFile, b, 0o600); err != nil {
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
		"its time has come":   {before: rewrite(func(a *agenda) time.Time { a.lines[0].until = uint32(time.Now().Unix()); return time.Now() })},
		"it is old":           {before: rewrite(func(*agenda) time.Time { return time.Now().Add(-agendaTrust - time.Minute) })},
		"the clock was set":   {before: rewrite(func(*agenda) time.Time { return time.Now().Add(time.Minute) })},
		"a record is damaged": {before: spoil(-3)},
		"the head is damaged": {before: spoil(2)},
		"it is gone":          {before: func(t *testing.T, q *spool.Queue, _ []string) { os.Remove(q.Dir + "/" + agendaFile) }},
		"it is a directory": {before: func(t *testing.T, q *spool.Queue, _ []string) {
			os.Remove(q.Dir + "/" + agendaFile)
			os.Mkdir(q.Dir+"/"+agendaFile, 0o700)
		}},
		"a message was held":      {before: func(t *testing.T, q *spool.Queue, ids []string) { q.SetHeld(ids[5], true) }},
		"the message was retried": {before: func(t *testing.T, q *spool.Queue, ids []string) { q.Retry(ids[0]) }},
	} {
		t.Run(name, func(t *testing.T) {
			q, ids := restful(t)
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

// Held mail is at rest, and released goes out with the next run.
func TestReleasedInSpiteOfTheAgenda(t *testing.T) {
	q, ids := restful(t)
	if err := q.SetHeld(ids[0], true); err != nil {
		t.Fatal(err)
	}
	h := &fakeHost{}
	runQueue(t, q, one(h), RunOptions{})
	wantWaiting(t, runQueue(t, q, one(h), RunOptions{}), agendaWorth-1)
	if !hasAgenda(q) || q.Edited() {
		t.Fatal("no agenda was made anew")
	}
	if err := q.SetHeld(ids[0], false); err != nil {
		t.Fatal(err)
	}
	runQueue(t, q, one(h), RunOptions{})
	if !slices.Equal(h.got(), ids[:1]) {
		t.Errorf("sent %q", h.got())
	}
}

// What is changed while a run goes on, which has looked at it already, is seen by the next.
func TestEditedBehindARun(t *testing.T) {
	q, ids := restful(t)
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

// Mail that waits for its identity is not opened either, and goes along, in order, with new mail that finds the host.
func TestParkedByTheAgenda(t *testing.T) {
	q, ids := restful(t)
	for _, id := range ids {
		setMessage(t, q, id, func(m *spool.Message) { *m = spool.Message{Next: time.Now().Add(-time.Minute)} })
	}
	wantWaiting(t, runQueue(t, q, one(&fakeHost{answer: refusing(unreachable)}), everything), agendaWorth)
	h := &fakeHost{}
	runQueue(t, q, one(h), RunOptions{}) // reads the one that was tried
	if err := os.Rename(file(q, ids[7], "envelope"), file(q, ids[7], "hidden")); err != nil {
		t.Fatal(err)
	}
	sum := runQueue(t, q, one(h), RunOptions{})
	wantWaiting(t, sum, agendaWorth)
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
	if hasAgenda(q) {
		t.Error("an agenda of nothing was left")
	}
}

// A run that dies leaves no agenda that tells of what it has changed, whatever it has noted before.
func TestAgendaGoesBeforeAnEntryIsChanged(t *testing.T) {
	for name, opt := range map[string]RunOptions{"in use": {}, "of another setup": {Setup: "another"}} {
		q, ids := restful(t)
		if err := os.RemoveAll(q.Dir + "/" + ids[0]); err != nil { // which would go out
			t.Fatal(err)
		}
		entryInState(t, q, "f", "envelope mail", func(*spool.Message) {}) // which rests, and is noted first
		submit(t, q, "a@example.com")
		h := &fakeHost{before: func(*Delivery) {
			if hasAgenda(q) {
				t.Errorf("%s: it was there while a message was sent", name)
			}
		}}
		runQueue(t, q, one(h), opt)
		if len(h.got()) != 1 {
			t.Errorf("%s: sent %q", name, h.got())
		}
	}
}

// What a run has counted among what waits is left to the next one, should its time come meanwhile.
func TestCountedIsLeft(t *testing.T) {
	q, ids := restful(t)
	r := &run{q: q, notes: notes{old: readAgenda(q, (&run{q: q}).setup(), time.Now())}, reasons: map[Reason]int{}}
	if !r.rests(0, true) {
		t.Fatal("it does not rest")
	}
	r.notes.old.lines[0].until = uint32(time.Now().Unix()) - 1
	if !r.rests(0, false) {
		t.Errorf("%s is tried by a run that has counted it", ids[0])
	}
}

// A FIFO in the place of a cache stops no command.
func TestCachesThatAreFIFOs(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	for _, name := range []string{agendaFile, ".edited", parkFile} {
		if err := syscall.Mkfifo(q.Dir+"/"+name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- q.SetHeld(id, true) }()
	if err := wait(t, "the command", done); err != nil {
		t.Error(err)
	}
	runQueue(t, q, one(&fakeHost{}), everything)
}

func TestShortQueueHasNoAgenda(t *testing.T) {
	q := newQueue(t)
	for i := range agendaWorth - 1 {
		entryUnsynced(t, q, i)
	}
	wantWaiting(t, runQueue(t, q, one(&fakeHost{}), RunOptions{}), agendaWorth-1)
	if hasAgenda(q) {
		t.Error("it has")
	}
}

// A message of which nobody may hear for longer than the agenda is believed is looked at again all the same.
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

func FuzzDecodeAgenda(f *testing.F) {
	now := time.Now()
	a := &agenda{lanes: []string{"example.com"}, lines: []agendaLine{{1, rest{uint32(now.Unix()) + 60, 0, true}}, {1 << 63, rest{uint32(now.Unix()) + 70, restIdle, false}}}}
	b, err := a.encode("setup", now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(append(b, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got agenda
		if !got.decode(b, "setup", now) {
			return
		}
		for i, r := range got.lines {
			if r.lane >= 0 && int(r.lane) >= len(got.lanes) || int64(r.until) > now.Add(agendaTrust).Unix() || i > 0 && got.lines[i-1].id >= r.id {
				t.Fatalf("record %d: %+v", i, r)
			}
		}
	})
}

func TestAgendaIsReadAsWritten(t *testing.T) {
	now := time.Unix(2e9, 0)
	a := &agenda{lanes: []string{"a", "b"}, lines: []agendaLine{{3, rest{2e9 + 60, 1, true}}, {9, rest{2e9 + 70, restLater, false}}}}
	b, err := a.encode("s", now)
	if err != nil {
		t.Fatal(err)
	}
	var got agenda
	if !got.decode(b, "s", now) {
		t.Fatal("refused")
	}
	a.fate = make([]fate, 2)
	if !reflect.DeepEqual(&got, a) {
		t.Errorf("%+v became %+v", a, got)
	}
}

// What a run has tried in vain need not be opened by the next one to find out.
func TestTriedIsAtRest(t *testing.T) {
	q, ids := restful(t)
	wantWaiting(t, runQueue(t, q, one(&fakeHost{answer: refusing(busy)}), everything), agendaWorth)
	for _, id := range ids {
		setMessage(t, q, id, dueNow)
	}
	h := &fakeHost{}
	wantWaiting(t, runQueue(t, q, one(h), RunOptions{}), agendaWorth)
	if len(h.got()) > 0 {
		t.Errorf("opened %d", len(h.got()))
	}
}

// New mail that finds the host takes along what waited for that, and not what is to be tried later for reasons of its own.
func TestNotDueDoesNotGoAlong(t *testing.T) {
	q, ids := restful(t) // all but the first have hours to go
	entryUnsynced(t, q, agendaWorth)
	wantWaiting(t, runQueue(t, q, one(&fakeHost{answer: refusing(unreachable)}), everything), agendaWorth+1)
	if !hasAgenda(q) {
		t.Fatal("there is no agenda")
	}
	new := submit(t, q, "a@example.com")
	h := &fakeHost{}
	runQueue(t, q, one(h), RunOptions{})
	if !slices.Equal(h.got(), []string{new, ids[0]}) {
		t.Errorf("sent %d: %q ...", len(h.got()), h.got()[:min(3, len(h.got()))])
	}
}
