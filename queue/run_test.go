package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

func TestSeriesGoesOutInOrderOverOneSession(t *testing.T) {
	q := newQueue(t)
	var ids []string
	for range 50 {
		ids = append(ids, submit(t, q, "a@example.com"))
	}
	h := &fakeHost{}
	sum := runQueue(t, q, one(h), everything)
	if h.sessions != 1 || !slices.Equal(h.got(), ids) {
		t.Errorf("%d sessions, sent %q, want %q", h.sessions, h.got(), ids)
	}
	if sum.Done != 50 || len(sum.Waiting)+len(sum.Failed)+len(sum.Trouble) > 0 {
		t.Errorf("came to %+v", sum)
	}
	wantNames(t, q.Dir)
}

func TestEmptyQueue(t *testing.T) {
	h := &fakeHost{}
	sum := runQueue(t, newQueue(t), one(h), everything)
	if h.sessions != 0 || sum.Done+len(sum.Waiting)+len(sum.Failed)+len(sum.Trouble) > 0 {
		t.Errorf("%d sessions, %+v", h.sessions, sum)
	}
}

// One destination hangs as long as the other has mail, some of which arrives only meanwhile.
func TestDestinationsDoNotWaitForEachOther(t *testing.T) {
	q := newQueue(t)
	stuck := submit(t, q, "a@slow.example")
	first := submit(t, q, "a@example.com")
	var second string
	begun, release := make(chan struct{}), make(chan struct{})
	slow := &fakeHost{before: func(*Delivery) { close(begun); <-release }}
	fast := &fakeHost{}
	fast.after = func(src Source, d *Delivery) {
		switch d.ID {
		case first:
			receive(t, "the slow destination", begun)
			second = submit(t, again(t, q), "a@example.com")
		case second:
			close(release)
		}
	}
	runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"slow.example": slow, "example.com": fast}}, everything)
	if !slices.Equal(fast.got(), []string{first, second}) || !slices.Equal(slow.got(), []string{stuck}) {
		t.Errorf("sent %q and %q", fast.got(), slow.got())
	}
}

// The same, but the destination had ended when its new mail arrived: the run itself finds the
// mail.
func TestNewMailWakesADestinationThatHasEnded(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@slow.example")
	submit(t, q, "a@example.com")
	ended, arrived := make(chan struct{}), make(chan struct{})
	slow := &fakeHost{before: func(*Delivery) {
		<-ended
		submit(t, again(t, q), "a@example.com")
		receive(t, "the new mail", arrived)
	}}
	fast := &fakeHost{}
	fast.goodbye = func(Source) {
		if len(fast.got()) == 1 {
			close(ended)
		} else {
			close(arrived)
		}
	}
	runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"slow.example": slow, "example.com": fast}}, everything)
	if len(fast.got()) != 2 || fast.sessions != 2 {
		t.Errorf("sent %q over %d sessions", fast.got(), fast.sessions)
	}
}

func TestTroubleOfAnIdentityEndsItsDestination(t *testing.T) {
	q := newQueue(t)
	var bad, good []string
	for range 3 {
		bad = append(bad, submit(t, q, "a@example.com"))
		good = append(good, submit(t, q, "a@other.example"))
	}
	h, other := &fakeHost{answer: refusing(unreachable)}, &fakeHost{}
	sum := runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"example.com": h, "other.example": other}}, everything)
	if h.sessions != 1 || !slices.Equal(h.got(), bad[:1]) {
		t.Errorf("%d sessions, tried %q", h.sessions, h.got())
	}
	if !slices.Equal(other.got(), good) {
		t.Errorf("the other destination sent %q", other.got())
	}
	for _, id := range bad {
		m := read(t, q, id)
		if m.Attempts != 0 || letters(m) != "d" || m.Progress[0].Text != unreachable.Text || !due(m.Next, time.Now()) {
			t.Errorf("left as %+v", m)
		}
	}
	want := []Reason{{Destination: "example.com", Text: unreachable.Text, Messages: 3}}
	if !slices.Equal(sum.Waiting, want) || sum.Done != 3 {
		t.Errorf("came to %+v", sum)
	}
}

