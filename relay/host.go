package relay

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"esmtpq/identity"
)

// A host is what the engine needs to know to open a session.
type host struct {
	name string // for people: the host as configured
	addr string // host:port to dial where dial is nil

	// dial makes the connection; nil means TCP to addr. The context is that of
	// the whole run: a helper process may live as long as it.
	dial func(ctx context.Context) (net.Conn, error)
	// private says that nobody can listen on the connection, or alter it.
	private bool

	tls     identity.TLSMode
	tlsName string // name that the certificate must be for
	files   tlsFiles

	helo        string // name for EHLO; "" means this machine's
	username    string // "" means no login by password
	credentials func(ctx context.Context) (user, password string, err error)

	maxMessages  int           // to begin on one session; 0 for any number
	reloginDelay time.Duration // before the session after one that has had so many

	chunking chunking // what is known of its BDAT
	riding   riding   // and of its way with envelopes behind messages
	tickets  *tickets // of TLS sessions; nil for none

	secrets secrets // what credentials said, once accepted

	limits limits
	trace  func(dir byte, line string) // may be nil; called by one goroutine at a time
}

// limits are the times that the steps of a session may take.
type limits struct {
	connect  time.Duration
	greeting time.Duration
	ehlo     time.Duration // EHLO, HELO, STARTTLS, the handshake, and each step of AUTH
	mail     time.Duration // MAIL, and RSET
	rcpt     time.Duration
	data     time.Duration // the reply to DATA
	block    time.Duration // each write
	final    time.Duration // the reply to the final dot
	quit     time.Duration
}

// newLimits returns the limits of RFC 5321, 4.5.3.2, but for what comes before
// MAIL: there is nothing yet that would have to be done again, and a person may be
// watching. A step greater than zero is the limit of every step instead.
func newLimits(step time.Duration) limits {
	l := limits{
		connect: 30 * time.Second, greeting: 2 * time.Minute, ehlo: 2 * time.Minute,
		mail: 5 * time.Minute, rcpt: 5 * time.Minute, data: 2 * time.Minute,
		block: 3 * time.Minute, final: 10 * time.Minute, quit: 5 * time.Second,
	}
	if step > 0 {
		l = limits{step, step, step, step, step, step, step, step, min(step, l.quit)}
	}
	return l
}

// of returns the limit for the reply to a command of a transaction.
func (l *limits) of(at stage) time.Duration {
	switch at {
	case stageRCPT:
		return l.rcpt
	case stageDATA:
		return l.data
	case stageChunk, stageFinal:
		return l.final
	}
	return l.mail
}

// connect makes the connection.
func (h *host) connect(ctx context.Context) (net.Conn, *trouble) {
	if h.dial != nil {
		conn, err := h.dial(ctx)
		if err != nil {
			return nil, h.unreachable(stageTunnel, err)
		}
		return conn, nil
	}
	name, port, err := net.SplitHostPort(h.addr)
	if err == nil {
		name, err = asciiHost(name)
	}
	if err != nil {
		return nil, &trouble{at: stageResolve, event: eventLost, text: "host " + h.name + ": " + err.Error()}
	}
	dialer := net.Dialer{Timeout: h.limits.connect}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(name, port))
	if err != nil {
		return nil, h.unreachable(stageConnect, err)
	}
	return conn, nil
}

// unreachable says why there is no connection.
func (h *host) unreachable(at stage, err error) *trouble {
	var dns *net.DNSError
	var op *net.OpError
	t := &trouble{at: at, event: eventLost, text: "cannot reach " + h.name + ": " + err.Error()}
	switch {
	case errors.As(err, &dns):
		t.at = stageResolve
		t.text = "cannot look up host " + dns.Name + ": " + dns.Err
	case errors.As(err, &op):
		t.at = stageConnect
		t.text = "cannot connect to " + h.name + ": " + op.Err.Error()
		if op.Addr != nil {
			t.text = "cannot connect to " + h.name + " (" + op.Addr.String() + "): " + op.Err.Error()
		}
	}
	return t
}

// asciiHost returns a host name as DNS and TLS know it (RFC 5890).
func asciiHost(name string) (string, error) {
	if isASCII(name) {
		return name, nil
	}
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil {
		return "", errors.New("not a host name: " + err.Error())
	}
	return ascii, nil
}

// heloName returns the name to give in EHLO (RFC 5321, 4.1.4): the configured
// one, this machine's where it is a full domain name, else the address that
// the host sees us at or might.
func (h *host) heloName(local net.Addr) string {
	if h.helo != "" {
		return h.helo
	}
	if name, err := os.Hostname(); err == nil && validDomain(name) {
		return name
	}
	tcp, ok := local.(*net.TCPAddr)
	switch {
	case !ok || tcp.IP == nil:
		return "[127.0.0.1]"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.To4().String() + "]"
	}
	return "[IPv6:" + tcp.IP.String() + "]"
}

// validDomain tells whether name is a domain name of two labels or more.
func validDomain(name string) bool {
	if len(name) > 253 || !strings.Contains(name, ".") {
		return false
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i] | 0x20; !digit(label[i]) && (c < 'a' || c > 'z') && c != '-' {
				return false
			}
		}
	}
	return true
}

// isASCII tells whether s has no octet over 127.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > 127 {
			return false
		}
	}
	return true
}
