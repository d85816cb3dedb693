// Package list is mailq: it lists the queue.
package list

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/message"
	"esmtpq/queue/spool"
)

// help explains the options of mailq.
const help = `  -q                     run the queue instead, as deliver does
  -v                     attempts, and when the next one is due
  --json                 one JSON object per message
  --count                just how many there are
  --watch                show the list until you type q, and draw it anew when it changes
  --quiet                nothing: exit status 0 if no mail waits, 1 if some does, 2 if it needs you
`

// options are the options of mailq.
type options struct {
	json    bool // one object per message
	count   bool // only the number of messages
	quiet   bool // only an exit status
	watch   bool // until a person ends it
	verbose bool // attempts, and when the next one is due
}

// Verb is mailq, and sendmail -bp.
func Verb(c *door.Call) error {
	if inv := c.Sendmail; inv != nil {
		return list(c, options{count: inv.Mode == argv.Count, verbose: inv.Verbose})
	}
	if c.AsksHelp() {
		return c.Help(help)
	}
	var opt options
	rest := c.Args
	rest, opt.json = argv.Cut(rest, "--json")
	rest, opt.count = argv.Cut(rest, "--count")
	rest, opt.quiet = argv.Cut(rest, "--quiet")
	rest, opt.watch = argv.Cut(rest, "--watch")
	inv := &argv.Invocation{Mode: argv.List}
	if err := inv.Parse(rest); err != nil {
		return err
	}
	if len(inv.Operands) > 0 {
		return exit.Fail(exit.Usage, "unexpected argument %s: see mailq --help", spool.Printable(inv.Operands[0]))
	}
	if inv.Mode != argv.List {
		return c.Hand(inv)
	}
	opt.verbose = inv.Verbose
	if opt.watch && (opt.json || opt.count || opt.quiet) {
		return exit.Fail(exit.Usage, "--watch goes together with -v only")
	}
	if opt.watch {
		return watch(c, opt)
	}
	return list(c, opt)
}

// list prints the queue. It takes no lock and reads no configuration.
func list(c *door.Call, opt options) error {
	spool.OnLongEnvelope = sync.OnceFunc(func() { debug.SetGCPercent(spool.GCPercent) })
	q, err := door.OpenQueue()
	if err != nil {
		return err
	}
	if q != nil {
		defer q.Close()
	}
	if opt.count && !opt.quiet {
		return count(c, q)
	}
	out := bufio.NewWriterSize(c.Out, 64<<10)
	if err := write(c, q, opt, out); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if !opt.quiet && !opt.json {
		tellNews(c, q)
	}
	return nil
}

// write writes the list.
func write(c *door.Call, q *spool.Queue, opt options, to io.Writer) error {
	listing := &spool.Listing{}
	if q != nil {
		var err error
		if listing, err = q.List(); err != nil {
			return exit.Spool("cannot read the queue", err)
		}
	}
	out := bufio.NewWriterSize(to, 64<<10)
	t := troubleOf(q, listing.IDs)
	running, transfers := false, map[string]spool.Transfer{}
	if q != nil {
		running, transfers = q.Running(), q.Transfers()
	}
	var w listWriter = &jsonList{out, t, transfers}
	if opt.quiet {
		w, listing.Foreign = &quietList{trouble: t}, nil
	} else if !opt.json {
		w = &postfixList{
			out: out, verbose: opt.verbose, colour: !opt.watch && colourful(c.Out), now: time.Now(),
			running: running, transfers: transfers, trouble: t,
		}
	}
	walk(c, q, listing, w)
	if q != nil && !opt.quiet && q.Running() {
		if text, stopped := door.Rival(q); stopped {
			fmt.Fprintf(c.Err, "%s: %s\n", c.Name, text)
		}
	}
	if err := w.end(); err != nil {
		return err
	}
	return out.Flush()
}

// count prints how many messages there are.
func count(c *door.Call, q *spool.Queue) error {
	n := 0
	if q != nil {
		var err error
		if n, err = q.Count(); err != nil {
			return exit.Spool("cannot read the queue", err)
		}
	}
	_, err := fmt.Fprintln(c.Out, n)
	return err
}

