package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that must come.
const patience = 20 * time.Second

// A scriptServer is a smart host that plays dialogues, one for each connection:
//
//	S: line          is sent
//	S" "quoted"      is sent as it is, without a line end
//	C: line          must come
//	C* line          must come; may be preceded by any lines (a content)
//	! close          the connection is closed
//	! shut           no more is said, and the client heard until it has gone
//	! reset          the connection is reset
//	! pause          a moment passes, for what was sent to arrive alone
//	! hang           nothing is said until the client has gone
//	! deaf           nothing is read either, until the end of the test
//	! tls            the server's side of a handshake
//	! trickle        one octet after the other of an endless reply
//	! flood          an endless reply, as fast as it goes
//
// At the end of a dialogue the client must close the connection.
type scriptServer struct {
	t       testing.TB
	ln      net.Listener
	dialogs []string
	config  *tls.Config
	met     chan struct{} // closed once there are as many connections as dialogues
	done    chan struct{}
	deaf    []net.Conn

	mu     sync.Mutex
	failed []string
	lines  []string // all that clients said
}

// serve starts a server for a script; dialogues are separated by lines "---".
// Connections beyond them are closed at once.
func serve(t testing.TB, script string, config *tls.Config) *scriptServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scriptServer{t: t, ln: ln, dialogs: strings.Split(script, "---\n"), config: config,
		met: make(chan struct{}), done: make(chan struct{})}
	go s.accept()
	t.Cleanup(s.close)
	return s
}

// close waits for the server's end and fails the test if anything went wrong there. A connection
// of a client may not have been accepted yet, and closing the listener would drop it.
func (s *scriptServer) close() {
	select {
	case <-s.met:
	case <-time.After(patience):
	}
	s.ln.Close()
	<-s.done
	for _, conn := range s.deaf {
		conn.Close()
	}
	for _, f := range s.failed {
		s.t.Error("server: " + f)
	}
	s.failed = nil
}

func (s *scriptServer) accept() {
	defer close(s.done)
	for n := 0; ; n++ {
		conn, err := s.ln.Accept()
		if err != nil {
			if n < len(s.dialogs) {
				s.fail("%d connections, not %d", n, len(s.dialogs))
			}
			return
		}
		if n == len(s.dialogs)-1 {
			close(s.met)
		}
		if n < len(s.dialogs) {
			s.play(conn, s.dialogs[n], n+1)
		} else {
			s.fail("a connection too many")
		}
		if !slices.Contains(s.deaf, conn) {
			conn.Close()
		}
	}
}

func (s *scriptServer) fail(format string, args ...any) {
	s.mu.Lock()
	s.failed = append(s.failed, fmt.Sprintf(format, args...))
	s.mu.Unlock()
}

// play plays one dialogue.
func (s *scriptServer) play(conn net.Conn, script string, n int) {
	conn.SetDeadline(time.Now().Add(patience))
	raw, br := conn, bufio.NewReader(conn)
	for _, line := range strings.Split(script, "\n") {
		line = strings.TrimLeft(line, "\t ")
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "S: "):
			io.WriteString(conn, line[3:]+"\r\n")
		case strings.HasPrefix(line, `S" `):
			text, err := strconv.Unquote(line[3:])
			if err != nil {
				s.fail("bad script: %s", line)
			}
			io.WriteString(conn, text)
		case strings.HasPrefix(line, "C: "), strings.HasPrefix(line, "C* "):
			if !s.hear(br, line[3:], line[1] == '*', n) {
				return
			}
		case line == "! close":
			return
		case line == "! shut":
			// It sends no more, and reads until the client ends: closed with unread octets, the
			// connection would be reset.
			raw.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, br)
			return
		case line == "! pause":
			time.Sleep(20 * time.Millisecond)
		case line == "! reset":
			raw.(*net.TCPConn).SetLinger(0)
			return
		case line == "! hang":
			io.Copy(io.Discard, br)
			return
		case line == "! deaf":
			s.deaf = append(s.deaf, raw)
			return
		case line == "! tls":
			tc := tls.Server(conn, s.config)
			if tc.Handshake() != nil {
				return
			}
			conn, br = tc, bufio.NewReader(tc)
		case line == "! trickle", line == "! flood":
			s.babble(conn, line == "! trickle")
			return
		default:
			s.fail("bad script: %q", line)
		}
	}
	if rest, err := br.ReadString('\n'); err == nil || rest != "" {
		s.fail("connection %d: the client goes on with %q", n, rest)
	}
}

