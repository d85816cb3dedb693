package submit

import (
	"errors"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/queue/spool"
)

const sendHelp = `  --at TIME        send it then, and not before: 18:30, "tomorrow 8:00", "fri 9:00",
                   "2027-01-31 12:00", 2027-01-31T12:00:00+01:00, +2h, +3d
  and the options of sendmail, which it is besides
`

// Later is send: sendmail with a time.
func Later(c *door.Call) error {
	if c.AsksHelp("--at") {
		return c.Help(sendHelp)
	}
	inv, err := later(c.Args, time.Now())
	if err != nil {
		Drain(c.In)
		return err
	}
	home, err := whoami.Home()
	if err != nil {
		Drain(c.In)
		return err
	}
	return Send(c, inv, &Router{Home: home})
}

// later reads the command line of send.
func later(args []string, now time.Time) (*argv.Invocation, error) {
	rest, text, err := cutAt(args)
	if err != nil {
		return nil, err
	}
	inv, err := argv.Parse(rest)
	if err != nil {
		return nil, err
	}
	if inv.Mode != argv.Send {
		return nil, exit.Fail(exit.Usage, "send only takes a message: for the rest call sendmail")
	}
	if text != nil {
		if inv.NotBefore, err = ParseAt(*text, now); err != nil {
			return nil, exit.Fail(exit.Usage, "--at %s: %w", spool.Printable(*text), err)
		}
	}
	return inv, nil
}

// cutAt takes --at out of the arguments; text is nil if it is not there.
func cutAt(args []string) (rest []string, text *string, err error) {
	for i := 0; i < len(args); i++ {
		value, attached := strings.CutPrefix(args[i], "--at=")
		switch {
		case args[i] == "--":
			return append(rest, args[i:]...), text, nil
		case attached:
			text = &value
		case args[i] != "--at" && i+1 < len(args) && argv.TakesNext(args[i]):
			rest = append(rest, args[i], args[i+1])
			i++
		case args[i] != "--at":
			rest = append(rest, args[i])
		case i+1 == len(args):
			return nil, nil, exit.Fail(exit.Usage, `--at needs a time, such as 18:30, "tomorrow 8:00" or +2h`)
		default:
			i++
			text = &args[i]
		}
	}
	return rest, text, nil
}

// farAway is how far ahead a time may be: what is further is a mistake in the year.
const farAway = 366 * 24 * time.Hour

var errAt = errors.New(`is no time such as 18:30, "tomorrow 8:00", "fri 9:00", "2027-01-31 12:00", +2h or one of RFC 3339`)

// ParseAt reads a time that is to come, by the clock of the zone of now. A time of day alone is the next
// one.
func ParseAt(text string, now time.Time) (time.Time, error) {
	at, err := parseAt(strings.Fields(text), now)
	switch {
	case err != nil:
		return at, err
	case !at.After(now):
		return at, errors.New("has been already")
	case at.Sub(now) > farAway:
		return at, errors.New("is more than a year away")
	}
	return at, nil
}

func parseAt(words []string, now time.Time) (time.Time, error) {
	switch {
	case len(words) == 2:
		return dayAndTime(words[0], words[1], now)
	case len(words) == 1:
		if period, ok := strings.CutPrefix(words[0], "+"); ok {
			d, err := identity.ParsePeriod(period)
			if err != nil || d > farAway {
				return now, errAt
			}
			return now.Add(d), nil
		}
		if at, err := time.Parse(time.RFC3339, words[0]); err == nil {
			return at, nil
		}
		if at, err := time.ParseInLocation("2006-01-02T15:04", words[0], now.Location()); err == nil {
			return at, nil
		}
		at, err := onDay(now, 0, words[0])
		if err == nil && !at.After(now) {
			return onDay(now, 1, words[0])
		}
		return at, err
	}
	return now, errAt
}

// dayAndTime reads a day, by name or date, and a time of that day.
func dayAndTime(day, clock string, now time.Time) (time.Time, error) {
	switch strings.ToLower(day) {
	case "today":
		return onDay(now, 0, clock)
	case "tomorrow":
		return onDay(now, 1, clock)
	}
	if weekday, ok := identity.Weekday(day); ok {
		ahead := (int(weekday-now.Weekday()) + 7) % 7
		at, err := onDay(now, ahead, clock)
		if err == nil && !at.After(now) {
			return onDay(now, ahead+7, clock)
		}
		return at, err
	}
	date, err := time.ParseInLocation(time.DateOnly, day, now.Location())
	if err != nil {
		return now, errAt
	}
	return onDay(date, 0, clock)
}

// onDay returns a time of day so many days after now.
func onDay(now time.Time, ahead int, clock string) (time.Time, error) {
	for _, layout := range [...]string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, clock); err == nil {
			year, month, day := now.Date()
			return time.Date(year, month, day+ahead, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return now, errAt
}
