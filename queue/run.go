package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"esmtpq/queue/spool"
)

// RunOptions say what a queue run is to do.
type RunOptions struct {
	// All tries everything that is neither held nor failed; otherwise only what is due is tried.
	All bool
	// Select, if not nil, limits the run to some messages.
	Select func(*spool.Message) bool
	// Early sends mail before its time, too: a person has named it.
	Early bool
	// Age is how old a message must be if it arrives during the run. A younger one is left to the
	// background process that its submission started, which waits for more of its kind.
	Age time.Duration
	// Join leaves the work to another run that sees to everything, if there is one: Run then returns
	// ErrJoined. Only a run for everything may ask for it.
	Join bool
	// Waiting, if not nil, is called when the run has to wait for another one.
	Waiting func()
	// Begun, if not nil, is called when the run has its lock, before it looks at the queue.
	Begun func()
	// Legacy, if not nil, is called with the names of entries of esmtp-wrapper before anything is
	// tried. It may turn them into messages.
	Legacy func(names []string)

	// Setup identifies what the routes of mail depend on, such as a configuration file and its
	// state. The findings of runs with another Setup are not relied on.
	Setup string
	// ConfigChanged is when the configuration was last changed: an identity that has waited since
	// before that may work now.
	ConfigChanged time.Time
	// NewNetwork says that the network has changed: what waits for it is tried now.
	NewNetwork bool
	// Apart is how far apart at most identities begin, so that not all hosts are called at once.
	Apart time.Duration
	// HoldUnsure holds a message that was possibly delivered, instead of trying it again. After
	// the third time a message is held in any case.
	HoldUnsure bool

	Limits Limits
	// Now, if not nil, is the clock of the run, for tests.
	Now func() time.Time
	// Notifier, if not nil, tells the owner of mail that failed, is late, or is dropped: see
	// Summary.Tell.
	Notifier Notifier
	// Progress, if not nil, is called again and again, with how far the run has come.
	Progress func(Standing)
	// Observer, if not nil, is told what the run does.
	Observer Observer
	// Keeper, if not nil, keeps copies of what hosts have taken.
	Keeper Keeper
	// Attended says that a person reads the Summary: it counts as the notice where the Notifier
	// has no way.
	Attended bool
}

// A Summary is the result of a queue run.
type Summary struct {
	Done    int       // recipients served
	Failed  []Failure // recipients refused for good, in this run or in one that could tell nobody
	Dropped []Failure // failed recipients of messages that were kept long enough
	Waiting []Reason  // mail that is left to be tried, in the order met
	Trouble []string  // what is wrong with the queue itself
	// Held and Refused are messages that Select chose and that were not tried: they are held, or
	// all their recipients that are not served had failed before.
	Held, Refused []string
	// Scheduled are messages likewise that wait for their time.
	Scheduled []Scheduled
	// Wake is when the next message is to be sent that waits for its time, as far as is known; zero if
	// none does.
	Wake time.Time

	run *run // for Tell
}

// A Failure is a recipient that was refused for good.
type Failure struct {
	ID        string
	Recipient int // index
	Address   string
	Report    Report
}

// Scheduled is a message that is not sent before a time.
type Scheduled struct {
	ID string
	At time.Time
}

// A Reason is why messages wait.
type Reason struct {
	Destination string
	Text        string
	Messages    int
}

// ErrJoined says that a run was left to another one.
var ErrJoined = spool.ErrJoined

// Run tries to deliver the mail in the queue. There is one run at a time: Run waits until another
// one has ended, and does not try again what that one has tried meanwhile. When it is asked to by
// others who left it to this run (spool.JoinRun), it looks at everything once more, and does not try
// again what was tried after they asked. An error means that there was no run.
func Run(ctx context.Context, q *spool.Queue, router Router, opt RunOptions) (*Summary, error) {
	called := opt.now()
	var join func() bool
	if opt.Join && opt.All && opt.Select == nil {
		join = q.JoinRun
	}
	waited, err := q.LockRun(ctx, opt.Waiting, join)
	if errors.Is(err, ErrJoined) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("lock queue %s: %w", q.Dir, err)
	}
	if opt.Begun != nil {
		opt.Begun()
	}
	sum, err := runLocked(ctx, q, router, opt, called, waited)
	for err == nil && ctx.Err() == nil {
		asked, again := q.LockAgain(ctx)
		if !again {
			break
		}
		opt.All, opt.Select, opt.Early = true, nil, false
		var more *Summary
		if more, err = runLocked(ctx, q, router, opt, asked, true); err == nil {
			sum.add(more)
		}
	}
	return sum, err
}

// add adds what a further run has come to.
func (s *Summary) add(more *Summary) {
	s.Done += more.Done
	s.Failed, s.Dropped = append(s.Failed, more.Failed...), append(s.Dropped, more.Dropped...)
	s.Trouble = append(s.Trouble, more.Trouble...)
	s.Waiting, s.Wake, s.run = more.Waiting, more.Wake, more.run // it has met everything
}

