package history

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/queue/history"
	"esmtpq/queue/spool"
)

// A story is what is known of one message.
type story struct {
	id     string
	events []history.Record
	queued *spool.Message // as it is in the queue; nil if it is not there any more
	recent bool           // something has happened since the time that was asked for
}

// stories are the messages by queue ID, which is in the order of their arrival.
type stories struct {
	all    map[string]*story
	oldest time.Time // of the records
	err    error
}

// gather reads the log. All events of a message are kept for one that is recent.
func gather(opt options, reader *history.Reader) *stories {
	s := &stories{all: map[string]*story{}}
	s.err = reader.Poll(func(rec *history.Record, _ []byte) {
		at := s.of(rec.ID)
		at.events = append(at.events, *rec)
		at.recent = at.recent || opt.fits(rec)
		if s.oldest.IsZero() || rec.Time.Before(s.oldest) {
			s.oldest = rec.Time
		}
	})
	return s
}

func (s *stories) of(id string) *story {
	at := s.all[id]
	if at == nil {
		at = &story{id: id}
		s.all[id] = at
	}
	return at
}

// addQueued adds what is in the queue now.
func (s *stories) addQueued(q *spool.Queue) {
	listing, err := q.List()
	if err != nil {
		return
	}
	q.ReadEach(listing.IDs, func(id string, m *spool.Message, err error) {
		if err == nil && !m.Served() {
			at := s.of(id)
			at.queued, at.recent = m, true
		}
	})
}

// reach says how far back the log goes.
func (s *stories) reach() string {
	if s.oldest.IsZero() {
		return ""
	}
	return ": the history begins " + door.Stamp(s.oldest)
}

// print prints the messages that are wanted, and returns how many they are.
func (s *stories) print(w io.Writer, opt options) (n int) {
	for _, id := range slices.Sorted(func(yield func(string) bool) {
		for id := range s.all {
			if !yield(id) {
				return
			}
		}
	}) {
		at := s.all[id]
		if !at.recent || !opt.found(at.texts()...) {
			continue
		}
		if n++; n > 1 {
			fmt.Fprintln(w)
		}
		at.print(w)
	}
	return n
}

// texts returns what a person may look for.
func (at *story) texts() []string {
	var all []string
	for i := range at.events {
		all = append(all, texts(&at.events[i])...)
	}
	if m := at.queued; m != nil {
		all = append(all, m.ID, m.Envelope.Sender())
		for i := range m.Progress {
			all = append(all, m.Envelope.Recipients[i].Address, m.Progress[i].Explain())
		}
	}
	return all
}

// print prints a message: a line about it, and one for each thing that has happened.
func (at *story) print(w io.Writer) {
	var sender, messageID, subject string
	var arrival time.Time
	var size int64
	for _, rec := range at.events {
		sender, arrival, size = rec.Sender, rec.Arrival, rec.Size
		messageID, subject = firstOf(rec.MessageID, messageID), firstOf(rec.Subject, subject)
	}
	if m := at.queued; m != nil {
		sender, arrival, size = m.Envelope.Sender(), m.Envelope.Arrival, m.Envelope.Size
	}
	if sender == "" {
		sender = "<>"
	}
	fmt.Fprintf(w, "%s  %s  %s  %s, %d kB\n", at.id, at.verdict(), door.Stamp(arrival), spool.Printable(sender), (size+999)/1000)
	if messageID != "" {
		fmt.Fprintf(w, "    %s\n", spool.Printable(messageID))
	}
	if subject != "" {
		fmt.Fprintf(w, "    Subject: %s\n", spool.Printable(subject))
	}
	day := arrival.Local().Format(time.DateOnly)
	for i := range at.events {
		rec, form := &at.events[i], time.TimeOnly
		if rec.Time.Local().Format(time.DateOnly) != day {
			form = time.DateTime
		}
		fmt.Fprint(w, "    "+eventLine(rec, form))
	}
	at.printQueued(w)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// printQueued says what a message in the queue waits for.
func (at *story) printQueued(w io.Writer) {
	m := at.queued
	if m == nil {
		return
	}
	said := ""
	for i := range m.Progress {
		p := &m.Progress[i]
		if p.State == spool.Accepted || p.State == spool.LocalDone {
			continue
		}
		why := "not tried yet"
		if scheduled := m.ScheduledText(time.Now(), door.Stamp); scheduled != "" {
			why = scheduled
		}
		switch {
		case p.State == spool.Refused:
			why = "failed: " + p.Explain()
		case p.Text != "" && m.Scheduled(time.Now()).IsZero():
			why = p.Explain()
		}
		if m.Held {
			why = "held: esmtpq release " + m.ID + " lets it go"
		}
		if why == said {
			why = "the same"
		} else {
			said = why
		}
		fmt.Fprintf(w, "    now in the queue for %s: %s\n", spool.Printable(m.Envelope.Recipients[i].Shown()), why)
	}
}

// verdict answers whether the message went out.
func (at *story) verdict() string {
	last := map[string]history.Event{}
	var what history.Event
	for _, rec := range at.events {
		what = rec.Event
		for _, to := range rec.To {
			if !last[to].Went() { // a second copy that was refused takes nothing back
				last[to] = rec.Event
			}
		}
	}
	if m := at.queued; m != nil {
		for i := range m.Progress {
			if to := m.Envelope.Recipients[i].Shown(); last[to] == "" {
				last[to] = "waiting"
			}
		}
	}
	went, failed := 0, 0
	for _, e := range last {
		if e.Went() {
			went++
		}
		if e == history.Failed || e == history.Expired {
			failed++
		}
	}
	switch {
	case went > 0 && went == len(last):
		return "sent"
	case went > 0:
		return fmt.Sprintf("sent to %d of %d", went, len(last))
	case failed == len(last) && failed > 0 && at.queued != nil:
		return "failed"
	case at.queued != nil && at.queued.Held:
		return "held"
	case at.queued != nil:
		return "waiting"
	}
	return string(what)
}

// eventLine returns the line of one event.
func eventLine(rec *history.Record, form string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", rec.Time.Local().Format(form), rec.Event)
	if len(rec.To) > 0 {
		b.WriteString(": " + recipients(rec.To))
	}
	if text := rec.Explain(); text != "" {
		b.WriteString(": " + text)
	}
	if rec.Identity != "" {
		b.WriteString(" [" + rec.Identity)
		if rec.Rule != "" {
			b.WriteString(", by " + rec.Rule)
		}
		if rec.MailFrom != "" {
			b.WriteString(", from " + rec.MailFrom)
		}
		if version, _, _ := strings.Cut(rec.TLS, ","); version != "" {
			b.WriteString(", " + version)
		}
		b.WriteString("]")
	}
	return spool.Printable(b.String()) + "\n"
}

// maxShown is how many recipients of one event are shown.
const maxShown = 5

func recipients(all []string) string {
	if n := len(all) - maxShown; n > 0 {
		return strings.Join(all[:maxShown], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(all, ", ")
}