// A lost reply concerns only the message that it was lost for, whatever else it means.
func TestLostReplyDoesNotSpreadOverTheDestination(t *testing.T) {
	q := newQueue(t)
	first, second := submit(t, q, "a@example.com"), submit(t, q, "a@example.com")
	lost := replyLost
	lost.Scope = ScopeIdentity
	runQueue(t, q, one(&fakeHost{answer: refusing(lost)}), everything)
	if a, b := letters(read(t, q, first)), letters(read(t, q, second)); a != "u" || b != "d" {
		t.Errorf("left %q and %q", a, b)
	}
	runQueue(t, q, one(&fakeHost{}), RunOptions{Select: func(*spool.Message) bool { return false }})
	if b := letters(read(t, q, second)); b != "d" {
		t.Errorf("the next run made %q of it", b)
	}
}

// The identity waits even if only some recipients' reports say that it does not work.
func TestScopeOfAnyRecipientCounts(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com", "b@example.com")
	rest := submit(t, q, "c@example.com")
	h := &fakeHost{answer: func(d *Delivery, rcpt Recipient) Report {
		if rcpt.Address[0] == 'a' {
			return unreachable
		}
		return busy
	}}
	runQueue(t, q, one(h), everything)
	if m := read(t, q, rest); m.Progress[0].Text != unreachable.Text || len(h.got()) != 1 {
		t.Errorf("tried %q, the rest is left as %+v", h.got(), m.Progress)
	}
}

func TestTroubleOfAMessageIsItsOwn(t *testing.T) {
	for _, r := range []Report{busy, unknownUser, replyLost, {Action: Delayed, Scope: ScopeMessage}, {Action: Failed, Scope: ScopeMessage}} {
		q := newQueue(t)
		bad, good := submit(t, q, "bad@example.com"), submit(t, q, "good@example.com")
		h := &fakeHost{answer: func(d *Delivery, rcpt Recipient) Report {
			if d.ID == bad {
				return r
			}
			return relayed
		}}
		sum := runQueue(t, q, one(h), everything)
		if !slices.Equal(h.got(), []string{bad, good}) || sum.Done != 1 {
			t.Errorf("%+v: sent %q", r, h.got())
		}
		if r.Action == Failed && (len(sum.Failed) != 1 || len(sum.Waiting) != 0 || sum.Failed[0].ID != bad || sum.Failed[0].Address != "bad@example.com") {
			t.Errorf("came to %+v", sum)
		}
	}
}

func TestDueSelectedHeld(t *testing.T) {
	later := func(m *spool.Message) { m.Next, m.Last = time.Now().Add(time.Hour), time.Now().Add(-time.Hour) }
	for _, c := range []struct {
		name string
		opt  RunOptions
		set  func(*spool.Message)
		sent bool
	}{
		{"due", RunOptions{}, func(m *spool.Message) { m.Next = time.Now().Add(-time.Minute) }, true},
		{"not due", RunOptions{}, later, false},
		{"not due, all", everything, later, true},
		{"held", RunOptions{}, func(m *spool.Message) { m.Held = true }, false},
		{"held, all", everything, func(m *spool.Message) { m.Held = true }, false},
		{"selected", RunOptions{Select: func(m *spool.Message) bool { return m.Envelope.Recipients[0].Address == "a@example.com" }}, nil, true},
		{"not selected", RunOptions{All: true, Select: func(m *spool.Message) bool { return false }}, nil, false},
		{"new, but young", RunOptions{Age: time.Hour}, nil, true},
	} {
		q := newQueue(t)
		id := submit(t, q, "a@example.com")
		if c.set != nil {
			setMessage(t, q, id, c.set)
		}
		h := &fakeHost{}
		runQueue(t, q, one(h), c.opt)
		if sent := len(h.got()) == 1; sent != c.sent {
			t.Errorf("%s: sent: %v", c.name, sent)
		}
	}
}

