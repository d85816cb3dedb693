package queue

import (
	"strings"
	"testing"

	"esmtpq/queue/spool"
)

// The Message-ID that a host gives a mail is remembered before the mail is recorded as sent: wherever the run
// is killed, what answers the mail knows of it, or the mail is sent again. Mail by other hosts stays as it is.
func TestThread(t *testing.T) {
	q := newQueue(t)
	h := &fakeHost{answer: func(d *Delivery, _ Recipient) Report {
		r := relayed
		r.Text = "OK <NEW-" + d.ID + "@host> [Hostname=host]"
		return r
	}}
	renames := true
	router := one(h)
	router.route = func(_ *Envelope, rcpt Recipient) (Route, error) {
		return Route{Destination: "example.com", Address: rcpt.Address, Renames: renames}, nil
	}
	one := commit(t, q, envelopeFor("a@example.com"), "Message-ID: <one@x>\n\ntext\n")
	two := commit(t, q, envelopeFor("a@example.com"), "Message-ID: <two@x>\nIn-Reply-To: <one@x>\n\ntext\n")
	w := &rememberer{t: t, q: again(t, q)}
	w.knows = func(all spool.Renamings, id string) bool {
		return all.Of(map[string]string{one: "<one@x>", two: "<two@x>"}[id]) == "<NEW-"+id+"@host>"
	}
	runQueue(t, q, router, RunOptions{Observer: w})
	if len(h.contents) != 2 || h.contents[1] != "Message-ID: <two@x>\nIn-Reply-To: <NEW-"+one+"@host>\n\ntext\n" || w.told != 2 {
		t.Errorf("%q, told %d", h.contents, w.told)
	}
	renames = false
	commit(t, q, envelopeFor("a@example.com"), "In-Reply-To: <one@x>\n\ntext\n")
	runQueue(t, q, router, RunOptions{})
	if !strings.Contains(h.contents[2], "<one@x>") {
		t.Errorf("%q", h.contents[2])
	}
}

// A rememberer looks what is remembered when it is told of a message.
type rememberer struct {
	witness
	t     *testing.T
	q     *spool.Queue
	told  int
	knows func(all spool.Renamings, id string) bool
}

func (w *rememberer) Tried(all []Trial) {
	for _, one := range all {
		w.told++
		if !w.knows(w.q.Renamings(), one.ID) {
			w.t.Errorf("%s: not remembered", one.ID)
		}
	}
}
func (w *rememberer) Recorded([]Trial) {}
