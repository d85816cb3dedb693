package submit

import (
	"fmt"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/queue/spool"
)

// LegacyReason says why an entry is not taken over, "" if it can be.
func LegacyReason(e *spool.LegacyEntry, err error) string {
	switch {
	case err != nil:
		return spool.Printable(fmt.Sprintf("queued by esmtp-wrapper, cannot be read: %v", err))
	case e.Locked && time.Since(e.Arrival) < 10*time.Minute:
		return "esmtp-wrapper is still writing it"
	case e.Locked:
		return "esmtp-wrapper died while writing it: look at it, then remove the file lock in it to send it, or all of it"
	}
	if _, err := argv.Recorded(e.Cmd); err != nil {
		return spool.Printable(fmt.Sprintf("held, queued by esmtp-wrapper: %v", err))
	}
	return ""
}

// LegacyAddresses returns the sender and the recipients of an entry as far as they are known.
func LegacyAddresses(q *spool.Queue, e *spool.LegacyEntry) (sender string, recipients []string) {
	inv, err := argv.Recorded(e.Cmd)
	if err != nil {
		return "?", nil
	}
	mail, err := q.OpenLegacyMail(e.Name)
	if err != nil {
		return "?", nil
	}
	defer mail.Close()
	d, err := Compose(inv, mail)
	if err != nil {
		return "?", nil
	}
	for _, r := range d.Env.Recipients {
		recipients = append(recipients, r.Address)
	}
	return d.Env.Sender(), recipients
}
