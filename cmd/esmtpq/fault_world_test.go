//go:build linux && amd64

package main_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"esmtpq/queue/spool"
)

// long asks for the exhaustive form of tests that sample by default.
var long = flag.Bool("long", false, "run the exhaustive form of the fault tests: some ten minutes rather than two")

// Figures are what the fault tests come to.
type figures struct {
	sync.Mutex
	began time.Time

	killPoints, randomKills, injected, crashStates, realCuts int
	lost, torn, doubled, left, hung, silent                  int
	window                                                   int // second copies inside the window
	kept                                                     int // refused, yet sent: what it had written could not be removed either
	reported                                                 int // remains of a removal that deliver reports and leaves alone
}

func (f *figures) add(n *int, more int) {
	f.Lock()
	defer f.Unlock()
	*n += more
}

// remaining is how much time is left for tests that are worth more the longer they go on.
func (f *figures) remaining() time.Duration {
	if *long {
		return 24 * time.Hour
	}
	return 150*time.Second - time.Since(f.began)
}

func (f *figures) String() string {
	f.Lock()
	defer f.Unlock()
	return fmt.Sprintf("faults: %d kill points, %d random kills, %d failing calls, %d states after a power cut, %d power cuts on ext4: "+
		"lost %d, torn %d, doubled %d, left behind %d, hung %d, silent %d (second copies inside the window %d, refused yet sent %d, remains reported %d)",
		f.killPoints, f.randomKills, f.injected, f.crashStates, f.realCuts,
		f.lost, f.torn, f.doubled, f.left, f.hung, f.silent, f.window, f.kept, f.reported)
}

// A faultMail is a message as it is submitted. Its header is complete, so that it
// arrives exactly as it is.
type faultMail struct {
	serial  int
	rcpts   []string
	content string // LF line ends
}

func newFaultMail(serial, size int, rcpts ...string) *faultMail {
	var b strings.Builder
	fmt.Fprintf(&b, "From: me@example.org\nTo: %s\nSubject: message %d\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <%d@fault.test>\n\n",
		strings.Join(rcpts, ", "), serial, serial)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "%d.%d: a line like any other, and one with a dot\n.\n", serial, i)
	}
	return &faultMail{serial, rcpts, b.String()}
}

// serialOf finds out which message a content belongs to, whatever has happened to it; 0 for none.
func serialOf(content string) int {
	n := 0
	if _, rest, ok := strings.Cut(content, "Message-ID: <"); ok {
		fmt.Sscanf(rest, "%d@fault.test>", &n)
	}
	return n
}

// A faultHost is a smart host that remembers everything for which it took the final dot.
type faultHost struct {
	addr string

	mu       sync.Mutex
	changed  *sync.Cond
	sessions int  // open
	busy     bool // "later..." is told to come again
	chunking bool // messages may come back to back (RFC 3030)
	taken    []transaction
}

func newFaultHost(t *testing.T) *faultHost {
	l := listen(t)
	h := &faultHost{addr: l.Addr().String()}
	h.changed = sync.NewCond(&h.mu)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.sessions++
		return &faultSession{host: h}, nil
	}))
	server.Domain = "smarthost.test"
	server.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(func() { server.Close() })
	go server.Serve(faultListener{l, h})
	return h
}

// A faultListener hides CHUNKING where it is not wanted: the server always offers it.
type faultListener struct {
	net.Listener
	host *faultHost
}

func (l faultListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return faultConn{c, l.host}, err
}

type faultConn struct {
	net.Conn
	host *faultHost
}

// Read turns the end of the connection into an error: in a chunk, the library would take it for
// the end of the message, and a truncated message for one that was sent.
func (c faultConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (c faultConn) Write(p []byte) (int, error) {
	if c.host.inFlight() == 1 {
		p = bytes.Replace(p, []byte("CHUNKING"), []byte("XNOTHING"), 1)
	}
	return c.Conn.Write(p)
}

// inFlight is how many messages of a session may be taken and not recorded.
func (h *faultHost) inFlight() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.chunking {
		return 64
	}
	return 1
}

func (h *faultHost) setChunking(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.chunking = on
}

type faultSession struct {
	host *faultHost
	mail transaction
}

func (s *faultSession) Reset() {}

func (s *faultSession) Logout() error {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.host.sessions--
	s.host.changed.Broadcast()
	return nil
}

func (s *faultSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mail = transaction{from: from}
	return nil
}

func (s *faultSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	if s.host.busy && strings.HasPrefix(to, "later") {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "come again"}
	}
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *faultSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err // cut off before the final dot
	}
	s.mail.content = string(b)
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.host.taken = append(s.host.taken, s.mail)
	return nil
}

// settle waits until every connection is closed: what a dead client had sent has been read.
func (h *faultHost) settle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.sessions > 0 {
		h.changed.Wait()
	}
}