// Two destinations work on one message at the same time, and each writes its part.
func TestOneMessageOverTwoDestinations(t *testing.T) {
	q := newQueue(t)
	for range 20 {
		submit(t, q, "a@one.example", "b@two.example", "c@one.example")
	}
	// Each fails at its fifth message: the rest is noted on messages that the other is working
	// on.
	var hosts [2]*fakeHost
	for i := range hosts {
		n := 0
		hosts[i] = &fakeHost{answer: func(d *Delivery, rcpt Recipient) Report {
			if n++; n > 5*(2-i) {
				return unreachable
			}
			return relayed
		}}
	}
	router := &fakeRouter{hosts: map[string]Transport{"one.example": hosts[0], "two.example": hosts[1]}}
	sum := runQueue(t, q, router, everything)
	if sum.Done != 15 || len(sum.Trouble) > 0 {
		t.Errorf("came to %+v", sum)
	}
	for i := range hosts {
		hosts[i] = &fakeHost{}
	}
	router.hosts = map[string]Transport{"one.example": hosts[0], "two.example": hosts[1]}
	if sum := runQueue(t, q, router, everything); sum.Done != 60-15 {
		t.Errorf("then came to %+v", sum)
	}
	wantNames(t, q.Dir)
}

func TestRouteThatCannotBeFound(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com", "b@example.com", "c@ok.example")
	h := &fakeHost{}
	router := &fakeRouter{hosts: map[string]Transport{"ok.example": h}}
	router.route = func(env *Envelope, rcpt Recipient) (Route, error) {
		if domainOf(rcpt.Address) == "ok.example" {
			return Route{Destination: "ok.example", Address: rcpt.Address}, nil
		}
		return Route{}, fmt.Errorf("no identity for %s", rcpt.Address)
	}
	sum := runQueue(t, q, router, everything)
	m := read(t, q, id)
	if letters(m) != "ddr" || m.Progress[0].Text != "no identity for a@example.com" || m.Progress[1].Text != "no identity for b@example.com" {
		t.Errorf("left as %+v", m.Progress)
	}
	want := []Reason{{Text: "no identity for a@example.com", Messages: 1}, {Text: "no identity for b@example.com", Messages: 1}}
	if !slices.Equal(sum.Waiting, want) {
		t.Errorf("waits for %+v", sum.Waiting)
	}

	router.route = func(*Envelope, Recipient) (Route, error) { return Route{}, errors.New("no configuration") }
	if sum = runQueue(t, q, router, everything); !slices.Equal(sum.Waiting, []Reason{{Text: "no configuration", Messages: 1}}) {
		t.Errorf("one message for one reason, counted as %+v", sum.Waiting)
	}
}

// Each run asks for the routes again, so that a new configuration helps old mail.
func TestRouteDecidesWhatIsSent(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a")
	h := &fakeHost{before: func(d *Delivery) {
		if d.ReversePath != "forced@example.org" || d.Recipients[0].Address != "a@example.com" || d.Envelope.Recipients[0].Address != "a" {
			t.Errorf("delivery of %+v", d)
		}
	}}
	router := one(h)
	router.route = func(*Envelope, Recipient) (Route, error) {
		return Route{Destination: "example.com", Address: "a@example.com", ReversePath: "forced@example.org", Sender: "forced@example.org"}, nil
	}
	runQueue(t, q, router, everything)
	if len(h.contents) != 1 || !strings.Contains(h.contents[0], "Sender: forced@example.org\n") {
		t.Errorf("sent %q", h.contents)
	}
}

