package deliver

import (
	"fmt"
	"os"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// A progress shows a person at a terminal how far a long run has come. A nil progress shows nothing.
type progress struct {
	name  string // of the program
	file  *os.File
	trace *door.Transcript // shown there as well: then whole lines, and few of them

	began   time.Time // when the first standing came
	shown   time.Time // when a line was last shown
	drawn   bool      // there is one to be wiped out
	samples []sample  // of the last seconds, for the rate
}

type sample struct {
	at     time.Time
	octets int64
}

const (
	// progressAfter is how long a run takes before it shows anything.
	progressAfter = time.Second
	// progressLines is how often a whole line is shown in a transcript.
	progressLines = 10 * time.Second
	// rateOver is the time that the rate is of.
	rateOver = 10 * time.Second
)

// newProgress returns what shows the progress of a run, nil where nobody looks.
func newProgress(c *door.Call, transcript *door.Transcript, verbose bool) *progress {
	if !term.IsTerminal(int(c.Err.Fd())) {
		return nil
	}
	p := &progress{name: c.Name, file: c.Err}
	if verbose {
		p.trace = transcript
	}
	return p
}

// show shows a standing. Calls come one at a time.
func (p *progress) show(s queue.Standing) {
	now := time.Now()
	if p.began.IsZero() {
		p.began = now
	}
	p.samples = append(p.samples, sample{now, s.Octets})
	for len(p.samples) > 2 && now.Sub(p.samples[0].at) > rateOver {
		p.samples = p.samples[1:]
	}
	if now.Sub(p.began) < progressAfter || s.Of == 0 {
		return
	}
	if p.trace == nil {
		width, _, err := term.GetSize(int(p.file.Fd()))
		if err != nil || width < 20 {
			width = 80
		}
		fmt.Fprintf(p.file, "\r\x1b[K%s", fit(p.line(s, now), width-1))
		p.drawn = true
	} else if now.Sub(p.shown) >= progressLines {
		fmt.Fprintf(p.trace, "%s\n", p.line(s, now))
		p.shown = now
	}
}

// end takes the line away.
func (p *progress) end() {
	if p != nil && p.drawn {
		fmt.Fprint(p.file, "\r\x1b[K")
		p.drawn = false
	}
}

// line returns the line of a standing.
func (p *progress) line(s queue.Standing, now time.Time) string {
	text := fmt.Sprintf("%s: %d of %s", p.name, s.Messages, door.Plural(s.Of, "message", "messages"))
	text += ", " + spool.Transfer{Done: min(s.Octets, s.OfOctets), Total: s.OfOctets}.String()
	first := p.samples[0]
	if passed := now.Sub(first.at).Seconds(); passed > 0 && s.Octets > first.octets {
		rate := float64(s.Octets-first.octets) / passed
		text += fmt.Sprintf(", %s/s, %s left", octets(rate), left(float64(s.OfOctets-s.Octets)/rate))
	}
	if s.To != "" {
		text += ", to " + spool.Printable(s.To)
	}
	if s.Others > 0 {
		text += fmt.Sprintf(" and %d more", s.Others)
	}
	return text
}

// octets returns a number of octets for people.
func octets(n float64) string {
	switch {
	case n < 1e3:
		return fmt.Sprintf("%.0f octets", n)
	case n < 1e6:
		return fmt.Sprintf("%.0f kB", n/1e3)
	}
	return fmt.Sprintf("%.1f MB", n/1e6)
}

// left returns a number of seconds for people.
func left(seconds float64) string {
	switch s := int(seconds + 1); {
	case seconds > 100*3600:
		return "days"
	case s < 100:
		return fmt.Sprintf("%d s", max(s, 1))
	case s < 100*60:
		return fmt.Sprintf("%d min", (s+59)/60)
	default:
		return fmt.Sprintf("%d h", (s+3599)/3600)
	}
}

// fit cuts a text to a number of characters.
func fit(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width])
}