// A listWriter prints the queue in one of the forms.
type listWriter interface {
	message(m *spool.Message)
	damaged(id string, arrival time.Time, reason string)
	legacy(e *spool.LegacyEntry, sender string, recipients []string, reason string)
	end() error
}

// walk passes each message in the queue to w, the oldest first.
func walk(c *door.Call, q *spool.Queue, l *spool.Listing, w listWriter) {
	for _, name := range l.Legacy {
		e, err := q.ReadLegacy(name)
		if e == nil {
			continue // gone
		}
		sender, recipients := submit.LegacyAddresses(q, e)
		w.legacy(e, sender, recipients, submit.LegacyReason(e, err))
	}
	q.ReadEach(l.IDs, func(id string, m *spool.Message, err error) {
		switch {
		case errors.Is(err, fs.ErrNotExist): // sent meanwhile
		case err != nil:
			w.damaged(id, spool.ArrivalOf(id), spool.Printable(err.Error()))
		case !m.Served():
			w.message(m)
		}
	})
	if len(l.Foreign) > 0 {
		fmt.Fprintf(c.Err, "%s: %s\n", c.Name, q.Foreign(l.Foreign))
	}
}

// postfixList prints in the form of Postfix, which programs parse.
type postfixList struct {
	out     *bufio.Writer
	verbose bool
	colour  bool
	running bool // a queue run goes on
	now     time.Time
	trouble trouble

	transfers map[string]spool.Transfer // what it is sending
	n         int
	size      int64
}

const (
	listHeading = "-Queue ID-------- --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
	listIndent  = 48 // column of senders and recipients
	listWidth   = 77 // to which reasons are right-aligned
)

func (w *postfixList) entry(id string, mark string, size int64, arrival time.Time, sender string) {
	if w.n == 0 {
		w.out.WriteString(listHeading)
	} else {
		w.out.WriteByte('\n')
	}
	w.n++
	w.size += size
	if sender == "" {
		sender = "MAILER-DAEMON"
	}
	// This is "%-17s %8d  %s %s\n"; in a queue of many thousands, fmt would take a tenth of the time.
	octets := strconv.FormatInt(size, 10)
	b := append(append(w.out.AvailableBuffer(), id...), mark...)
	b = append(pad(b, 17), ' ')
	b = append(pad(b, 18+8-len(octets)), octets...)
	b = arrival.Local().AppendFormat(append(b, "  "...), "Mon Jan _2 15:04:05")
	b = append(append(b, ' '), spool.Printable(sender)...)
	w.out.Write(append(b, '\n'))
}

// pad appends blanks until b is n octets long.
func pad(b []byte, n int) []byte {
	for len(b) < n {
		b = append(b, ' ')
	}
	return b
}

// reason prints why something waits; failed marks a recipient that will not be tried again by
// itself.
func (w *postfixList) reason(text string, failed bool) {
	b := pad(w.out.AvailableBuffer(), listWidth-len("()")-utf8.RuneCountInString(text))
	if w.colour && failed {
		b = append(b, "\x1b[31m("...)
		b = append(append(b, text...), ")\x1b[0m\n"...)
	} else {
		b = append(append(append(b, '('), text...), ")\n"...)
	}
	w.out.Write(b)
}

