package localmda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/queue"
)

// patience is how long a test waits for something that must happen; only a failing test waits
// that long.
const patience = 20 * time.Second

// message is an awkward content: no end of the last line, a NUL, a CR, a line that looks like one
// of an mbox, a lone dot.
const message = "Subject: x\n\nFrom here\n.\r\n\x00\xff no end"

// handed is what an agent reads then.
const handed = "Return-Path: <sender@example.org>\n" + message

// A fakeContent is a message in memory. From the opening with number damagedAt on, reading it
// gives damage in place of the end; 0 means never.
type fakeContent struct {
	text      string
	damagedAt int
	opened    int
}

func (c *fakeContent) Size() int64     { return int64(len(c.text)) }
func (c *fakeContent) WireSize() int64 { return c.Size() }
func (c *fakeContent) EightBit() bool  { return true }
func (c *fakeContent) Open() (io.ReadCloser, error) {
	c.opened++
	r := io.Reader(strings.NewReader(c.text))
	if c.damagedAt > 0 && c.opened >= c.damagedAt {
		r = io.MultiReader(r, damage{})
	}
	return io.NopCloser(r), nil
}

type damage struct{}

func (damage) Read([]byte) (int, error) { return 0, queue.ErrDamaged }

// A fakeSource gives deliveries and keeps their reports, as text.
type fakeSource struct {
	deliveries []*queue.Delivery
	log        []string
	reports    []queue.Report // of all deliveries
	sendingErr error
	recordErr  error
	recorded   func() // called after each record
}

func (s *fakeSource) Next(bool) *queue.Delivery {
	if len(s.deliveries) == 0 {
		return nil
	}
	d := s.deliveries[0]
	s.deliveries = s.deliveries[1:]
	s.log = append(s.log, "next "+d.ID)
	return d
}

func (s *fakeSource) Backlog() int { return len(s.deliveries) }

func (s *fakeSource) Wait(context.Context, time.Duration) bool { return false }

func (s *fakeSource) Sending(d *queue.Delivery, recipients []int) error {
	line := "sending " + d.ID
	if len(recipients) < len(d.Recipients) { // only for some
		for _, i := range recipients {
			line += " " + d.Recipients[i].Address
		}
	}
	s.log = append(s.log, line)
	return s.sendingErr
}

func (s *fakeSource) Record(outcomes []queue.Outcome) error {
	for _, o := range outcomes {
		s.log = append(s.log, "done "+o.Delivery.ID)
		for k, r := range o.Reports {
			s.log = append(s.log, "  "+o.Delivery.Recipients[o.Recipients[k]].Address+" "+describe(r))
		}
		s.reports = append(s.reports, o.Reports...)
	}
	if s.recorded != nil {
		s.recorded()
	}
	return s.recordErr
}

// describe puts a report into one line, without its text.
func describe(r queue.Report) string {
	s := fmt.Sprintf("%s %s", r.Action, r.Status)
	if r.Scope != "" {
		s += " " + string(r.Scope)
	}
	if r.Unsure {
		s += " unsure"
	}
	return s
}

// mail is a delivery of message to recipients, from sender@example.org.
func mail(id string, recipients ...string) *queue.Delivery {
	sender := "sender@example.org"
	d := &queue.Delivery{
		ID:          id,
		Envelope:    &queue.Envelope{ReversePath: &sender, From: "author@example.org"},
		ReversePath: "forced@example.org",
		Content:     &fakeContent{text: message},
	}
	for _, r := range recipients {
		d.Recipients = append(d.Recipients, queue.Recipient{Address: r})
	}
	return d
}

// newAgent is New, which must succeed.
func newAgent(t *testing.T, command string) *Agent {
	t.Helper()
	a, err := New(command, "")
	if err != nil {
		t.Fatal(err)
	}
	a.Queue, a.Unread = testQueue, true // most of these lines read nothing
	return a
}

// testQueue tells our calls from those of other runs of the tests, which may go on at the same time.
var testQueue = fmt.Sprint("test ", os.Getpid())

// run has the agent carry the deliveries and returns the source with its records.
func run(a *Agent, deliveries ...*queue.Delivery) *fakeSource {
	src := &fakeSource{deliveries: deliveries}
	a.Run(context.Background(), src)
	return src
}

// expectLog compares what was recorded with lines of text.
func (s *fakeSource) expectLog(t *testing.T, want ...string) {
	t.Helper()
	if got, want := strings.Join(s.log, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("recorded\n%s\nwant\n%s", got, want)
	}
}

// outFile is a file for a command to write to, which finds its path in $OUT.
func outFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	t.Setenv("OUT", path)
	return path
}

func expectFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, []byte(want)) {
		t.Errorf("the agent wrote %q, %v, want %q", got, err, want)
	}
}

// makeFIFO returns the path of a fifo that no process has open: opening it waits for the other
// side.
func makeFIFO(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readFIFO returns everything that is written to a fifo until no process has it open for writing.
// It calls first when the first octet has come.
func readFIFO(t *testing.T, path string, first func()) string {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	end := time.Now().Add(patience)
	f.SetReadDeadline(end)
	var got []byte
	buf := make([]byte, 100)
	for time.Now().Before(end) {
		n, err := f.Read(buf)
		if n > 0 && len(got) == 0 {
			first()
		}
		got = append(got, buf[:n]...)
		switch {
		case err == io.EOF && len(got) > 0:
			return string(got)
		case err == io.EOF:
			time.Sleep(time.Millisecond) // no process has opened it yet
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatalf("a process still has the fifo open, which gave %q", got)
		case err != nil:
			t.Fatal(err)
		}
	}
	t.Fatal("no process has opened the fifo")
	return ""
}
