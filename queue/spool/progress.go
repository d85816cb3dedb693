package spool

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A State is the state of a recipient; see the package comment.
type State byte

const (
	Untried   State = '-'
	Deferred  State = 'd' // delayed
	Sending   State = 's' // the end of the content was about to be sent
	Unsure    State = 'u' // possibly delivered: the reply to the end of the content was lost
	Accepted  State = 'r' // relayed
	LocalDone State = 'l' // delivered by the MDA
	Refused   State = 'f' // failed, for good
)

// A message's own state, in the third line of the envelope.
const (
	notHeld State = '-'
	held    State = 'h'
)

// Pending reports whether a queue run is to try the recipient.
func (s State) Pending() bool {
	return s == Untried || s == Deferred || s == Sending || s == Unsure
}

// served reports whether nothing is left to do for the recipient.
func (s State) served() bool { return s == Accepted || s == LocalDone }

// Progress is what is known of one recipient.
type Progress struct {
	State  State
	Time   time.Time // of the last attempt; zero if untried
	Code   int       // reply code, 0 if there was none
	Status string    // enhanced status code
	Host   string    // whose words Text is, "" for ours
	Text   string    // why, for a person; printable
	Remark string    // what we know of that beside a host's words, likewise
	Told   time.Time // when its owner was told that it failed; zero if not
	Unsure int       // how often the message was possibly delivered to it
}

// A Message is an entry of the queue: its envelope and its progress.
type Message struct {
	ID       string
	Envelope Envelope
	Held     bool      // its owner does not want it to be tried
	Halted   bool      // it is held, since what became of it could not be recorded
	Foreign  string    // why it is held, where it was not made here, or has left the queue before
	imposed  bool      // it is held only for such a reason
	adopted  string    // where it is at home, if not where it was made
	birth    uint64    // of its envelope: see Queue.birth
	Attempts int       // how often it was tried; failures of its identity do not count
	Last     time.Time // when it was last tried; zero if never
	Next     time.Time // when it is due; zero for at once
	First    time.Time // when it was first tried, for its own sake; zero if never, or not known
	Drop     time.Time // when it may be dropped, having failed and been kept; zero if not planned
	// Opens is when the send window of its identity opens, or did last, or, before the time that its
	// submitter has named, when a host may take it ahead of that; zero if there is nothing of the kind.
	Opens time.Time
	// DelayTold reports whether its owner was told that it is late.
	DelayTold bool
	// Copied reports whether a copy was kept of it, since a host has taken it.
	Copied   bool
	Progress []Progress
}

// impose holds the message for a reason that is not its owner's.
func (m *Message) impose() {
	if !m.Held {
		m.Held, m.imposed = true, true
	}
}

// WhyHeld says why the message is held, if that is not for its owner's word, and what to do; "" if not.
func (m *Message) WhyHeld() string {
	switch {
	case m.Foreign != "":
		return fmt.Sprintf("held: %s: esmtpq adopt %s sends it from here, esmtpq rm %s drops it", m.Foreign, m.ID, m.ID)
	case m.Halted:
		return fmt.Sprintf("held: its envelope is read-only, as where what became of it could not be recorded: it may have been sent: "+
			"esmtpq release %s sends it, esmtpq rm %s drops it", m.ID, m.ID)
	}
	return ""
}

// Pending reports whether some recipient is still to be tried.
func (m *Message) Pending() bool {
	for i := range m.Progress {
		if m.Progress[i].State.Pending() {
			return true
		}
	}
	return false
}

// Served reports whether every recipient has been served, so that only the removal of the entry
// is left.
func (m *Message) Served() bool {
	for i := range m.Progress {
		if !m.Progress[i].State.served() {
			return false
		}
	}
	return true
}

// Indexes returns the indexes of the recipients for which a condition holds.
func (m *Message) Indexes(which func(i int) bool) []int {
	var is []int
	for i := range m.Progress {
		if which(i) {
			is = append(is, i)
		}
	}
	return is
}

