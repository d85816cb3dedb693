package relay

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

const (
	// minSeries is how many messages must wait before sending them in chunks, back to back, is
	// worth the risk: a lost connection leaves a whole window in doubt, not one message.
	minSeries = 3
	// idleTime is how long a session is kept for mail that is known to be on its way.
	idleTime = 3 * time.Second
	// maxDeaths is how many sessions may end over a message before it is given up in this run.
	maxDeaths = 2
	// maxFruitless is how many sessions in a row may end without the host having
	// decided about any message.
	maxFruitless = 3
	// sameWords is after how many messages in a row with the same temporary refusal it is taken
	// for a refusal of all mail.
	sameWords = 3
)

// A worker carries the messages of a destination, over one session at a time. It implements
// smtp.Feed.
type worker struct {
	ctx  context.Context
	host *host
	src  queue.Source

	pool   *pool // the workers for the same source; nil if there is only one
	helper bool  // it is not the first of the pool

	conn        *smtp.Conn // nil while there is none
	begun       time.Time  // when conn began to be used
	known       known      // of the host, when conn was opened
	series      bool       // messages go in chunks, back to back
	broken      *smtp.Error
	failed      *smtp.Error // what ended the last session
	askedInVain int         // how often the host ended a session when it was asked once more behind the login
	chunked     bool        // a message was sent in chunks in this session
	chunksWork  bool        // such a message was accepted
	explained   bool        // the host has said why it ended the session
	blamed      int         // order of the message that is charged with the end of this session; 0 for none
	waited      bool        // conn has been idle since it was last used
	accepted    bool        // a message of this session has been accepted
	decided     bool        // the host has decided about a message in this session
	anew        bool        // the next message is to go over a new session
	fruitless   int         // sessions in a row that achieved nothing
	culprit     int         // order of the message that all of these ended over; 0 for several, or none
	notBefore   time.Time
	setup       time.Duration // that the next message to be recorded has waited for the session

	ahead  []*task                // drawn, and to be carried before any others
	flight map[*smtp.Message]task // messages handed to conn
	drawn  int

	refusal string // the words of the temporary refusal that the last message met
	refused int    // how many in a row have met it

	suspended  *queue.Report // why no more mail of the identity can go out
	unrecorded error         // why nothing more may be sent
}

// run carries messages until there are no more or none can be sent.
func (w *worker) run() {
	defer w.leave()
	for !w.over() {
		if !w.more() {
			break
		}
		if w.conn == nil && !w.open() {
			break
		}
		w.carry()
		if w.fruitless >= maxFruitless && w.culprit == 0 && !w.over() {
			w.suspend()
		}
	}
	w.giveBack()
}

// suspend leaves all mail of the identity alone: sessions end before anything is decided about a message.
func (w *worker) suspend() {
	t := w.take(true)
	if t == nil {
		return
	}
	rep := w.facts(t).report(w.failed)
	rep.Text = strconv.Itoa(w.fruitless) + " sessions in a row came to nothing; in the last, " + rep.Text
	rep.Action, rep.Scope = queue.Delayed, queue.ScopeIdentity
	w.record(t.outcome(t.all(rep)))
}

// more reports whether there is a message to carry, after waiting for one that is about to come.
func (w *worker) more() bool {
	for {
		if t := w.take(true); t != nil {
			w.putBack(t)
			return true
		}
		if w.conn == nil || w.over() || !w.src.Wait(w.ctx, idleTime) {
			return false
		}
		w.waited = true
	}
}

// over reports whether nothing more is to be begun.
func (w *worker) over() bool {
	if w.pool != nil && w.suspended == nil && w.unrecorded == nil {
		w.suspended, w.unrecorded = w.pool.over()
	}
	return w.unrecorded != nil || w.suspended != nil || w.ctx.Err() != nil
}

// take returns the next task: one that was drawn before, or a new one. It has as many recipients
// as a transaction may have.
func (w *worker) take(wait bool) *task {
	if len(w.ahead) == 0 {
		d := w.src.Next(wait)
		if d == nil {
			return nil
		}
		w.drawn++
		w.ahead = append(w.ahead, newTask(d, w.drawn))
	}
	t := w.ahead[0]
	w.ahead = w.ahead[1:]
	if w.conn == nil {
		return t
	}
	if rest := t.split(w.maxRecipients(), w.conn.Extensions().Limit("RCPTDOMAINMAX")); rest != nil {
		w.putBack(rest)
	}
	return t
}

// putBack makes tasks the next to be taken, in the order in which they were drawn.
func (w *worker) putBack(all ...*task) {
	w.ahead = append(all, w.ahead...)
	slices.SortStableFunc(w.ahead, func(a, b *task) int { return a.order - b.order })
}

// waiting returns how many messages wait, as far as is known.
func (w *worker) waiting() int { return len(w.ahead) + w.src.Backlog() }

