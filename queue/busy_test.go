package queue

import (
	"os"
	"strings"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// A run waits for an entry that is busy for a moment, whether it is to be sent or a reason is to
// be noted in it; it passes over entries that stay busy, and does not wait for each of them.
func TestEntryThatIsBusyForAMoment(t *testing.T) {
	q := newQueue(t)
	sent, noted := submit(t, q, "a@example.com"), submit(t, q, "a@nowhere.example")
	for _, id := range []string{sent, noted} {
		e, err := again(t, q).OpenEntry(id)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(100*time.Millisecond, e.Close)
	}
	h := &fakeHost{}
	router := one(h)
	router.hosts["nowhere.example"] = &fakeHost{answer: refusing(unreachable)}
	if sum := runQueue(t, q, router, everything); sum.Done != 1 {
		t.Errorf("came to %+v", sum)
	}
	if m := read(t, q, noted); !strings.Contains(m.Progress[0].Text, "refused") {
		t.Errorf("the reason is not noted: %+v", m.Progress[0])
	}
}

func TestEntriesThatStayBusy(t *testing.T) {
	q := newQueue(t)
	for range 20 {
		e, err := again(t, q).OpenEntry(submit(t, q, "a@example.com"))
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
	}
	free := submit(t, q, "a@example.com")
	h := &fakeHost{}
	begin := time.Now()
	sum := runQueue(t, q, one(h), everything)
	if got := h.got(); len(got) != 1 || got[0] != free {
		t.Errorf("sent %q, want %s; %+v", got, free, sum)
	}
	if took := time.Since(begin); took > 10*entryPatience {
		t.Errorf("took %v", took)
	}
}

// A mail whose end a dead run was sending keeps that mark when the next run cannot try it: it is
// counted, and held where it is to be held.
func TestKilledThenNotTried(t *testing.T) {
	suspended := func() *fakeRouter {
		// Another mail goes first and finds the host unreachable.
		return one(&fakeHost{answer: refusing(unreachable)})
	}
	noRoute := func() *fakeRouter {
		router := one(&fakeHost{})
		router.route = func(*Envelope, Recipient) (Route, error) { return Route{}, os.ErrNotExist }
		return router
	}
	for name, trouble := range map[string]func() *fakeRouter{"suspended": suspended, "no route": noRoute} {
		for _, c := range []struct {
			runs  string
			hold  bool
			sent  int // by the next run that can
			count int
		}{
			{"k", false, 1, 1},
			{"kk", false, 1, 2},
			{"kkk", false, 0, 3},
			{"uuk", false, 0, 3},
			{"k", true, 0, 1},
		} {
			t.Run(name+" "+c.runs, func(t *testing.T) {
				q := newQueue(t)
				submit(t, q, "first@example.com")
				id := submit(t, q, "a@example.com")
				all := RunOptions{All: true, HoldUnsure: c.hold, Select: func(m *spool.Message) bool { return m.ID == id }}
				for _, k := range c.runs {
					runsDie(t, q, id, string(k))
				}
				opt := all
				opt.Select = nil
				for range 2 { // the second finds what the first has noted
					runQueue(t, q, trouble(), opt)
				}
				m := read(t, q, id)
				if letters(m) != "u" || m.Progress[0].Unsure != c.count || m.Held != (c.sent == 0) {
					t.Errorf("not tried: held %v, %+v", m.Held, m.Progress[0])
				}
				h := &fakeHost{}
				runQueue(t, q, one(h), all)
				if len(h.got()) != c.sent {
					t.Errorf("sent %d times more, want %d", len(h.got()), c.sent)
				}
			})
		}
	}
}

// A cache that has grown without bound is read to a bound.
func TestBackoffFileIsReadToABound(t *testing.T) {
	q := newQueue(t)
	b := `{"example.com":{"last":"2026-01-01T00:00:00Z","report":{"Action":"delayed","Text":"` + strings.Repeat("x", 1<<20) + `"}}}`
	if err := os.WriteFile(q.Dir+"/"+backoffFile, []byte(b), 0o600); err != nil {
		t.Fatal(err)
	}
	if all := readBackoffs(q); len(all) != 0 {
		t.Errorf("read %d octets", len(b))
	}
}

// Directories and links with the name of a temporary file are not ours: they stay, and no run
// complains of them.
func TestForeignTemporaryNames(t *testing.T) {
	q := newQueue(t)
	if err := os.MkdirAll(q.Dir+"/..parked-old/kept", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/", q.Dir+"/..agenda1"); err != nil {
		t.Fatal(err)
	}
	if sum := runQueue(t, q, one(nil), everything); len(sum.Trouble) != 0 {
		t.Errorf("came to %q", sum.Trouble)
	}
	wantNames(t, q.Dir, "..parked-old", "..agenda1")
}