// A second run waits for the first one, and leaves alone the mail that the first one has tried
// meanwhile.
func TestSecondRunWaitsAndDoesNotRepeat(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	submit(t, q, "b@other.example")
	other := again(t, q)
	h1, h2 := &fakeHost{answer: refusing(unreachable)}, &fakeHost{}
	busy1 := &fakeHost{answer: refusing(busy)}
	waiting, second := make(chan struct{}), make(chan *Summary, 1)
	var once sync.Once
	h1.before = func(*Delivery) {
		once.Do(func() {
			go func() {
				router := &fakeRouter{hosts: map[string]Transport{"example.com": h2, "other.example": h2}}
				sum, err := Run(context.Background(), other, router, RunOptions{All: true, Waiting: func() { close(waiting) }})
				if err != nil {
					t.Error(err)
				}
				second <- sum
			}()
		})
		receive(t, "the second run to wait", waiting)
	}
	runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"example.com": h1, "other.example": busy1}}, everything)
	sum := receive(t, "the second run", second)
	tried := h2.got()
	// Mail that the first run tried before the second was asked for may be tried again.
	if len(tried) > 1 || len(tried) == 1 && !strings.Contains(h2.to[0], "b@other.example") {
		t.Errorf("the second run tried %q again", h2.to)
	}
	if n := len(sum.Waiting); n+len(tried) != 2 {
		t.Errorf("the second run came to %+v", sum)
	}
	runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"example.com": h2, "other.example": h2}}, everything)
	wantNames(t, q.Dir)
}

func TestRunThatIsNotToWaitAnyLonger(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	other := again(t, q)
	h := &fakeHost{before: func(*Delivery) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if sum, err := Run(ctx, other, one(&fakeHost{}), everything); !errors.Is(err, context.Canceled) || sum != nil {
			t.Errorf("ran: %v, %v", sum, err)
		}
	}}
	runQueue(t, q, one(h), everything)
}

// If progress cannot be recorded, nothing more is sent.
func TestRecordThatFailsStopsTheDestination(t *testing.T) {
	q := newQueue(t)
	var ids []string
	for range 3 {
		ids = append(ids, submit(t, q, "a@example.com"))
	}
	other := submit(t, q, "a@other.example")
	var stopped error
	h := transportFunc(func(ctx context.Context, src Source) {
		d := src.Next(true)
		if err := src.Sending(d, nil); err != nil {
			t.Error(err)
		}
		// Neither by the descriptor nor by the name.
		d.draw.entry.Close()
		if err := os.Rename(q.Dir+"/"+d.ID, q.Dir+"/aside"); err != nil {
			t.Error(err)
		}
		stopped = src.Record([]Outcome{{Delivery: d, Reports: []Report{relayed}}})
		if src.Next(true) != nil {
			t.Error("more was to be drawn")
		}
	})
	ok := &fakeHost{}
	sum := runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"example.com": h, "other.example": ok}}, everything)
	if stopped == nil || len(sum.Trouble) == 0 || !strings.Contains(sum.Trouble[0], ids[0]) {
		t.Errorf("Done: %v, trouble: %q", stopped, sum.Trouble)
	}
	if !slices.Equal(ok.got(), []string{other}) {
		t.Errorf("the other destination sent %q", ok.got())
	}
	if err := os.Rename(q.Dir+"/aside", q.Dir+"/"+ids[0]); err != nil {
		t.Fatal(err)
	}
	if got := letters(read(t, q, ids[0])); got != "s" {
		t.Errorf("the message itself is left as %q", got)
	}
}

func TestEndThatCannotBeMarkedIsNotSent(t *testing.T) {
	q := newQueue(t)
	id := submit(t, q, "a@example.com")
	h := transportFunc(func(ctx context.Context, src Source) {
		d := src.Next(true)
		d.draw.entry.Close()
		if src.Sending(d, nil) == nil {
			t.Error("may be sent")
		}
		src.Record([]Outcome{{Delivery: d, Reports: []Report{busy}}})
	})
	sum := runQueue(t, q, one(h), everything)
	if len(sum.Trouble) == 0 || letters(read(t, q, id)) != "-" {
		t.Errorf("trouble %q, left as %q", sum.Trouble, letters(read(t, q, id)))
	}
}