// runLocked is one run, and lets go of its lock.
func runLocked(ctx context.Context, q *spool.Queue, router Router, opt RunOptions, called time.Time, waited bool) (*Summary, error) {
	defer q.UnlockRun()
	q.DeclareRun(opt.Select == nil, opt.All && opt.Select == nil)
	r := &run{
		q: q, ctx: ctx, router: router, opt: opt, called: called, begun: opt.now(), waited: waited,
		seen: map[uint64]struct{}{}, open: map[string]*openEntry{}, destinations: map[string]*destination{},
		reasons: map[Reason]int{}, backoffs: readBackoffs(q), unsendable: q.Unsendables(),
		blocked: map[string][]string{}, pileOf: map[pileKey]*pile{},
		gone: make(chan *openEntry, 64), drawn: make(chan struct{}, 1),
	}
	r.idle = sync.NewCond(&r.mu)
	r.beginFindings()
	r.loop()
	if r.blind != nil {
		return nil, fmt.Errorf("list queue: %w", r.blind)
	}
	r.sum.run = r
	return &r.sum, nil
}

// now returns the time by the clock of the run. Clocks are set and jump: what was recorded by it
// may lie in the future, or in 1970.
func (opt *RunOptions) now() time.Time {
	if opt.Now != nil {
		return opt.Now()
	}
	return time.Now()
}

func (r *run) now() time.Time { return r.opt.now() }

// A run is one queue run. Its destinations are goroutines; mu guards what they share. It is never
// held while an entry is opened, read or written, so that a slow disk keeps no others waiting.
type run struct {
	q      *spool.Queue
	ctx    context.Context
	router Router
	opt    RunOptions
	called time.Time // when the run was asked for
	begun  time.Time // when it had its lock
	waited bool      // for another run to end

	gone      chan *openEntry // entries that are done, to be removed
	drawn     chan struct{}   // a long message is being sent, which should be shown
	voidIndex sync.Once       // removes the due index before the first entry is changed
	impatient atomic.Bool     // an entry was waited for in vain
	envelope  []byte          // buffer for the scan

	mu           sync.Mutex
	idle         *sync.Cond // work came in, the scan ended, or a destination did
	scanning     bool
	ended        bool      // no scan may begin any more
	changeTime   time.Time // of the directory, when the last scan began
	settled      bool      // it was some time ago then
	ripe         time.Time // when the first entry found too young will be old enough
	seen         map[uint64]struct{}
	open         map[string]*openEntry
	destinations map[string]*destination
	busy         int // destinations at work
	started      int // destinations that have begun
	backoffs     backoffs
	changed      bool  // backoffs has
	blind        error // why the first scan saw nothing
	reasons      map[Reason]int
	unsendable   map[string]spool.Unsendable
	// unsendableChanged says that the file differs from it.
	unsendableChanged bool
	unusables         int                 // entries counted as unsendable
	blocked           map[string][]string // by identity that waits: some of its messages
	piles             []*pile
	pileOf            map[pileKey]*pile
	renamed           spool.Renamings
	renamedRead       bool
	early             map[string]time.Time // when messages are to be sent that go ahead of that, until they have gone
	noted             []string             // messages of which the owner may have to be told
	findings          findings
	stands            Standing
	sum               Summary
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
		if err := r.q.SyncMemory(); err != nil {
			r.troubled("%v", err)
		}
	}()
	r.q.ShowTransfers(nil) // a dead run may have left some
	stop, shown := make(chan struct{}), make(chan struct{})
	go r.show(stop, shown)
	defer func() {
		close(stop)
		<-shown // it writes to the file that is locked
	}()
	r.scan(true)
	go r.watch(stop)
	r.end()
	r.refuseBackoffs()
	r.collect()
	r.saveUnsendable()
	if r.changed {
		if err := writeBackoffs(r.q, r.backoffs); err != nil {
			r.trouble("%v", err)
		}
	}
	r.saveDueIndex()
	r.saveSchedule()
}

// watch looks for new mail again and again.
func (r *run) watch(stop <-chan struct{}) {
	tick := time.NewTicker(rescanEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.rescan()
			r.revive()
		case <-stop:
			return
		}
	}
}

// end waits until everything is done. From then on only the run's own goroutine works: the one
// that watches may be about to look once more, and mail that it found would go out without the
// run's lock.
func (r *run) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.busy > 0 || r.scanning {
		r.idle.Wait()
	}
	r.ended = true
}

// trouble notes something that is wrong with the queue. It is called with mu held.
func (r *run) trouble(format string, args ...any) {
	r.sum.Trouble = append(r.sum.Trouble, fmt.Sprintf(format, args...))
}

// troubled is trouble without mu.
func (r *run) troubled(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble(format, args...)
}

const notDue = "not due yet"

// leave counts a message that stays, with the reason of its last attempt if there is none now. It
// is called with mu held.
func (r *run) leave(m *spool.Message) {
	text := notDue
	for i := range m.Progress {
		if p := &m.Progress[i]; p.State.Pending() && p.Text != "" {
			text = p.Explain()
			break
		}
	}
	r.count("", text)
}

// count counts a message that waits for a reason. It is called with mu held.
func (r *run) count(destination, text string) {
	key := Reason{Destination: destination, Text: text}
	at, ok := r.reasons[key]
	if !ok {
		at = len(r.sum.Waiting)
		r.reasons[key] = at
		r.sum.Waiting = append(r.sum.Waiting, key)
	}
	r.sum.Waiting[at].Messages++
}

// counted is count without mu.
func (r *run) counted(destination, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(destination, text)
}
