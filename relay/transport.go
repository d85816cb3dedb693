package relay

import (
	"context"
	"net"
	"sync"
	"time"

	"esmtpq/identity"
	"esmtpq/queue"
)

// Options are what a Transport is told beside the identity. The zero value is
// of use.
type Options struct {
	// Dial makes the connection to the host; nil means TCP to the identity's host
	// and port, with a limit of 30 seconds. Its context is that of the run, and
	// the time it may take is its own affair. A *net.DNSError or *net.OpError in its
	// error is told as such, anything else as trouble of a tunnel.
	Dial func(ctx context.Context) (net.Conn, error)
	// Private says that the connection is protected by other means, so that a
	// password may be sent without TLS. Loopback is recognised as such.
	Private bool
	// Timeout is the limit of every step of a session; 0 means the identity's, else those of
	// RFC 5321, 4.5.3.2.
	Timeout time.Duration
	// HeloName is the name to give in EHLO where the identity has none; "" means
	// this machine's full name, or its address where it has no full name.
	HeloName string
	// Trace, where it is set, is given each line of the dialogue with '<' or '>', and remarks
	// with '*'. Secrets are masked and content is left out. Lines may hold any
	// octets. One call is made at a time.
	Trace func(dir byte, line string)
	// StateDir is a directory, made if need be, in which to keep what makes the next
	// session cheaper: tickets of TLS sessions, which are secret, and what is known of
	// the host's BDAT. "" keeps nothing. All of it may be deleted at any time.
	StateDir string
}

// A Transport sends messages through the smart host of one identity. It
// implements queue.Transport.
type Transport struct {
	host     host
	sessions int // at most, at the same time
}

// New returns the transport for an identity.
func New(id *identity.Identity, opt Options) *Transport {
	step := opt.Timeout
	if step == 0 {
		step = id.Timeout
	}
	helo := id.Helo
	if helo == "" {
		helo = opt.HeloName
	}
	tlsName := id.TLSName
	if tlsName == "" {
		tlsName = id.Host
	}
	t := &Transport{sessions: id.Sessions, host: host{
		name: id.Host, addr: net.JoinHostPort(id.Host, id.Port),
		dial: opt.Dial, private: opt.Private,
		tls: id.TLS, tlsName: tlsName,
		files: tlsFiles{ca: id.CAFile, cert: id.ClientCertificate, key: id.ClientKey, passphrase: id.CertificatePassphrase},
		helo:  helo, username: id.Username, credentials: id.Credentials,
		maxMessages: id.MaxMessagesPerSession, reloginDelay: id.ReloginDelay,
		limits: newLimits(step), trace: oneAtATime(opt.Trace),
	}}
	t.host.chunking.state, t.host.chunking.key = stateDir(opt.StateDir), t.host.addr
	if opt.Dial != nil {
		t.host.chunking.key = id.Name + ": " + t.host.addr // localhost behind one tunnel is not that behind another
	}
	t.host.riding.state, t.host.riding.key = t.host.chunking.state, t.host.chunking.key
	if id.TLS != identity.TLSOff && opt.StateDir != "" {
		t.host.tickets = &tickets{state: stateDir(opt.StateDir), key: t.host.ticketKey(id.Name)}
	}
	return t
}

// oneAtATime returns trace for several goroutines.
func oneAtATime(trace func(dir byte, line string)) func(dir byte, line string) {
	if trace == nil {
		return nil
	}
	var mu sync.Mutex
	return func(dir byte, line string) {
		mu.Lock()
		defer mu.Unlock()
		trace(dir, line)
	}
}

// Run implements queue.Transport: it opens a session for the first delivery that
// src has, and carries all over it, in order. Where a session ends early, the rest goes over a
// new one, unless that has come to nothing three times in a row. A message
// whose session ended before its final dot was sent is tried once more in the same run.
//
// Where the identity allows several sessions, many messages wait and the host is not one for bursts,
// messages go over several sessions side by side: the order then holds only within
// each of them.
//
// With a host that offers PIPELINING, src.Next is called while the message
// before waits for its final dot. If many messages wait, they may go in a burst, see burst; a session is kept
// for mail that is about to come.
func (t *Transport) Run(ctx context.Context, src queue.Source) {
	if t.sessions > 1 {
		c := crew{ctx: ctx, host: &t.host, src: src, sessions: t.sessions}
		c.run()
		return
	}
	l := lane{ctx: ctx, host: &t.host, src: src}
	l.run()
}
