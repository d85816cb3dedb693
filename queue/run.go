package queue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"esmtpq/queue/spool"
)

// RunOptions say what a queue run is to do.
type RunOptions struct {
	// All tries everything that is neither held nor failed; else what is due.
	All bool
	// Select, if not nil, narrows the run to some messages.
	Select func(*spool.Message) bool
	// Age is how old a message must be that comes in while the run goes
	// on: what is younger is left to the background process that its
	// submission started, which waits for more of its kind.
	Age time.Duration
	// Waiting, if not nil, is called when another run has to be waited for.
	Waiting func()
	// Begun, if not nil, is called once the run has its lock and before it
	// looks at the queue.
	Begun func()
	// Legacy, if not nil, is called with the names of entries of esmtp-wrapper's before anything is
	// tried. It may make messages of them.
	Legacy func(names []string)

	// Setup stands for what decides about the lanes of mail, be it a configuration file and its
	// state: what runs found out under another one is not relied upon.
	Setup string
	// Mended is when the configuration was last changed: what was parked before may work now.
	Mended time.Time
	// HoldUnsure holds a message that was possibly delivered, instead of trying it again.
	HoldUnsure bool

	Limits Limits
	// Notifier, if not nil, tells the owner of mail that failed, is late, or is dropped.
	Notifier Notifier
	// Attended says that somebody reads the Summary: what the Notifier could tell nobody counts
	// as told by it.
	Attended bool
}

// A Summary is what a queue run came to.
type Summary struct {
	Done    int       // recipients served
	Failed  []Failure // recipients refused for good, in this run or of which nobody could be told
	Dropped []Failure // failed recipients of messages that were kept long enough
	Waiting []Reason  // what is left to be tried, in the order met
	Trouble []string  // what is wrong in the queue itself
}

// A Failure is a recipient that was refused for good.
type Failure struct {
	ID        string
	Recipient int // index
	Address   string
	Report    Report
}

// A Reason is why messages wait.
type Reason struct {
	Lane     string
	Text     string
	Messages int
}

// Run tries to deliver what is in the queue. One run goes on at a time: Run waits for another to end,
// and does not try again what that one has tried meanwhile. An error means that there was no run.
func Run(ctx context.Context, q *spool.Queue, router Router, opt RunOptions) (*Summary, error) {
	called := time.Now()
	waited, err := q.LockRun(ctx, opt.Waiting)
	if err != nil {
		return nil, fmt.Errorf("lock queue %s: %w", q.Dir, err)
	}
	defer q.UnlockRun()
	if opt.Begun != nil {
		opt.Begun()
	}
	r := &run{
		q: q, ctx: ctx, router: router, opt: opt, called: called, waited: waited,
		seen: map[uint64]struct{}{}, open: map[string]*openEntry{}, lanes: map[string]*lane{},
		reasons: map[Reason]int{}, parked: readParkings(q),
		gone: make(chan *spool.Entry, 64),
	}
	r.idle = sync.NewCond(&r.mu)
	r.beginNotes()
	r.loop()
	if r.blind != nil {
		return nil, fmt.Errorf("list queue: %w", r.blind)
	}
	return &r.sum, nil
}

// An openEntry is an entry that lanes of a run work on.
type openEntry struct {
	*spool.Entry
	use int // how many do; guarded by mu of the run
}

// A run is one queue run. Its lanes are goroutines; mu guards all it has.
type run struct {
	q      *spool.Queue
	ctx    context.Context
	router Router
	opt    RunOptions
	called time.Time // when the run was asked for
	waited bool      // for another run to end

	mu       sync.Mutex
	idle     *sync.Cond // work came in, the scan ended, or a lane did
	scanning bool
	telling  bool      // the owner is told: no lane may begin
	ended    bool      // no scan may begin any more
	scanned  time.Time // when the last scan began
	ripe     time.Time // when the first entry that it found too young will be old enough; zero for none
	seen     map[uint64]struct{}
	open     map[string]*openEntry
	gone     chan *spool.Entry // done, to be removed
	lanes    map[string]*lane
	busy     int // lanes at work
	parked   parkings
	changed  bool  // parked has
	blind    error // why the first scan saw nothing
	reasons  map[Reason]int
	noted    []string // messages of which the owner may have to hear
	notes    notes
	envelope []byte // for the scan to read into
	sum      Summary
}