type transportFunc func(ctx context.Context, src Source)

func (f transportFunc) Run(ctx context.Context, src Source) { f(ctx, src) }

// However badly a transport behaves, the run ends and no mail is lost.
func TestTransportsThatStopEarly(t *testing.T) {
	for name, transport := range map[string]transportFunc{
		"draws nothing": func(ctx context.Context, src Source) {},
		"one at a time": func(ctx context.Context, src Source) {
			if d := src.Next(true); d != nil {
				src.Record([]Outcome{{Delivery: d, Reports: []Report{relayed}}})
			}
		},
		"forgets to answer": func(ctx context.Context, src Source) { src.Next(true) },
		"goes on after the end": func(ctx context.Context, src Source) {
			for src.Next(true) != nil {
			}
			for range 3 {
				src.Next(true)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t)
			for range 3 {
				submit(t, q, "a@example.com")
			}
			sum := runQueue(t, q, one(transport), everything)
			if forgotten := name == "forgets to answer" || name == "goes on after the end"; forgotten {
				wantWaiting(t, sum, 3)
			}
			l, err := q.List()
			if err != nil || len(l.IDs)+sum.Done != 3 {
				t.Errorf("%d are left, %d done, %v", len(l.IDs), sum.Done, err)
			}
			if name == "one at a time" && sum.Done != 3 {
				t.Errorf("only %d were sent", sum.Done)
			}
			q2 := again(t, q)
			q.Close()
			if _, err := q2.List(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRunThatIsCancelled(t *testing.T) {
	q := newQueue(t)
	var ids []string
	for range 5 {
		ids = append(ids, submit(t, q, "a@example.com"))
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &fakeHost{before: func(*Delivery) { cancel() }}
	done := make(chan *Summary, 1)
	go func() {
		sum, err := Run(ctx, q, one(h), everything)
		if err != nil {
			t.Error(err)
		}
		done <- sum
	}()
	sum := receive(t, "the cancelled run", done)
	if sum.Done != 1 || !slices.Equal(h.got(), ids[:1]) {
		t.Errorf("sent %q", h.got())
	}
	left := 0
	for _, w := range sum.Waiting {
		left += w.Messages
	}
	if left != 4 {
		t.Errorf("waiting: %+v", sum.Waiting)
	}
	for _, id := range ids[1:] {
		if m := read(t, q, id); m.Attempts != 0 || !m.Pending() {
			t.Errorf("left as %+v", m)
		}
	}
	h = &fakeHost{}
	runQueue(t, q, one(h), RunOptions{})
	if !slices.Equal(h.got(), ids[1:]) {
		t.Errorf("then sent %q", h.got())
	}
}

// A change that the owner makes to an entry between the scan and its turn is respected.
func TestOwnerIsFasterThanTheRun(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "a@example.com")
	held, removed, byHand, locked := submit(t, q, "a@example.com"), submit(t, q, "a@example.com"), submit(t, q, "a@example.com"), submit(t, q, "a@example.com")
	last := submit(t, q, "a@example.com")
	var e *spool.Entry
	h := &fakeHost{}
	h.before = func(d *Delivery) {
		if len(h.got()) > 1 {
			return
		}
		var err error
		if e, err = again(t, q).OpenEntry(locked); err != nil {
			t.Error(err)
		}
		if err := q.SetHeld(held, true); err != nil {
			t.Error(err)
		}
		if err := q.Remove(removed); err != nil {
			t.Error(err)
		}
		os.RemoveAll(q.Dir + "/" + byHand)
	}
	sum := runQueue(t, q, one(h), everything)
	e.Close()
	if got := h.got(); len(got) != 2 || got[1] != last {
		t.Errorf("sent %q", got)
	}
	wantNames(t, q.Dir, held, locked, ".edited")
	if len(sum.Trouble) > 0 || len(sum.Waiting) != 1 {
		t.Errorf("came to %+v", sum)
	}
}
