package deliver

import (
	"fmt"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/queue/spool"
)

// takeOver converts entries that esmtp-wrapper has queued. An entry that cannot be converted
// stays as it is; mailq shows it with the reason.
func takeOver(c *door.Call, q *spool.Queue, r *router, names []string) {
	for _, name := range names {
		e, err := q.ReadLegacy(name)
		if e == nil {
			continue // gone
		}
		// One whose message is in the queue already is finished first, whatever is left of it.
		done, finished := q.FinishLegacy(e)
		if finished == nil && (done || submit.LegacyReason(e, err) != "") {
			continue
		}
		if err = finished; err == nil {
			err = takeOverOne(q, r, e)
		}
		if err != nil {
			fmt.Fprintf(c.Err, "%s: %s, queued by esmtp-wrapper, is not taken over cleanly: %s; see mailq\n",
				c.Name, name, spool.Printable(err.Error()))
		}
	}
}

func takeOverOne(q *spool.Queue, r *router, e *spool.LegacyEntry) error {
	inv, err := argv.Recorded(e.Cmd)
	if err != nil {
		return err
	}
	mail, err := q.OpenLegacyMail(e.Name)
	if err != nil {
		return err
	}
	defer mail.Close()
	d, err := submit.Compose(inv, mail)
	if err != nil {
		return err
	}
	if err := r.complete(d, inv, e.Arrival); err != nil {
		return err
	}
	w, err := q.NewWriter()
	if err != nil {
		return err
	}
	if err := d.Write(w); err != nil {
		w.Abort()
		return err
	}
	_, err = q.ReplaceLegacy(e, w, d.Env)
	return err
}

// complete checks and completes a message as a submission does.
func (r *router) complete(d *submit.Draft, inv *argv.Invocation, arrival time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := d.Check(r.routes); err != nil {
		return err
	}
	return d.Complete(inv, r.routes, arrival)
}
