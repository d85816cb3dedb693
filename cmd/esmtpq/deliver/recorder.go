package deliver

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/identity"
	"esmtpq/queue"
	"esmtpq/queue/history"
	"esmtpq/queue/spool"
)

// A recorder keeps what a queue run does: in the history, as log lines, and for the commands that
// are run after it. It implements queue.Observer. Nothing that goes wrong here stops a delivery.
type recorder struct {
	history  *history.Log // nil for none
	lines    *mailLog     // nil for none
	hooks    *hooks       // nil for none
	subjects bool

	mu      sync.Mutex
	trouble error // the first
	lost    error // why a copy was not kept, the first
	lostIDs []string
	locked  bool // see waitedInVain
}

// defaultHistory is how long the history goes back where the configuration does not say.
const defaultHistory = 30 * 24 * time.Hour

// record makes a queue run keep what it does, as the configuration says.
func (r *router) record(opt *queue.RunOptions, q *spool.Queue) *recorder {
	cfg, err := r.load(&spool.Envelope{})
	if err != nil {
		cfg = &identity.Config{}
	}
	rec := &recorder{subjects: cfg.LogSubjects, hooks: newHooks(cfg, q, r)}
	dir := filepath.Join(q.Dir, history.DirName)
	if cfg.History < 0 {
		history.Forget(dir)
	} else {
		rec.history = &history.Log{Dir: dir}
		keep := cfg.History
		if keep == 0 {
			keep = defaultHistory
		}
		rec.note(history.Prune(dir, keep, time.Now()))
	}
	rec.lines, err = openMailLog(cfg.Log)
	rec.note(err)
	if rec.history != nil || rec.lines != nil || rec.hooks != nil {
		opt.Observer = rec
	}
	if r.keepsCopies() {
		opt.Keeper = &keeper{r, rec}
	}
	return rec
}

// note remembers what went wrong.
func (rec *recorder) note(err error) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.trouble == nil {
		rec.trouble = err
	}
}

// end runs the commands of the person's own, once the lock of the run has been let go, and says what
// went wrong with all this.
func (rec *recorder) end(ctx context.Context, c *door.Call, n *notifier) {
	rec.tellLost(ctx, n)
	trouble := rec.hooks.run(ctx)
	if err := rec.close(); err != nil {
		c.Remark(spool.Printable(err.Error()) + ": the mail itself is not concerned")
	}
	for _, text := range trouble {
		fmt.Fprintf(c.Err, "%s: %s\n", c.Name, spool.Printable(text))
	}
}

// close ends the keeping, and returns what went wrong, once.
func (rec *recorder) close() error {
	rec.history.Close()
	rec.note(rec.lines.close())
	rec.mu.Lock()
	defer rec.mu.Unlock()
	err := rec.trouble
	rec.trouble = nil
	return err
}

// Found implements queue.Observer.
func (rec *recorder) Found(m *spool.Message) {
	rec.hooks.found(m)
}

// Tried implements queue.Observer: it writes the history before the queue records anything, so that
// whatever the queue takes for sent is in the history, wherever the process is killed.
func (rec *recorder) Tried(all []queue.Trial) {
	if rec.history == nil {
		return
	}
	records := make([]history.Record, 0, len(all))
	for i := range all {
		records = rec.appendRecords(records, &all[i])
	}
	if err := rec.history.Append(records...); err != nil {
		rec.note(err)
	}
}

// appendRecords appends the records of a trial: one for each thing that was said of recipients.
func (rec *recorder) appendRecords(records []history.Record, t *queue.Trial) []history.Record {
	base := history.About(&spool.Message{ID: t.ID, Envelope: *t.Envelope}, "", t.Time)
	base.MessageID, base.Identity, base.Rule, base.TLS = t.Fields.MessageID, t.Destination, t.Rule, t.Session.TLS
	if rec.subjects {
		base.Subject = t.Fields.Subject
	}
	if t.ReversePath != base.Sender {
		base.MailFrom = "<" + t.ReversePath + ">"
	}
	from := len(records)
	for k := range t.Reports {
		r, address := &t.Reports[k], t.Recipients[t.Which[k]].Address
		same := from
		for same < len(records) && !says(&records[same], r) {
			same++
		}
		if same == len(records) {
			one := base
			one.Event, one.Host, one.Code, one.Status, one.Text, one.Remark = history.EventOf(r), r.Host, r.Code, r.Status, r.Text, r.Remark
			records = append(records, one)
		}
		records[same].To = append(records[same].To, address)
	}
	return records
}

// says reports whether a record is of a report like this one.
func says(rec *history.Record, r *queue.Report) bool {
	return rec.Event == history.EventOf(r) && rec.Code == r.Code && rec.Status == r.Status && rec.Text == r.Text && rec.Host == r.Host && rec.Remark == r.Remark
}

// Recorded implements queue.Observer.
func (rec *recorder) Recorded(all []queue.Trial) {
	rec.lines.trials(all, rec.subjects)
	rec.hooks.trials(all)
}

// Suspended implements queue.Observer.
func (rec *recorder) Suspended(destination string, why *queue.Report, began bool) {
	if began {
		rec.lines.say("qmgr", "warning: "+destination+" suspended: "+why.Explain())
		rec.hooks.suspended(destination, why)
	}
}

// Recovered implements queue.Observer.
func (rec *recorder) Recovered(destination string) {
	rec.lines.say("qmgr", destination+" works again")
	rec.hooks.recovered(destination)
}

// Held implements queue.Observer.
func (rec *recorder) Held(m *spool.Message) {
	one := history.About(m, history.Held, time.Now())
	one.Text = "possibly delivered, and not tried again before you release it"
	if err := rec.history.Append(one); err != nil {
		rec.note(err)
	}
	rec.lines.say("qmgr", m.ID+": held: possibly delivered")
}

// Dropped implements queue.Observer.
func (rec *recorder) Dropped(m *spool.Message) {
	one := history.About(m, history.Dropped, time.Now())
	one.Text = "it had failed long ago"
	for i := range m.Progress {
		if m.Progress[i].State == spool.Refused {
			one.To = append(one.To, m.Envelope.Recipients[i].Shown())
		}
	}
	if err := rec.history.Append(one); err != nil {
		rec.note(err)
	}
	rec.lines.say("qmgr", m.ID+": removed: it had failed long ago")
}