// babble sends an endless reply until the client closes.
func (s *scriptServer) babble(conn net.Conn, slowly bool) {
	for {
		if _, err := io.WriteString(conn, "2"); err != nil {
			return
		}
		if slowly {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if _, err := io.WriteString(conn, "50-"+strings.Repeat("x", 1000)+"\r\n"); err != nil {
			return
		}
	}
}

// hear reads the client's next line, which must be want.
func (s *scriptServer) hear(br *bufio.Reader, want string, skip bool, n int) bool {
	for {
		got, err := br.ReadString('\n')
		s.mu.Lock()
		s.lines = append(s.lines, got)
		s.mu.Unlock()
		if err == nil && got == want+"\r\n" {
			return true
		}
		if err != nil || !skip {
			s.fail("connection %d: the client said %q (%v), not %q", n, got, err, want)
			return false
		}
	}
}

// host returns the server's description for the engine: no TLS, no login, and limits that are
// short but long enough for a busy machine.
func (s *scriptServer) host() *host {
	return &host{
		name: "mx.example.org", addr: s.ln.Addr().String(), dialTime: patience,
		config: smtp.Config{Name: "mx.example.org", TLSName: "mx.example.org", Helo: "client.example.org",
			Limits: smtp.NewLimits(patience / 2)},
	}
}

// A stringContent is a content in memory.
type stringContent struct {
	text string
	err  error // in place of io.EOF
	fail error // of Open
}

func (c stringContent) Size() int64 { return int64(len(c.text)) }
func (c stringContent) WireSize() int64 {
	return int64(len(c.text) + strings.Count(c.text, "\n"))
}
func (c stringContent) EightBit() bool {
	return strings.ContainsFunc(c.text, func(r rune) bool { return r > 127 })
}
func (c stringContent) Open() (io.ReadCloser, error) {
	if c.fail != nil {
		return nil, c.fail
	}
	return io.NopCloser(io.MultiReader(strings.NewReader(c.text), endReader{c.err})), nil
}

type endReader struct{ err error }

func (r endReader) Read([]byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return 0, io.EOF
}

// message makes a delivery to rcpts.
func message(id string, rcpts ...string) *queue.Delivery {
	d := &queue.Delivery{ID: id, Envelope: &queue.Envelope{}, ReversePath: "me@example.org",
		Content: stringContent{text: "Subject: " + id + "\n\ntext of " + id + "\n"}}
	for _, r := range rcpts {
		d.Recipients = append(d.Recipients, queue.Recipient{Address: r})
	}
	return d
}

// messages makes n deliveries named 1, 2, ... to x1@example.com, x2@...
func messages(n int) []*queue.Delivery {
	var all []*queue.Delivery
	for i := range n {
		id := strconv.Itoa(i + 1)
		all = append(all, message(id, "x"+id+"@example.com"))
	}
	return all
}

// A testSource is a queue that remembers every call, and complains about breaches of contract.
type testSource struct {
	t     testing.TB
	queue []*queue.Delivery

	drawn    int
	sending  map[string]bool // ID and recipient
	reported map[string]bool // likewise
	log      []string        // one line for each report

	failSending map[string]error
	failRecord  map[string]error
	onRecord    func(id string)
}

// Next implements queue.Source.
func (s *testSource) Next(bool) *queue.Delivery {
	if s.drawn == len(s.queue) {
		return nil
	}
	s.drawn++
	return s.queue[s.drawn-1]
}

// Backlog implements queue.Source.
func (s *testSource) Backlog() int { return len(s.queue) - s.drawn }

// Wait implements queue.Source.
func (s *testSource) Wait(context.Context, time.Duration) bool { return false }

// key identifies a recipient of a delivery.
func key(d *queue.Delivery, i int) string { return d.ID + " " + strconv.Itoa(i) }

// these returns indexes of recipients, nil being all of them.
func these(d *queue.Delivery, recipients []int) []int {
	if recipients != nil {
		return recipients
	}
	all := make([]int, len(d.Recipients))
	for i := range all {
		all[i] = i
	}
	return all
}

// Sending implements queue.Source.
func (s *testSource) Sending(d *queue.Delivery, recipients []int) error {
	if s.sending == nil {
		s.sending = map[string]bool{}
	}
	if !slices.Contains(s.queue[:s.drawn], d) {
		s.t.Errorf("Sending(%s), which is not drawn", d.ID)
	}
	for _, i := range these(d, recipients) {
		if s.reported[key(d, i)] {
			s.t.Errorf("Sending(%s, %d), which is reported", d.ID, i)
		}
		s.sending[key(d, i)] = true
	}
	return s.failSending[d.ID]
}

// Record implements queue.Source.
func (s *testSource) Record(all []queue.Outcome) error {
	var err error
	for _, o := range all {
		s.record(o)
		if s.onRecord != nil {
			s.onRecord(o.Delivery.ID)
		}
		if err == nil {
			err = s.failRecord[o.Delivery.ID]
		}
	}
	return err
}

// record takes one outcome.
func (s *testSource) record(o queue.Outcome) {
	if s.reported == nil {
		s.reported = map[string]bool{}
	}
	d, rcpts := o.Delivery, these(o.Delivery, o.Recipients)
	if len(o.Reports) != len(rcpts) || !slices.Contains(s.queue[:s.drawn], d) {
		s.t.Errorf("Record(%s) with %d reports for %d recipients, or not drawn", d.ID, len(o.Reports), len(rcpts))
	}
	for k, r := range o.Reports {
		name := key(d, rcpts[k])
		if s.reported[name] {
			s.t.Errorf("%s is reported twice", name)
		}
		s.reported[name] = true
		if (r.Action == queue.Relayed || r.Unsure) && !s.sending[name] {
			s.t.Errorf("%s: %v without Sending", name, r)
		}
		if r.Action == "" || r.Text == "" || r.Action != queue.Relayed && r.Scope == "" {
			s.t.Errorf("%s: incomplete report %+v", name, r)
		}
		s.log = append(s.log, d.ID+" "+d.Recipients[rcpts[k]].Address+" "+showReport(r))
	}
}

// showReport formats a report for tests: the fields that the program acts upon, then the text.
func showReport(r queue.Report) string {
	s := string(r.Action)
	if r.Scope != "" {
		s += "/" + string(r.Scope)
	}
	if r.Unsure {
		s += " unsure"
	}
	s += " " + r.Status
	if r.Code != 0 {
		s += " " + strconv.Itoa(r.Code)
	}
	if s += " " + r.Text; r.Remark != "" {
		s += " (esmtpq: " + r.Remark + ")"
	}
	return s
}

// run carries deliveries to a host and returns the reports, one a line.
func run(t testing.TB, h *host, all ...*queue.Delivery) *testSource {
	t.Helper()
	src := &testSource{t: t, queue: all}
	src.run(context.Background(), h)
	return src
}

func (s *testSource) run(ctx context.Context, h *host) {
	s.t.Helper()
	w := worker{ctx: ctx, host: h, src: s}
	w.run()
	for _, d := range s.queue[:s.drawn] {
		for i := range d.Recipients {
			if !s.reported[key(d, i)] {
				s.t.Errorf("%s was drawn and not reported", key(d, i))
			}
		}
	}
}

// sorted sorts the reports by the recipients' numbers, for tests in which parts of a message come
// in another order.
func (s *testSource) sorted() *testSource {
	number := func(line string) int {
		n, _ := strconv.Atoi(strings.TrimPrefix(strings.SplitN(strings.Fields(line)[1], "@", 2)[0], "r"))
		return n
	}
	slices.SortStableFunc(s.log, func(a, b string) int { return number(a) - number(b) })
	return s
}

// expect compares the reports with lines, each of which may end in "..." for any text.
func (s *testSource) expect(lines string) {
	s.t.Helper()
	var want []string
	for _, line := range strings.Split(lines, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			want = append(want, line)
		}
	}
	ok := len(want) == len(s.log)
	for i := 0; ok && i < len(want); i++ {
		front, open := strings.CutSuffix(want[i], "...")
		ok = s.log[i] == want[i] || open && strings.HasPrefix(s.log[i], front)
	}
	if !ok {
		s.t.Errorf("reports:\n\t%s\nwant:\n\t%s", strings.Join(s.log, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// onDial makes h call a function with each connection it makes.
func onDial(h *host, call func(net.Conn)) {
	addr := h.addr
	h.dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		call(conn)
		return conn, err
	}
}
