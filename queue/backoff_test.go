package queue

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"esmtpq/queue/spool"
)

// backedOff returns a queue with mail of one identity that did not work, and the IDs of the mail.
func backedOff(t *testing.T, why Report, n int) (*spool.Queue, []string) {
	t.Helper()
	q := newQueue(t)
	var ids []string
	for range n {
		ids = append(ids, submit(t, q, "a@example.com"))
	}
	runQueue(t, q, one(&fakeHost{answer: refusing(why)}), RunOptions{})
	return q, ids
}

// setBackoff changes what is known of the identity.
func setBackoff(t *testing.T, q *spool.Queue, change func(p *backoff)) {
	t.Helper()
	all := readBackoffs(q)
	change(all["example.com"])
	if err := writeBackoffs(q, all); err != nil {
		t.Fatal(err)
	}
}

func TestBackoffOfIdentityIsLeftAlone(t *testing.T) {
	q, ids := backedOff(t, unreachable, 3)
	other := submit(t, q, "a@other.example")
	h, fine := &fakeHost{}, &fakeHost{}
	sum := runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"example.com": h, "other.example": fine}}, RunOptions{})
	if h.sessions != 0 || !slices.Equal(fine.got(), []string{other}) {
		t.Errorf("mail of another identity made it try %q; the other sent %q", h.got(), fine.got())
	}
	if want := []Reason{{Destination: "example.com", Text: unreachable.Text, Messages: 3}}; !slices.Equal(sum.Waiting, want) {
		t.Errorf("waits for %+v", sum.Waiting)
	}
	for _, id := range ids {
		if m := read(t, q, id); m.Attempts != 0 {
			t.Errorf("charged: %+v", m)
		}
	}
}

func TestBackoffOfIdentityThatIsDue(t *testing.T) {
	for name, change := range map[string]func(p *backoff){
		"due":                   func(p *backoff) { p.Next = time.Now().Add(-time.Second) },
		"clock was set back":    func(p *backoff) { p.Next = time.Now().Add(24 * time.Hour); p.Last = p.Next },
		"refused password, due": func(p *backoff) { p.Report = badPassword; p.Next = time.Now().Add(-time.Second) },
	} {
		q, ids := backedOff(t, unreachable, 3)
		setBackoff(t, q, change)
		h := &fakeHost{}
		runQueue(t, q, one(h), RunOptions{})
		if !slices.Equal(h.got(), ids) {
			t.Errorf("%s: sent %q, want %q", name, h.got(), ids)
		}
		wantNames(t, q.Dir)
	}
}

func TestNewMailTriesANetworkThatWasDown(t *testing.T) {
	q, ids := backedOff(t, unreachable, 3)
	ids = append(ids, submit(t, q, "a@example.com"))
	h := &fakeHost{}
	runQueue(t, q, one(h), RunOptions{})
	if !slices.Equal(h.got(), ids) || h.sessions != 1 {
		t.Errorf("sent %q in %d sessions, want %q: what waited goes along, in its order", h.got(), h.sessions, ids)
	}
}

// The same, but the new mail arrives while a run is busy elsewhere and has passed over the old
// mail.
func TestNewMailDuringARunTakesTheWaitingAlong(t *testing.T) {
	q, ids := backedOff(t, unreachable, 2)
	submit(t, q, "a@other.example")
	h, other := &fakeHost{}, &fakeHost{}
	other.after = func(src Source, d *Delivery) {
		ids = append(ids, submit(t, q, "a@example.com"))
		src.(*destination).run.rescan()
	}
	runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"example.com": h, "other.example": other}}, RunOptions{})
	if !slices.Equal(h.got(), ids) {
		t.Errorf("sent %q, want %q", h.got(), ids)
	}
}

