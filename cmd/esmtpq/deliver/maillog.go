package deliver

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// A mailLog writes lines in the form of Postfix, which pflogsumm and others read. A nil mailLog writes
// none. Its own fields come last in a line, since those programs take a line with a field between
// theirs for another one.
type mailLog struct {
	sink logSink
	uid  int

	mu    sync.Mutex
	known map[string]bool // queue IDs that this run has introduced
	err   error           // why a line was lost
}

// A logLine is one line, without the time and the name of the machine.
type logLine struct {
	program string // of Postfix, whose line this would be
	text    string // printable
	warning bool
}

// say writes a line about no message in particular.
func (l *mailLog) say(program, text string) {
	if l == nil {
		return
	}
	l.write([]logLine{{program, spool.Printable(text), strings.HasPrefix(text, "warning: ")}})
}

func (l *mailLog) write(lines []logLine) {
	err := l.sink.write(time.Now(), lines)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// close closes the log, and returns why a line was lost.
func (l *mailLog) close() error {
	if l == nil {
		return nil
	}
	l.sink.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.err
	l.err = nil
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

// trials writes what became of messages.
func (l *mailLog) trials(all []queue.Trial, subjects bool) {
	if l == nil {
		return
	}
	var lines []logLine
	for i := range all {
		t := &all[i]
		lines = l.introduce(lines, t, subjects)
		for k := range t.Reports {
			lines = append(lines, outcomeLine(t, k))
		}
		if t.Served {
			lines = append(lines, logLine{program: "qmgr", text: t.ID + ": removed"})
			l.mu.Lock()
			delete(l.known, t.ID)
			l.mu.Unlock()
		}
	}
	l.write(lines)
}

// introduce adds the lines that come before those of the recipients: once for each message that
// it was submitted, and once in each run that it is sent.
func (l *mailLog) introduce(lines []logLine, t *queue.Trial, subjects bool) []logLine {
	l.mu.Lock()
	known := l.known[t.ID]
	l.known[t.ID] = true
	l.mu.Unlock()
	if known {
		return lines
	}
	sender := bracket(t.Envelope.Sender())
	if rp := t.Envelope.ReversePath; rp != nil && *rp == "" {
		sender = "<>"
	}
	if t.First {
		lines = append(lines,
			logLine{program: "pickup", text: fmt.Sprintf("%s: uid=%d from=%s", t.ID, l.uid, sender)},
			logLine{program: "cleanup", text: t.ID + ": message-id=" + spool.Printable(t.Fields.MessageID)})
		if subjects {
			lines = append(lines, logLine{program: "cleanup", text: t.ID + ": info: header Subject: " + spool.Printable(t.Fields.Subject)})
		}
	}
	text := fmt.Sprintf("%s: from=%s, size=%d, nrcpt=%d (queue active)", t.ID, bracket(t.ReversePath), t.Envelope.Size, len(t.Recipients))
	return append(lines, logLine{program: "qmgr", text: text})
}

// outcomeLine returns the line of a report.
func outcomeLine(t *queue.Trial, k int) logLine {
	r, i := &t.Reports[k], t.Which[k]
	program, relay := "smtp", spool.Printable(r.Host)
	if t.Destination == localMail || r.Action == queue.Delivered {
		program, relay = "local", "local"
	}
	if relay == "" {
		relay = "none"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: to=%s, relay=%s, delay=%s, delays=%s, dsn=%s, status=%s (%s)",
		t.ID, bracket(t.Recipients[i].Address), strings.ReplaceAll(relay, ",", "?"), seconds(t.Time.Sub(t.Envelope.Arrival)), delays(t),
		statusOf(r), verdictOf(r), said(r))
	if program == "smtp" {
		fmt.Fprintf(&b, " identity=%s", strings.ReplaceAll(spool.Printable(t.Destination), " ", "_"))
		if version, _, _ := strings.Cut(t.Session.TLS, ","); version != "" {
			fmt.Fprintf(&b, " tls=%s", strings.ReplaceAll(version, " ", ""))
		}
	}
	return logLine{program: program, text: b.String()}
}

// delays returns the four times of Postfix: before the run, in the run until the transport took
// the message, for the session to open, and for the message itself.
func delays(t *queue.Trial) string {
	before, run := t.Run.Sub(t.Envelope.Arrival), t.Drawn.Sub(t.Run)
	if before < 0 { // it came during the run
		before, run = 0, t.Drawn.Sub(t.Envelope.Arrival)
	}
	setup := min(t.Session.Setup, t.Time.Sub(t.Drawn))
	return seconds(before) + "/" + seconds(run) + "/" + seconds(setup) + "/" + seconds(t.Time.Sub(t.Drawn)-setup)
}

// seconds returns a time as Postfix writes it, with two digits that mean something.
func seconds(d time.Duration) string {
	s := max(d, 0).Seconds()
	switch {
	case s < 0.01:
		return "0"
	case s < 1:
		return fmt.Sprintf("%.2f", s)
	case s < 10:
		return fmt.Sprintf("%.1f", s)
	}
	return fmt.Sprintf("%.0f", s)
}

// statusOf returns the enhanced status code of a report, which has none for an outcome of ours.
func statusOf(r *queue.Report) string {
	if s := spool.Printable(r.Status); s != "" && !strings.ContainsAny(s, ", ") {
		return s
	}
	switch r.Action {
	case queue.Failed:
		return "5.0.0"
	case queue.Delayed:
		return "4.0.0"
	}
	return "2.0.0"
}

func verdictOf(r *queue.Report) string {
	switch r.Action {
	case queue.Failed:
		return "bounced"
	case queue.Delayed:
		return "deferred"
	}
	return "sent"
}

// said returns a reason. The words of a reply to an accepted message come without "said".
func said(r *queue.Report) string {
	if r.Action.Final() && r.Code != 0 {
		return fmt.Sprintf("%d %s %s", r.Code, spool.Printable(r.Status), spool.Printable(r.Text))
	}
	if text := r.Explain(); text != "" {
		return text
	}
	return "delivered"
}

// bracket returns an address as it stands in a line, from which it cannot break out.
func bracket(address string) string {
	return "<" + strings.NewReplacer("<", "?", ">", "?").Replace(spool.Printable(address)) + ">"
}

// openMailLog opens the log that the configuration names.
func openMailLog(target string) (*mailLog, error) {
	if target == "" {
		return nil, nil
	}
	sink, err := openSink(target)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return &mailLog{sink: sink, uid: os.Getuid(), known: map[string]bool{}}, nil
}