// The lines of progress have a fixed length, so that each can be overwritten in place. The letter
// of the state has a fixed place in its line: it is one octet, which no crash can tear. The rest
// of a torn line is not JSON and is dropped.
const (
	messageLine   = 256
	recipientLine = 512
	letterAt      = len(`{"state":"`)
	unsureCeiling = 999 // is the highest count
	// laterRoom is for the members that are added after the text has been written.
	laterRoom = len(`,"told":99999999999,"unsure":999`)
)

type messageJSON struct {
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	Last     int64  `json:"last"` // Unix time, 0 for never
	Next     int64  `json:"next"`
	First    int64  `json:"first,omitempty"`
	Drop     int64  `json:"drop,omitempty"`
	// Told is whether the owner was told of the delay.
	Told  bool   `json:"told,omitempty"`
	Opens int64  `json:"opens,omitempty"`
	Home  string `json:"home,omitempty"` // see Queue.origin
	// Copied is whether a copy was kept.
	Copied bool `json:"copied,omitempty"`
}

type progressJSON struct {
	State  string `json:"state"`
	Time   int64  `json:"time"`
	Code   int    `json:"code,omitempty"`
	Status string `json:"status,omitempty"`
	Host   string `json:"host,omitempty"`
	Text   string `json:"text,omitempty"`
	Remark string `json:"remark,omitempty"`
	Told   int64  `json:"told,omitempty"`
	Unsure int    `json:"unsure,omitempty"`
}

func unixTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// timeOf takes a year of more than four digits for never, since it could not be printed.
func timeOf(unix int64) time.Time {
	if unix <= 0 || unix >= 253402300800 {
		return time.Time{}
	}
	return time.Unix(unix, 0)
}

func appendMessageLine(b []byte, m *Message) []byte {
	s := notHeld
	if m.Held && !m.imposed {
		s = held
	}
	line := messageJSON{string(rune(s)), m.Attempts, unixTime(m.Last), unixTime(m.Next), unixTime(m.First), unixTime(m.Drop), m.DelayTold, unixTime(m.Opens), m.adopted, m.Copied}
	return appendPadded(b, &line, messageLine)
}

func appendRecipientLine(b []byte, p *Progress) []byte {
	fitted := *p
	fitted.fit()
	return appendPadded(b, fitted.json(), recipientLine)
}

func (p *Progress) json() *progressJSON {
	return &progressJSON{string(rune(p.State)), unixTime(p.Time), p.Code, p.Status, p.Host, p.Text, p.Remark, unixTime(p.Told), p.Unsure}
}

// fit makes a text printable and short enough for the line.
func (p *Progress) fit() {
	p.Status, p.Host, p.Text = cut(Printable(p.Status), 16), cut(Printable(p.Host), 100), cut(Printable(p.Text), 300)
	p.Remark = cut(Printable(p.Remark), 200)
	// Escapes can make the text longer in JSON; it is halved until it fits.
	var room [recipientLine]byte
	said := *p
	said.Told, said.Unsure = time.Time{}, 0
	for len(said.json().appendJSON(room[:0]))+laterRoom >= recipientLine {
		if said.Text == "" && said.Host == "" {
			said.Remark = ""
		}
		said.Text, said.Host = cut(said.Text, len(said.Text)*3/4), cut(said.Host, len(said.Host)*3/4)
	}
	p.Text, p.Host, p.Remark = said.Text, said.Host, said.Remark
}

// blanks are what a line is filled with, many at a time.
const blanks = "                                                                "

// appendPadded appends v as JSON, blanks and a line end, n octets in total.
func appendPadded(b []byte, v interface{ appendJSON([]byte) []byte }, n int) []byte {
	end := len(b) + n - 1
	b = v.appendJSON(b)
	if len(b) > end {
		panic(fmt.Sprintf("queue: a line of %d octets of progress, %d reserved", len(b)-end+n-1, n))
	}
	for len(b) < end {
		b = append(b, blanks[:min(len(blanks), end-len(b))]...)
	}
	return append(b, '\n')
}

// cut shortens s to at most n octets, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Printable returns s on one line, with a question mark for each octet that is not part of a
// printable character: replies of hosts may contain terminal escapes.
func Printable(s string) string {
	if plain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
}

