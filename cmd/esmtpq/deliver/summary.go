package deliver

import (
	"fmt"
	"slices"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// summarize reports what a queue run could not do, one line for each reason, and what to do about
// it, and returns the exit code. With named, that includes messages that the person has named and
// that a run does not try.
func summarize(c *door.Call, sum *queue.Summary, named bool) error {
	say := func(format string, args ...any) {
		fmt.Fprintf(c.Err, "%s: %s\n", c.Name, fmt.Sprintf(format, args...))
	}
	for _, t := range sum.Trouble {
		say("%s", spool.Printable(t))
	}
	sayFailed(sum, say)
	for _, f := range sum.Dropped {
		say("%s: %s dropped, having failed long ago: %s", f.ID, bracketed(f.Address), f.Report.Explain())
	}
	for _, w := range sum.Waiting {
		destination := ""
		if w.Destination != "" {
			destination = spool.Printable(w.Destination) + ": "
		}
		count := door.Plural(w.Messages, "message waits", "messages wait")
		say("%s%s (%s)", destination, spool.Printable(w.Text), count)
	}
	for _, s := range sum.Scheduled {
		say("%s is to be sent %s: esmtpq retry %s sends it now", s.ID, door.Stamp(s.At), s.ID)
	}
	if len(sum.Scheduled) == 0 && !sum.Wake.IsZero() {
		c.Remark("mail waits for its time, the first until " + door.Stamp(sum.Wake) + ": see mailq")
	}
	switch {
	case named:
		sayUntried(sum, say)
	case len(sum.Held) > 0:
		c.Remark(door.Plural(len(sum.Held), "message", "messages") + " of these held: see mailq")
	}
	if len(sum.Waiting) > 0 || named && len(sum.Held)+len(sum.Refused)+len(sum.Scheduled) > 0 {
		return exit.Silent(exit.TempFail)
	}
	return nil
}

// sayUntried reports messages that are not tried before their owner says so.
func sayUntried(sum *queue.Summary, say func(format string, args ...any)) {
	for _, id := range sum.Held {
		say("%s is held: esmtpq release %s lets it go", id, id)
	}
	for _, id := range sum.Refused {
		if !slices.ContainsFunc(sum.Failed, func(f queue.Failure) bool { return f.ID == id }) {
			say("%s has failed and is not tried: esmtpq retry %s tries again, esmtpq rm %s drops it", id, id, id)
		}
	}
}

// sayFailed reports the recipients that were refused, and what can be done.
func sayFailed(sum *queue.Summary, say func(format string, args ...any)) {
	id, verb := "", "retry --to ADDRESS %s sends it to that address"
	for _, f := range sum.Failed {
		say("%s: %s failed: %s", f.ID, bracketed(f.Address), f.Report.Explain())
		if id != "" && id != f.ID {
			f.ID = "ID" // there are several
		}
		id = f.ID
		if f.Address != "" {
			verb = "retry %s tries again"
		}
	}
	if id != "" {
		say("esmtpq "+verb+", esmtpq rm %s drops it", id, id)
	}
}

// bracketed returns a recipient as a summary names it.
func bracketed(address string) string {
	if r := (spool.Recipient{Address: address}); address == "" {
		return r.Shown()
	}
	return "<" + spool.Printable(address) + ">"
}
