package identity

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"esmtpq/identity/tree"
)

// A Span is a part of the week in which mail is sent: from a time of day to another one, by the clock
// of the wall. One that ends before it begins ends on the next day.
type Span struct {
	days     [7]bool // on which it begins, by time.Weekday
	from, to int     // minutes
	text     string  // as configured
}

// A Window is the times at which mail of an identity is sent; without any, that is always.
type Window []Span

// String returns the window as it is configured.
func (w Window) String() string {
	texts := make([]string, len(w))
	for i, s := range w {
		texts[i] = s.text
	}
	return strings.Join(texts, ", ")
}

// Opens returns when the window opens that is closed at now; the zero time if it is open. The times are
// those of the zone of now: on a day on which its clocks are set, a span is shorter or longer.
func (w Window) Opens(now time.Time) time.Time {
	var opens time.Time
	year, month, day := now.Date()
	for _, s := range w {
		for d := -1; d <= 8; d++ { // a span of yesterday may go on, and one of today may be over
			at := func(days, minutes int) time.Time {
				return time.Date(year, month, day+d+days, minutes/60, minutes%60, 0, 0, now.Location())
			}
			if !s.days[at(0, 12*60).Weekday()] {
				continue
			}
			from, to := at(0, s.from), at(0, s.to)
			if s.to <= s.from {
				to = at(1, s.to)
			}
			switch {
			case !to.After(from): // the clocks leave it out
			case !now.Before(from) && now.Before(to):
				return time.Time{}
			case from.After(now) && (opens.IsZero() || from.Before(opens)):
				opens = from
			}
		}
	}
	return opens
}

// ParseSpan reads a span such as "Mon-Fri 08:00-18:00", "Sat,Sun 10:00-12:00" or "22:00-06:00".
func ParseSpan(text string) (Span, error) {
	s := Span{text: strings.Join(strings.Fields(text), " ")}
	words := strings.Fields(text)
	if len(words) == 2 {
		if err := s.parseDays(words[0]); err != nil {
			return s, err
		}
		words = words[1:]
	} else {
		for i := range s.days {
			s.days[i] = true
		}
	}
	if len(words) != 1 {
		return s, errSpan
	}
	from, to, ok := strings.Cut(words[0], "-")
	if !ok {
		return s, errSpan
	}
	var err error
	if s.from, err = parseMinutes(from); err != nil {
		return s, err
	}
	if s.to, err = parseMinutes(to); err != nil {
		return s, err
	}
	if s.from == s.to || s.from == 24*60 {
		return s, errors.New("a time that ends when it begins")
	}
	return s, nil
}

var errSpan = errors.New("not days and times such as Mon-Fri 08:00-18:00")

// parseDays reads days of the week: Mon, Mon-Fri, or Mon,Wed,Fri.
func (s *Span) parseDays(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, ok := Weekday(first)
		to, also := from, true
		if isRange {
			to, also = Weekday(last)
		}
		if !ok || !also {
			return errSpan
		}
		for d := from; ; d = (d + 1) % 7 {
			s.days[d] = true
			if d == to {
				break
			}
		}
	}
	return nil
}

// Weekday returns the day with an English name, which may be cut to three letters.
func Weekday(name string) (time.Weekday, bool) {
	name = strings.ToLower(name)
	for d := range time.Weekday(7) {
		full := strings.ToLower(d.String())
		if len(name) >= 3 && strings.HasPrefix(full, name) {
			return d, true
		}
	}
	return 0, false
}

// parseMinutes reads a time of day: 8:00, 08:00, 24:00.
func parseMinutes(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("a time that is not one from 00:00 to 24:00: %w", errSpan)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// window reads the times at which mail is sent.
func (r *yamlReader) window(v *tree.Node, path string) Window {
	items := v.Items
	if v.Kind != tree.List {
		items = []*tree.Node{v}
	}
	var w Window
	for _, item := range items {
		for text := range strings.SplitSeq(r.text(item, path), ", ") {
			s, err := ParseSpan(text)
			if err != nil && item.Kind == tree.Text && item.Text != "" {
				r.fail(item.Line, "%s should be times such as Mon-Fri 08:00-18:00, or a list of them", path)
			}
			w = append(w, s)
		}
	}
	if len(w) == 0 {
		r.fail(v.Line, "%s has no times", path)
	}
	return w
}

// maxHold is how long mail can be held for a change of mind. For more there is a time of sending.
const maxHold = 24 * time.Hour

// holdFor reads how long mail can be taken back.
func (r *yamlReader) holdFor(v *tree.Node, path string) time.Duration {
	d := r.duration(v, path, "30s")
	if d > maxHold {
		r.fail(v.Line, "%s should be a day at most", path)
	}
	return d
}