// begin forgets what was taken.
func (h *faultHost) begin(busy bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken, h.busy, h.chunking = nil, busy, false
}

func (h *faultHost) setBusy(busy bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = busy
}

// number is how many messages it has taken.
func (h *faultHost) number() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.taken)
}

// A copyOf is one recipient's copy of a message.
type copyOf struct {
	serial int
	rcpt   string
}

// copies counts what was taken, and what of it is not what was submitted.
func (h *faultHost) copies(mails []*faultMail) (counts map[copyOf]int, torn int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts = map[copyOf]int{}
	for _, tx := range h.taken {
		content := strings.ReplaceAll(tx.content, "\r\n", "\n")
		serial := serialOf(content)
		if serial < 1 || serial > len(mails) || mails[serial-1].content != content {
			torn++
			continue
		}
		for _, to := range tx.to {
			counts[copyOf{serial, to}]++
		}
	}
	return counts, torn
}

// A world is a throw-away home, the messages submitted in it and a smart host.
type world struct {
	t        *testing.T
	fig      *figures
	what     string // for messages of the test
	home     string
	host     *faultHost
	mails    []*faultMail
	accepted map[int]bool // by serial: sendmail has exited with 0

	arrived map[copyOf]int // up to the last call of died
	window  map[copyOf]int // second copies that are within the promise
}

// newWorld makes a world that is gone when its user calls end.
func newWorld(t *testing.T, fig *figures, host *faultHost, what string) *world {
	home, err := os.MkdirTemp("", "esmtpq-fault-")
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	w := &world{t: t, fig: fig, what: what, home: home, host: host, accepted: map[int]bool{},
		arrived: map[copyOf]int{}, window: map[copyOf]int{}}
	w.configure()
	host.begin(false)
	return w
}

func (w *world) configure() {
	rc := "identity = me@example.org\nhostname = " + w.host.addr + "\n"
	if err := os.WriteFile(filepath.Join(w.home, ".esmtprc"), []byte(rc), 0o600); err != nil {
		w.t.Error(err)
	}
}

func (w *world) end() { os.RemoveAll(w.home) }

func (w *world) queue() string { return filepath.Join(w.home, ".esmtp_queue") }

func (w *world) env() []string {
	return []string{"HOME=" + w.home, "PATH=/usr/bin:/bin", "TZ=UTC", "ESMTPQ_DELAY=never", "ESMTPQ_TIMEOUT=5s"}
}

// mail makes the next message.
func (w *world) mail(size int, rcpts ...string) *faultMail {
	m := newFaultMail(len(w.mails)+1, size, rcpts...)
	w.mails = append(w.mails, m)
	return m
}

// program returns a program of ours, in this world.
func (w *world) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(binDir, name), args...)
	cmd.Args[0] = name
	cmd.Dir, cmd.Env = w.home, w.env()
	return cmd
}

// submitted are the arguments of sendmail for a message.
func submitted(m *faultMail) []string { return append([]string{"-i", "--"}, m.rcpts...) }

// submit submits a message without any fault.
func (w *world) submit(m *faultMail) {
	r := w.ended(w.program("sendmail", submitted(m)...), m.content)
	if r.code != 0 {
		w.t.Errorf("%s: sendmail without a fault: exit %d, %s", w.what, r.code, r.stderr)
	}
	w.accepted[m.serial] = r.code == 0
}