// plain reports whether s is printable ASCII, as nearly all text is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// decodeProgress reads the lines from the third on; b has exactly their length.
func (m *Message) decodeProgress(b []byte) error {
	if len(m.Progress) != len(m.Envelope.Recipients) {
		m.Progress = make([]Progress, len(m.Envelope.Recipients))
	}
	if err := m.decodeMessageLine(b[:messageLine]); err != nil {
		return err
	}
	return m.decodeRecipientLines(0, b[messageLine:])
}

func (m *Message) decodeMessageLine(line []byte) error {
	switch State(line[letterAt]) {
	case notHeld:
		m.Held = false
	case held:
		m.Held = true
	default:
		return fmt.Errorf("%w: unknown state of the message", ErrDamaged)
	}
	var mj messageJSON
	if readMessageJSON(line, &mj) == nil {
		m.Attempts, m.Last, m.Next, m.DelayTold = max(mj.Attempts, 0), timeOf(mj.Last), timeOf(mj.Next), mj.Told
		m.Copied = mj.Copied
		m.adopted = cut(mj.Home, 60)
		m.First, m.Drop, m.Opens = timeOf(mj.First), timeOf(mj.Drop), timeOf(mj.Opens)
	}
	return nil
}

// decodeRecipientLines reads lines of recipients, beginning with that of recipient i.
func (m *Message) decodeRecipientLines(i int, b []byte) error {
	for ; len(b) > 0; i, b = i+1, b[recipientLine:] {
		line, p := b[:recipientLine], &m.Progress[i]
		var pj progressJSON
		if readRecipientJSON(line, &pj) == nil {
			*p = Progress{Time: timeOf(pj.Time), Code: pj.Code, Status: pj.Status, Host: pj.Host, Text: pj.Text, Remark: pj.Remark, Told: timeOf(pj.Told)}
			p.Unsure = min(max(pj.Unsure, 0), unsureCeiling)
			if i > 0 {
				p.share(&m.Progress[i-1])
			}
		}
		if p.State = State(line[letterAt]); p.State == Unsure {
			p.Unsure = max(p.Unsure, 1) // an older program, or a crash, left no number
		}
		switch p.State {
		case Untried, Deferred, Sending, Unsure, Accepted, LocalDone, Refused:
		default:
			return fmt.Errorf("%w: unknown state of recipient %d", ErrDamaged, i+1)
		}
	}
	return nil
}

// share takes texts from another recipient where they are the same: of a hundred thousand recipients,
// most wait for one reason.
func (p *Progress) share(as *Progress) {
	if p.Status == as.Status {
		p.Status = as.Status
	}
	if p.Host == as.Host {
		p.Host = as.Host
	}
	if p.Text == as.Text {
		p.Text = as.Text
	}
	if p.Remark == as.Remark {
		p.Remark = as.Remark
	}
}

// GivenUp reports whether the recipient failed because the message had waited too long: the last
// report was not permanent.
func (p *Progress) GivenUp() bool { return p.State == Refused && strings.HasPrefix(p.Status, "4") }

// Explain says why the recipient is not done, in the style of Postfix.
func (p *Progress) Explain() string {
	s := explain(p.Host, p.Code, p.Status, p.Text, p.Remark)
	switch {
	case p.State == Unsure && p.Unsure > 1:
		return fmt.Sprintf("possibly delivered %d times: %s", p.Unsure, s)
	case p.State == Unsure || p.State == Sending:
		return "possibly delivered: " + s
	case p.GivenUp():
		return "given up, last attempt: " + s
	}
	return s
}

// explain puts a reason on one line. What we know beside it stands in brackets with our name.
func explain(host string, code int, status, text, remark string) string {
	if remark != "" {
		return explain(host, code, status, text, "") + " (esmtpq: " + Printable(remark) + ")"
	}
	text = Printable(text)
	if code == 0 {
		return text
	}
	said := fmt.Sprintf("%d %s %s", code, Printable(status), text)
	if host == "" {
		return said
	}
	return "host " + Printable(host) + " said: " + said
}