// rescanEvery is how often a run looks for new mail while it is busy, so that the mail of one
// identity does not wait for the end of another's.
const rescanEvery = time.Second

func (r *run) loop() {
	removed := make(chan struct{})
	go r.remover(removed)
	defer func() {
		close(r.gone)
		<-removed
	}()
	r.scan(true)
	tick := time.NewTicker(rescanEvery)
	defer tick.Stop()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-tick.C:
				r.rescan()
			case <-stop:
				return
			}
		}
	}()
	for r.tell(r.wait()) {
		r.setTelling(false)
		r.scan(false) // there are bounces to deliver
	}
	r.setTelling(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.busy > 0 || r.scanning {
		r.idle.Wait()
	}
	// The ticker may be about to look once more; what it found would go out without the run's lock.
	r.ended = true
	r.refuseParked()
	if r.changed {
		if err := writeParkings(r.q, r.parked); err != nil {
			r.trouble("%v", err)
		}
	}
	r.saveAgenda()
}

// wait waits until no lane is at work, and returns the messages noted so far. None begins until
// setTelling: what is told is read without the locks of the entries.
func (r *run) wait() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.busy > 0 || r.scanning {
		r.idle.Wait()
	}
	noted := r.noted
	r.noted, r.telling = nil, true
	return noted
}

func (r *run) setTelling(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.telling = on
}

func (r *run) trouble(format string, args ...any) {
	r.sum.Trouble = append(r.sum.Trouble, fmt.Sprintf(format, args...))
}

const notDue = "not due yet"

// leave counts a message that stays, with the reason of its last attempt where there is none now.
func (r *run) leave(m *spool.Message, lane string) {
	text := notDue
	for i := range m.Progress {
		if p := &m.Progress[i]; p.State.Pending() && p.Text != "" {
			text = p.Explain()
			break
		}
	}
	r.count(lane, text)
}

// count adds a message to those that wait for a reason.
func (r *run) count(lane, text string) {
	key := Reason{Lane: lane, Text: text}
	at, ok := r.reasons[key]
	if !ok {
		at = len(r.sum.Waiting)
		r.reasons[key] = at
		r.sum.Waiting = append(r.sum.Waiting, key)
	}
	r.sum.Waiting[at].Messages++
}

// dispatch hands a message to the lanes of its recipients.
func (r *run) dispatch(m *spool.Message, now time.Time) {
	var names []string
	var indexes []int
	var reports []Report
	for i, rcpt := range m.Envelope.Recipients {
		if !m.Progress[i].State.Pending() {
			continue
		}
		route, err := r.router.Route(&m.Envelope, rcpt)
		if err != nil {
			indexes = append(indexes, i)
			reports = append(reports, Report{Action: Delayed, Scope: ScopeIdentity, Status: "4.3.5", Text: err.Error()})
			continue
		}
		if !slices.Contains(names, route.Lane) {
			names = append(names, route.Lane)
		}
	}
	r.refuseRecipients(m.ID, "", indexes, reports)
	for _, name := range names {
		r.enqueue(name, m, now)
	}
	if len(names) == 1 && len(indexes) == 0 {
		r.restParked(names[0], m, now)
	}
}

// enqueue gives a message to a lane, which begins to work if it does not yet.
func (r *run) enqueue(name string, m *spool.Message, now time.Time) {
	l := r.laneOf(name)
	if l.dead != nil {
		r.refuse(m.ID, name, *l.dead)
		return
	}
	if p := r.parked[name]; p != nil && l.idle() {
		if r.opt.All && r.triedMeanwhile(p.Last, now) {
			r.refuse(m.ID, name, p.Report)
			return
		}
		if !r.opt.All && p.waits(untried(m), r.opt.Mended, now) {
			if l.why == nil {
				l.why = p.Report.Reason()
			}
			l.parked = append(l.parked, waiting{spool.Number(m.ID), m.Attempts > 0, m.WaitsFor(l.why)})
			return
		}
	}
	// What waited for the identity goes along, in its order.
	for _, w := range l.parked {
		l.add(w.id, w.again)
	}
	l.parked = nil
	l.add(spool.Number(m.ID), m.Attempts > 0)
	if !l.working {
		l.working = true
		r.busy++
		go l.work()
	}
	r.idle.Broadcast()
}

