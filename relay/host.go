package relay

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"esmtpq/relay/smtp"
)

// dialTime is how long a connection may take.
const dialTime = 30 * time.Second

// A host is a smart host as one identity uses it: everything needed to open a session, and what
// is known of the host.
type host struct {
	name string // the host as configured, for people
	addr string // host:port to dial where dial is nil

	// dial makes the connection; nil means TCP to addr. The context is that of the whole run: a
	// helper process may live as long as the run.
	dial     func(ctx context.Context) (net.Conn, error)
	dialTime time.Duration
	source   net.IP // to connect from; nil for any
	family   string // "4" or "6" for the only version of IP; "" for either
	config   smtp.Config
	forced   bool // the configuration forces a reverse-path upon all mail
	renames  bool // the host gives mail Message-IDs of its own, and names them

	maxMessages  int           // to begin on one session; 0 for any number
	reloginDelay time.Duration // before the session after one that has had so many

	memory memory
	order  *order // of the identity's hosts; nil where this is the only one

	mu      sync.Mutex
	opening chan struct{} // closed when the session opened beforehand is open, or has failed; nil for none
	early   *smtp.Conn
	with    *host // early is a session with
	refused *smtp.Error
	opened  time.Time     // when early was open
	lasts   time.Duration // how long it is used
	cancel  context.CancelFunc
	keep    time.Duration // how long a session is kept for mail to come; 0 for not at all
	network time.Time     // when the network last changed; zero if that is not known
	live    map[*smtp.Conn]struct{}
}

// preparedTime is how long a session that was opened beforehand is used: the network may forget an
// idle connection without a word.
const preparedTime = 30 * time.Second

// open opens a session.
func (h *host) open(ctx context.Context) (*smtp.Conn, *smtp.Error) {
	config := h.config
	config.Dial = h.connect
	return smtp.Open(ctx, &config)
}

// openAny opens a session with h, or with another host where there are several, and returns which it
// was.
func (h *host) openAny(ctx context.Context) (*host, *smtp.Conn, *smtp.Error) {
	if h.order != nil {
		return h.order.open(ctx, h)
	}
	conn, err := h.open(ctx)
	return h, conn, err
}

// prepare begins to open a session for messages that are about to come.
func (h *host) prepare(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.opening != nil {
		return
	}
	done := make(chan struct{})
	h.opening = done
	ctx, h.cancel = context.WithCancel(ctx)
	go func() {
		defer close(done)
		with, conn, err := h.openAny(ctx)
		if err == nil && with.probe(conn) != nil {
			conn.Abort()
			conn = nil
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.early, h.with, h.refused, h.lasts = conn, with, err, preparedTime
		h.opened = time.Now().Round(0) // the clock of the wall goes on in sleep
	}()
}

// reach returns a session: the one that was opened beforehand, which has been idle, or a new
// one; and the host that it is with. A login that was refused beforehand is the result, as a password
// is not tried twice; and so is whatever becomes of a session that is still being opened.
func (h *host) reach(ctx context.Context) (with *host, conn *smtp.Conn, idle bool, err *smtp.Error) {
	with, conn, idle, err = h.prepared()
	loginRefused := err != nil && err.At == smtp.StageAUTH && (err.Kind == smtp.KindReply || err.Kind == smtp.KindRefused)
	if conn != nil || err != nil && (!idle || loginRefused) {
		return with, conn, idle, err
	}
	if h.order != nil {
		if good := h.order.last(); good != nil && good != h {
			if _, conn, idle, _ := good.prepared(); conn != nil {
				return good, conn, idle, nil // it was kept
			}
		}
	}
	with, conn, err = h.openAny(ctx)
	return with, conn, false, err
}

// prepared returns what became of the session that was opened beforehand; nil and nil if there is none or it is too old.
// idle says that it was open already.
func (h *host) prepared() (with *host, conn *smtp.Conn, idle bool, err *smtp.Error) {
	h.mu.Lock()
	opening := h.opening
	h.mu.Unlock()
	if opening == nil {
		return h, nil, true, nil
	}
	select {
	case <-opening:
		idle = true
	default:
		<-opening // each step of opening has its limit
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	with, conn, err = h.with, h.early, h.refused
	h.early, h.with, h.refused, h.opening = nil, nil, nil, nil
	if conn != nil && time.Now().Round(0).Sub(h.opened) > h.lasts {
		conn.Abort()
		conn = nil
	}
	if with == nil {
		with = h // another caller was here first
	}
	return with, conn, idle, err
}

// close ends a session that was opened beforehand and not used.
func (h *host) close() {
	h.mu.Lock()
	opening, cancel := h.opening, h.cancel
	h.mu.Unlock()
	if opening == nil {
		return
	}
	select {
	case <-opening:
	default:
		cancel()
	}
	if _, conn, _, _ := h.prepared(); conn != nil {
		conn.Quit()
	}
	cancel()
}

// connect makes the connection.
func (h *host) connect(ctx context.Context) (net.Conn, error) {
	if h.dial != nil {
		conn, err := h.dial(ctx)
		if err != nil {
			return nil, h.unreachable(smtp.StageTunnel, err)
		}
		return conn, nil
	}
	name, port, err := net.SplitHostPort(h.addr)
	if err == nil {
		name, err = smtp.ASCIIHost(name)
	}
	if err != nil {
		return nil, &smtp.Error{At: smtp.StageResolve, Kind: smtp.KindLost, Text: "host " + h.name + ": " + err.Error()}
	}
	dialer := net.Dialer{Timeout: h.dialTime}
	if h.source != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: h.source}
	}
	conn, err := dialer.DialContext(ctx, "tcp"+h.family, net.JoinHostPort(name, port))
	if err != nil {
		return nil, h.unreachable(smtp.StageConnect, err)
	}
	return conn, nil
}

// unreachable says why there is no connection.
func (h *host) unreachable(at smtp.Stage, err error) *smtp.Error {
	var dns *net.DNSError
	var op *net.OpError
	e := &smtp.Error{At: at, Kind: smtp.KindLost, Text: "cannot reach " + h.name + ": " + err.Error()}
	switch {
	case errors.As(err, &dns):
		e.At = smtp.StageResolve
		e.Text = "cannot look up host " + dns.Name + ": " + dns.Err
	case errors.As(err, &op):
		e.At = smtp.StageConnect
		e.Text = "cannot connect to " + h.name + ": " + op.Err.Error()
		if errors.Is(err, syscall.EADDRNOTAVAIL) && h.source != nil {
			e.Text += ": source_address is no address of this machine now"
			return e
		}
		if op.Addr != nil {
			e.Text = "cannot connect to " + h.name + " (" + op.Addr.String() + "): " + op.Err.Error()
		}
	}
	return e
}