// ended runs a program to its end; code -1 says that it was killed.
func (w *world) ended(cmd *exec.Cmd, stdin string) result {
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	bounded := exec.CommandContext(ctx, cmd.Path)
	bounded.Args, bounded.Dir, bounded.Env, bounded.SysProcAttr = cmd.Args, cmd.Dir, cmd.Env, cmd.SysProcAttr
	var stdout, stderr bytes.Buffer
	bounded.Stdin, bounded.Stdout, bounded.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := bounded.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && bounded.ProcessState == nil {
		w.t.Errorf("%s: %v", w.what, err)
		return result{code: -1}
	}
	if ctx.Err() != nil {
		w.fig.add(&w.fig.hung, 1)
		w.t.Errorf("%s: %q hung", w.what, cmd.Args)
	}
	return result{bounded.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// traced runs a program of ours under the injector.
func (w *world) traced(f fault, stdin, name string, args ...string) *traceResult {
	tr := &tracer{root: w.home, fault: f, limit: 20 * time.Second, look: w.host.number}
	r, err := tr.run(filepath.Join(binDir, name), append([]string{name}, args...), w.env(), w.home, stdin)
	if err != nil {
		w.t.Errorf("%s: trace: %v", w.what, err)
		return &traceResult{code: -1}
	}
	if r.hung {
		w.fig.add(&w.fig.hung, 1)
		w.t.Errorf("%s: %s hung", w.what, name)
	}
	return r
}

// queued returns the entries of the queue, by the serials of their messages.
func (w *world) queued() map[int]*spool.Message {
	in := map[int]*spool.Message{}
	q, err := spool.Open(w.queue())
	if err != nil {
		return in
	}
	defer q.Close()
	l, err := q.List()
	if err != nil {
		w.t.Errorf("%s: %v", w.what, err)
		return in
	}
	for _, id := range l.IDs {
		content, _ := os.ReadFile(filepath.Join(w.queue(), id, "mail"))
		if m, err := q.Read(id); err == nil {
			in[serialOf(string(content))] = m
		}
	}
	return in
}

// doubtful are the copies in the window: the disk says that their final dot was about to be
// sent, and not what came of it.
func (w *world) doubtful() map[copyOf]bool {
	in := map[copyOf]bool{}
	for serial, m := range w.queued() {
		for i, p := range m.Progress {
			if p.State == spool.Sending || p.State == spool.Unsure {
				in[copyOf{serial, m.Envelope.Recipients[i].Address}] = true
			}
		}
	}
	return in
}

// died looks at what a deliver has left that may have died: for what the host took from it, and
// whose record says no more than that it was about to be sent, there may be one copy more.
func (w *world) died() {
	w.host.settle()
	counts, _ := w.host.copies(w.mails)
	window := map[copyOf]int{}
	for c := range w.doubtful() {
		if counts[c] > w.arrived[c] {
			window[c] = 1
		}
	}
	w.bounded(window)
	for c := range window {
		w.window[c]++
	}
	w.arrived = counts
}

// bounded sees that no more messages are in the window than one session may have in flight: it
// records each before it ends the next, unless they go back to back.
func (w *world) bounded(window map[copyOf]int) {
	serials := map[int]bool{}
	for c := range window {
		serials[c.serial] = true
	}
	if limit := w.host.inFlight(); len(serials) > limit {
		w.fig.add(&w.fig.doubled, len(serials)-limit)
		w.t.Errorf("%s: more was sent before what had been sent was recorded: %v", w.what, window)
	}
}

// reckon lets a real deliver finish what is in the queue and holds the outcome against
// the promise.
func (w *world) reckon() {
	w.host.setBusy(false)
	r := w.ended(w.program("deliver"), "")
	w.host.settle()
	if r.code != 0 {
		w.fig.add(&w.fig.left, 1)
		w.t.Errorf("%s: deliver afterwards: exit %d, %s", w.what, r.code, r.stderr)
	}
	counts, torn := w.host.copies(w.mails)
	w.judge(counts, torn)
	for _, name := range w.leftovers() {
		w.fig.add(&w.fig.left, 1)
		w.t.Errorf("%s: %s is left in the queue; deliver said %q", w.what, name, r.stderr)
	}
}

// judge holds what arrived against the promise.
func (w *world) judge(counts map[copyOf]int, torn int) {
	if torn > 0 {
		w.fig.add(&w.fig.torn, torn)
		w.t.Errorf("%s: %d contents arrived that nobody submitted", w.what, torn)
	}
	for _, m := range w.mails {
		for _, rcpt := range m.rcpts {
			c := copyOf{m.serial, rcpt}
			switch n := counts[c]; {
			case n == 0 && w.accepted[m.serial]:
				w.fig.add(&w.fig.lost, 1)
				w.t.Errorf("%s: message %d for %s is lost", w.what, m.serial, rcpt)
			case n > 1 && n <= 1+w.window[c]:
				w.fig.add(&w.fig.window, n-1)
			case n > 1:
				w.fig.add(&w.fig.doubled, n-1-w.window[c])
				w.t.Errorf("%s: message %d for %s arrived %d times", w.what, m.serial, rcpt, n)
			}
		}
	}
}

// ours are the files in the queue directory that are no messages.
var ours = []string{".wakeup", ".parked", ".agenda", ".edited", ".sessions"}

// leftovers returns what is in the queue that should not be after everything has gone out.
func (w *world) leftovers() []string {
	entries, err := os.ReadDir(w.queue())
	if err != nil && !os.IsNotExist(err) {
		w.t.Errorf("%s: %v", w.what, err)
	}
	var names []string
	for _, e := range entries {
		if !slices.Contains(ours, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// inParallel calls f for 0 to n-1 on as many workers as there are processors, each with a smart
// host of its own. It stops early when f returns false or time is up.
func inParallel(t *testing.T, n int, limit time.Duration, f func(host *faultHost, i int) bool) {
	var mu sync.Mutex
	next, stop := 0, false
	deadline := time.Now().Add(limit)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if stop || next == n || time.Now().After(deadline) {
			return 0, false
		}
		next++
		return next - 1, true
	}
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		host := newFaultHost(t)
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if !f(host, i) {
					mu.Lock()
					stop = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if next < n && !stop {
		t.Logf("time is up after %d of %d", next, n)
	}
}