// open opens a session, after the pause that the configuration asks for. If that fails, it
// reports so and returns false.
func (w *worker) open() bool {
	w.pause()
	began := time.Now()
	host, conn, idle, err := w.host.reach(w.ctx)
	w.host, w.setup = host, time.Since(began)
	if err == nil {
		w.begin(conn, idle)
		return true
	}
	if w.helper && w.ctx.Err() == nil {
		w.pool.handBack(w.ahead)
		w.ahead = nil
		return false
	}
	if t := w.take(true); t != nil {
		w.record(t.outcome(t.all(w.facts(t).report(err))))
	}
	return false
}

// pause waits until the next session may be opened.
func (w *worker) pause() {
	wait := time.Until(w.notBefore)
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.ctx.Done():
	}
}

// begin makes conn the session that messages go over. idle says that it was opened some time ago.
func (w *worker) begin(conn *smtp.Conn, idle bool) {
	w.conn, w.begun = conn, time.Now()
	w.host.uses(conn)
	w.known = w.host.memory.recall(conn.Fingerprint())
	w.broken, w.anew, w.series, w.accepted, w.decided, w.waited = nil, false, false, false, false, idle
	w.chunked, w.chunksWork, w.explained, w.blamed = false, false, false, 0
	conn.Ride = !conn.Extensions().Has("CHUNKING") && !w.known.NoRide && !w.host.renames
	conn.RideProven = w.known.Rides
	conn.Steady = w.known.Steady
	if n := w.host.maxMessages; n > 0 && (conn.MaxMessages == 0 || n < conn.MaxMessages) {
		conn.MaxMessages = n
	}
}

// carry sends messages over the session until there are none, or the session is of no more use.
func (w *worker) carry() {
	w.flight = map[*smtp.Message]task{}
	err := w.conn.Carry(w)
	if err == nil {
		err = w.broken
	}
	w.learn(err)
	switch {
	case err != nil:
		w.count(err)
		w.failed = err
		w.conn.Abort()
		w.drop()
	case w.anew || w.conn.Worn():
		if w.host.maxMessages > 0 && w.conn.Begun >= w.host.maxMessages {
			w.notBefore = time.Now().Add(w.host.reloginDelay)
		}
		w.end()
	case w.over():
		w.end()
	}
}

// end ends the session properly.
func (w *worker) end() {
	if w.conn == nil {
		return
	}
	if w.unrecorded != nil {
		w.conn.Abort() // nothing more may be sent
	} else {
		w.conn.Quit()
	}
	w.drop()
}

// drop forgets the session.
func (w *worker) drop() {
	w.host.used(w.conn)
	w.conn = nil
}

// leave keeps the session for mail to come, or ends it.
func (w *worker) leave() {
	if w.conn == nil {
		return
	}
	if !w.over() && !w.helper && w.host.keepFor(w.conn) {
		w.drop()
		return
	}
	w.end()
}

// count counts the sessions in a row that achieved nothing because of the host.
func (w *worker) count(err *smtp.Error) {
	switch {
	case err.At == smtp.StageLocal, w.ctx.Err() != nil:
	case w.decided:
		w.fruitless = 0
	case w.waited:
		w.waited = false // a host need not keep an idle session
	default:
		if w.fruitless++; w.fruitless == 1 {
			w.culprit = w.blamed
		} else if w.culprit != w.blamed {
			w.culprit = 0
		}
	}
}

// hopeless reports whether nothing goes through: with the present one, over the message t, so many sessions in a row have
// achieved nothing, and not over t alone, unless there is no end of them.
func (w *worker) hopeless(t *task) bool {
	n := w.fruitless + 1
	return !w.decided && (n >= maxFruitless && w.culprit != t.order || n >= 2*maxFruitless)
}

// giveBack reports tasks that were drawn and will not be sent, with the reason.
func (w *worker) giveBack() {
	all := w.ahead
	w.ahead = nil
	var outcomes []queue.Outcome
	for _, t := range all {
		var rep queue.Report
		switch {
		case w.suspended != nil:
			rep = *w.suspended
			rep.Unsure = false
		case w.unrecorded != nil:
			rep = w.facts(t).report(local(smtp.KindFeed, "progress cannot be recorded: %v", w.unrecorded))
		case w.ctx.Err() != nil:
			rep = w.facts(t).report(&smtp.Error{At: smtp.StageMAIL, Kind: smtp.KindStopped, Text: "the delivery was interrupted"})
		default:
			continue
		}
		o := t.outcome(t.all(rep))
		ahead(&o, time.Now())
		outcomes = append(outcomes, o)
	}
	if len(outcomes) > 0 {
		w.src.Record(outcomes)
	}
}

// record records outcomes and notes what follows for the worker.
func (w *worker) record(outcomes ...queue.Outcome) {
	if len(outcomes) == 0 {
		return
	}
	for i := range outcomes {
		ahead(&outcomes[i], time.Now())
		outcomes[i].Session.Setup, w.setup = w.setup, 0
		if w.conn != nil {
			outcomes[i].Session.TLS = w.conn.Cipher()
		}
	}
	if err := w.src.Record(outcomes); err != nil && w.unrecorded == nil {
		w.unrecorded = err
	}
	for _, o := range outcomes {
		for i := range o.Reports {
			if o.Reports[i].Scope == queue.ScopeIdentity && w.suspended == nil {
				w.suspended = &o.Reports[i]
			}
		}
	}
}