// colourful reports whether to print colours: at a terminal that has them, unless NO_COLOR is
// set.
func colourful(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

func (w *postfixList) recipient(address string) {
	b := append(pad(w.out.AvailableBuffer(), listIndent), spool.Printable(address)...)
	w.out.Write(append(b, '\n'))
}

func (w *postfixList) message(m *spool.Message) {
	w.trouble.meet(m)
	w.entry(m.ID, w.mark(m), m.Envelope.Size, m.Envelope.Arrival, listSender(&m.Envelope))
	if w.verbose && (m.Attempts > 0 || !m.Next.IsZero()) {
		attempts := door.Plural(m.Attempts, "attempt", "attempts")
		w.reason(fmt.Sprintf("%s, next %s", attempts, m.Next.Local().Format("Mon Jan _2 15:04:05")), false)
	}
	transfer, active := w.transfers[m.ID]
	if active {
		w.reason("being sent: "+transfer.String(), false)
	}
	if w.verbose {
		for _, remark := range m.Envelope.Remarks {
			w.reason("remark: "+spool.Printable(remark), false)
		}
	}
	if why := m.ScheduledText(w.now, door.Stamp); why != "" {
		w.reason(why, false)
	}
	if why := w.trouble.stops(m); why != "" {
		w.reason(spool.Printable(why), true)
	}
	if u, ok := w.trouble.unsendables[m.ID]; ok && m.WhyHeld() == "" {
		w.reason(spool.Printable(u.Why), !u.Passing)
	}
	last := ""
	for i := range m.Progress {
		s := &m.Progress[i]
		if s.State == spool.Accepted || s.State == spool.LocalDone {
			continue
		}
		if active && s.State == spool.Sending {
			// said above
		} else if why := w.trouble.withoutCure(m, why(m, s)); why != last && why != "" {
			w.reason(why, s.State == spool.Refused)
			last = why
		}
		w.recipient(m.Envelope.Recipients[i].Shown())
	}
}

func (w *postfixList) damaged(id string, arrival time.Time, reason string) {
	w.entry(id, "!", 0, arrival, "?")
	w.reason(unreadable(reason, id), true)
}

// listSender returns the sender to show: the one given, even if it is null, or else the author.
func listSender(env *spool.Envelope) string {
	if env.ReversePath != nil {
		return *env.ReversePath
	}
	return env.From
}

// mark returns the mark behind the queue ID: "*" for a message that is being sent, "!" for one
// that is not tried until its owner says so.
func (w *postfixList) mark(m *spool.Message) string {
	switch {
	case m.Held || !m.Pending():
		return "!"
	case w.running && sending(m), w.transfers[m.ID].ID != "":
		return "*"
	}
	return ""
}

func sending(m *spool.Message) bool {
	return slices.ContainsFunc(m.Progress, func(s spool.Progress) bool { return s.State == spool.Sending })
}

// why returns what a recipient waits for.
func why(m *spool.Message, s *spool.Progress) string {
	switch {
	case s.State == spool.Refused:
		return "failed: " + s.Explain() + lineHint(&m.Envelope)
	case m.WhyHeld() != "":
		return m.WhyHeld()
	case m.Held && s.State == spool.Unsure:
		return "held: " + s.Explain()
	case m.Held:
		return "held"
	case s.State == spool.Sending:
		return "being sent"
	case s.State == spool.Untried:
		return ""
	}
	return s.Explain()
}

// lineHint names a possible reason of a refusal, if the message has a line that is longer than
// SMTP allows.
func lineHint(env *spool.Envelope) string {
	if env.MaxLine <= message.MaxLine {
		return ""
	}
	return fmt.Sprintf("; a line of it has %d octets, SMTP allows %d: see esmtpq check-message",
		env.MaxLine, message.MaxLine)
}

func (w *postfixList) legacy(e *spool.LegacyEntry, sender string, recipients []string, reason string) {
	m := ""
	if reason != "" {
		m = "!"
	}
	w.entry(e.Name, m, e.Size, e.Arrival, sender)
	if reason != "" {
		w.reason(reason, false)
	}
	for _, r := range recipients {
		w.recipient(r)
	}
}

func (w *postfixList) end() error {
	if w.n == 0 {
		_, err := io.WriteString(w.out, "Mail queue is empty\n")
		return err
	}
	for i, line := range w.trouble.lines(w.verbose) {
		if i == 0 {
			line = "\n" + line
		}
		fmt.Fprintln(w.out, line)
	}
	// The last line but one is that of sendmail, for check_mailq in its default mode.
	_, err := fmt.Fprintf(w.out, "\n\t\tTotal requests: %d\n-- %d Kbytes in %s.\n",
		w.n, (w.size+1023)/1024, door.Plural(w.n, "Request", "Requests"))
	return err
}