// laneOf returns the lane of a name.
func (r *run) laneOf(name string) *lane {
	l := r.lanes[name]
	if l == nil {
		l = &lane{run: r, name: name}
		r.lanes[name] = l
	}
	return l
}

// refuseParked leaves the mail of identities that are out of order and not due. It is for the end
// of the run: until then new mail can find the host and take the old along.
func (r *run) refuseParked() {
	for name, l := range r.lanes {
		why := r.parked[name]
		for _, w := range l.parked {
			if w.noted {
				r.count(name, why.Report.Explain())
			} else {
				r.refuse(spool.IDText(w.id), name, why.Report)
			}
		}
		l.parked = nil
	}
}

// refuse notes why what a message has for a lane was not tried, without charging the message.
// Called with mu held.
func (r *run) refuse(id, lane string, report Report) {
	e, err := r.acquire(id)
	if err != nil {
		// Gone, or somebody works on it: the reason is not worth a wait.
		r.count(lane, report.Explain())
		return
	}
	defer r.release(e)
	indexes, reports := []int(nil), []Report(nil)
	e.View(func(m *spool.Message) {
		for i, rcpt := range m.Envelope.Recipients {
			if !m.Progress[i].State.Pending() {
				continue
			}
			if route, err := r.router.Route(&m.Envelope, rcpt); err == nil && route.Lane == lane {
				indexes, reports = append(indexes, i), append(reports, report)
			}
		}
	})
	r.refuseRecipients(id, lane, indexes, reports)
	e.View(func(m *spool.Message) { // another lane may be recording
		if len(indexes) == len(m.Indexes(func(i int) bool { return m.Progress[i].State.Pending() })) {
			r.restRefused(lane, m, time.Now())
		}
	})
}

// refuseRecipients notes why some recipients of a message were not tried. The message counts
// once for each reason. Called with mu held.
func (r *run) refuseRecipients(id, lane string, indexes []int, reports []Report) {
	if len(indexes) == 0 {
		return
	}
	counted := map[string]bool{}
	for k := range reports {
		if text := reports[k].Explain(); !counted[text] {
			counted[text] = true
			r.count(lane, text)
		}
	}
	e, err := r.acquire(id)
	if err != nil {
		return
	}
	defer r.release(e)
	if err := e.Note(indexes, reports, time.Now()); err != nil {
		r.trouble("note why %s waits: %v", id, err)
	}
}

// acquire opens an entry, or returns it if a lane of this run has it open.
func (r *run) acquire(id string) (*openEntry, error) {
	r.disturb(id)
	e := r.open[id]
	if e == nil {
		locked, err := r.q.OpenEntry(id)
		if err != nil {
			return nil, err
		}
		e = &openEntry{Entry: locked}
		r.open[id] = e
	}
	e.use++
	return e, nil
}

// release lets go of an entry. One that is done is removed, by the remover if that is not behind:
// no session waits for it.
func (r *run) release(e *openEntry) {
	if e.use--; e.use > 0 {
		return
	}
	delete(r.open, e.ID())
	if !e.Served() {
		e.Close()
		return
	}
	select {
	case r.gone <- e.Entry:
	default:
		drop(e.Entry)
	}
}

// remover removes what is done.
func (r *run) remover(end chan<- struct{}) {
	for e := range r.gone {
		drop(e)
	}
	close(end)
}

// drop removes an entry that is done. What is recorded is what counts: a removal that fails is made good,
// or told of, by the next run.
func drop(e *spool.Entry) {
	e.Remove()
	e.Close()
}