// facts returns the facts on which the meaning of replies to a task depends.
func (w *worker) facts(t *task) *facts {
	f := &facts{host: w.host.name, forced: w.host.forced && t.d.ReversePath != "", accepted: w.accepted, moved: w.host.changedSince(time.Now().Add(-lately)), alone: t.alone}
	if w.conn != nil {
		f.loggedIn, f.offered = w.conn.LoggedIn(), w.conn.LoginOffered()
	}
	return f
}

// Results implements smtp.Feed: it takes the results of messages, and records them together.
func (w *worker) Results(all []smtp.Result) error {
	var outcomes []queue.Outcome
	for i := range all {
		r := &all[i]
		t := w.flight[r.Message]
		delete(w.flight, r.Message)
		if o := w.judge(&t, r); o != nil {
			outcomes = append(outcomes, *o)
		}
	}
	w.record(outcomes...)
	if w.unrecorded != nil {
		return fmt.Errorf("progress cannot be recorded: %w", w.unrecorded)
	}
	return nil
}

// judge decides by the result of a message. It returns what is to be recorded, nil for nothing;
// the other recipients are carried again.
func (w *worker) judge(t *task, r *smtp.Result) *queue.Outcome {
	f := w.facts(t)
	v := outcome(r, f)
	w.note(t, r, &v)
	remark(r, v.reports, t.d.Content)
	if !v.settled() {
		if rest := w.retry(t, r, &v, f); rest != nil {
			w.putBack(rest)
		}
	}
	return t.settle(v.reports)
}

// retry decides about the undecided recipients. It returns the task to carry again, or settles
// them.
func (w *worker) retry(t *task, r *smtp.Result, v *verdict, f *facts) *task {
	rest := t.rest(v.reports)
	switch v.again {
	case againNext:
		return rest
	case againData:
		rest.plain = true
		return rest
	case againAlone:
		rest.alone = true
	}
	w.anew = true
	if v.cause == nil {
		return rest // nobody's fault
	}
	if r.Err == nil {
		w.broken = v.cause // the session goes on, and is of no more use
	}
	if w.blames(t, r, v, len(rest.rcpts) < len(t.rcpts)) {
		rest.deaths++
	} else if w.ctx.Err() == nil {
		return rest
	}
	if rep := w.gaveUp(rest, r, v, f); rep != nil {
		rep.Text += f.before(r, v.cause)
		given := []queue.Report{*rep}
		remark(r, given, t.d.Content)
		*rep = given[0]
		v.settle(*rep)
		if v.cause.Kind != smtp.KindReply || v.cause.At != smtp.StageRCPT {
			w.giveUp(t.order, *rep)
		}
		return nil
	}
	return rest
}

// giveUp gives up what is left of a message, which has its other recipients in tasks of their own: each would end more
// sessions.
func (w *worker) giveUp(order int, rep queue.Report) {
	var outcomes []queue.Outcome
	w.ahead = slices.DeleteFunc(w.ahead, func(t *task) bool {
		if t.order == order {
			outcomes = append(outcomes, t.outcome(t.all(rep)))
		}
		return t.order == order
	})
	w.record(outcomes...)
}

// blames reports whether to charge the end of a session to a message: it must be the first that
// the session ended over, and nothing may show that the session would have ended anyway. progress
// says that some of its recipients have their answer.
func (w *worker) blames(t *task, r *smtp.Result, v *verdict, progress bool) bool {
	idle := w.waited && !w.decided
	limited := v.cause.Kind == smtp.KindReply && v.cause.Reply.Code == 421 && w.accepted
	moved := v.cause.Kind != smtp.KindReply && w.host.changedSince(w.begun)
	if w.blamed != 0 || r.Err != nil && !r.First || idle || limited || progress || moved {
		return false
	}
	w.blamed = t.order
	return true
}

// gaveUp returns the report for recipients that are not to be tried again in this run; nil if
// they are. Silence is not waited for twice, but in the middle of a content: whether the link is dead or the host has trouble
// with this message shows when another session is opened.
func (w *worker) gaveUp(t *task, r *smtp.Result, v *verdict, f *facts) *queue.Report {
	rep := f.report(v.cause)
	switch {
	case w.ctx.Err() != nil:
	case w.hopeless(t):
		if v.cause.Kind != smtp.KindReply {
			rep.Text = strconv.Itoa(w.fruitless+1) + " sessions in a row came to nothing; in the last, " + rep.Text
		}
		rep.Action, rep.Scope = queue.Delayed, queue.ScopeIdentity
	case v.cause.Kind == smtp.KindTimeout && r.Sent != smtp.SentPart, t.deaths >= maxDeaths:
		// The host has trouble with this message.
		rep.Action, rep.Scope = queue.Delayed, queue.ScopeMessage
	default:
		return nil
	}
	return &rep
}