func TestNewMailIsNoReasonToTryARefusedPassword(t *testing.T) {
	q, _ := backedOff(t, badPassword, 2)
	id := submit(t, q, "a@example.com")
	h := &fakeHost{}
	sum := runQueue(t, q, one(h), RunOptions{})
	if h.sessions != 0 {
		t.Errorf("tried %q", h.got())
	}
	if m := read(t, q, id); letters(m) != "d" || m.Progress[0].Code != 535 || m.Attempts != 0 {
		t.Errorf("the new message was left as %+v", m)
	}
	if len(sum.Waiting) != 1 || sum.Waiting[0].Messages != 3 {
		t.Errorf("waits for %+v", sum.Waiting)
	}
}

func TestAllTriesWhatWaits(t *testing.T) {
	for _, why := range []Report{unreachable, badPassword} {
		q, ids := backedOff(t, why, 2)
		h := &fakeHost{}
		runQueue(t, q, one(h), everything)
		if !slices.Equal(h.got(), ids) {
			t.Errorf("%s: sent %q", why.Text, h.got())
		}
		wantNames(t, q.Dir)
	}
}

func TestBackoffLasts(t *testing.T) {
	q, _ := backedOff(t, unreachable, 1)
	before := *readBackoffs(q)["example.com"]
	setBackoff(t, q, func(p *backoff) { p.Since = p.Since.Add(-time.Hour); p.Next = time.Time{} })
	runQueue(t, q, one(&fakeHost{answer: refusing(unreachable)}), RunOptions{})
	after := readBackoffs(q)["example.com"]
	if before.Attempts != 1 || after.Attempts != 2 || after.Next.Sub(after.Last) < 45*time.Minute {
		t.Errorf("before: %+v, after an hour: %+v", before, after)
	}
	// Mail that the host refuses shows that the identity works.
	runQueue(t, q, one(&fakeHost{answer: refusing(busy)}), everything)
	if all := readBackoffs(q); len(all) != 0 {
		t.Errorf("still waits: %+v", all)
	}
}

// The file is a cache; whatever it contains, mail is neither lost nor held up.
func TestBackoffFileThatIsNot(t *testing.T) {
	for name, text := range map[string]string{
		"empty":       "",
		"torn":        `{"example.com": {"since": "2026-`,
		"null":        "null",
		"null in it":  `{"example.com": null}`,
		"a list":      "[]",
		"relayed":     `{"example.com": {"next": "2999-01-01T00:00:00Z", "report": {"Action": "relayed"}}}`,
		"not reached": `{"example.com": {"next": "2999-01-01T00:00:00Z", "report": {"Action": "delayed"}}}`,
		"other time":  `{"example.com": {"next": 5, "report": {"Action": "delayed"}}}`,
	} {
		q := newQueue(t)
		id := submit(t, q, "a@example.com")
		setMessage(t, q, id, func(m *spool.Message) { m.Last = time.Now().Add(-time.Hour) })
		if err := os.WriteFile(q.Dir+"/"+backoffFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		h := &fakeHost{}
		runQueue(t, q, one(h), RunOptions{})
		if len(h.got()) != 1 {
			t.Errorf("%s: not sent", name)
		}
	}
}

// The umask belongs to the process, so setting it takes a process of its own.
func TestBackoffFileModeWhateverTheUmask(t *testing.T) {
	for _, umask := range []string{"0", "0777", "0027"} {
		q := newQueue(t)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), roleVariable+"=umask", "QUEUE_TEST_DIR="+q.Dir, "QUEUE_TEST_UMASK="+umask)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if st, err := os.Stat(q.Dir + "/" + backoffFile); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("umask %s: mode %v, %v", umask, st.Mode(), err)
		}
	}
}

func init() {
	roles["umask"] = func() error {
		var mask int
		fmt.Sscanf(os.Getenv("QUEUE_TEST_UMASK"), "%o", &mask)
		syscall.Umask(mask)
		q, err := spool.Open(os.Getenv("QUEUE_TEST_DIR"))
		if err != nil {
			return err
		}
		defer q.Close()
		return writeBackoffs(q, backoffs{"destination": &backoff{}})
	}
}
