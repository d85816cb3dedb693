package relay

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"esmtpq/identity"
	"esmtpq/queue"
	"esmtpq/relay/smtp"
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
	t := &Transport{sessions: id.Sessions, host: host{
		name: id.Host, addr: net.JoinHostPort(id.Host, id.Port), dial: opt.Dial, dialTime: dialTime,
		forced: id.ReversePath != "", maxMessages: id.MaxMessagesPerSession, reloginDelay: id.ReloginDelay,
	}}
	if step > 0 {
		t.host.dialTime = step
	}
	t.host.memory.state, t.host.memory.key = stateDir(opt.StateDir), t.host.addr
	if opt.Dial != nil {
		t.host.memory.key = id.Name + ": " + t.host.addr // localhost behind one tunnel is not that behind another
	}
	t.host.config = session(id, opt, smtp.NewLimits(step))
	return t
}

// session returns how the sessions of an identity are opened.
func session(id *identity.Identity, opt Options, limits smtp.Limits) smtp.Config {
	files := tlsFiles{ca: id.CAFile, cert: id.ClientCertificate, key: id.ClientKey, passphrase: id.CertificatePassphrase}
	c := smtp.Config{
		Name: id.Host, Private: opt.Private, TLS: tlsModes[id.TLS], TLSName: tlsName(id),
		Helo: id.Helo, External: id.ClientCertificate != "", Limits: limits, Trace: oneAtATime(opt.Trace),
	}
	if c.Helo == "" {
		c.Helo = opt.HeloName
	}
	if id.Username != "" {
		c.Login = &secrets{ask: id.Credentials}
	}
	var kept *tickets
	if id.TLS != identity.TLSOff && opt.StateDir != "" {
		kept = &tickets{state: stateDir(opt.StateDir), key: ticketKey(id, opt.Dial != nil)}
		c.Ended = kept.save
	}
	c.TLSConfig = func(name string) (*tls.Config, error) {
		config, err := files.config(name)
		if err == nil && kept != nil {
			config.ClientSessionCache = kept
		}
		return config, err
	}
	return c
}

var tlsModes = map[identity.TLSMode]smtp.TLSMode{
	identity.TLSOff: smtp.TLSOff, identity.TLSOpportunistic: smtp.TLSOpportunistic,
	identity.TLSStartTLS: smtp.TLSStartTLS, identity.TLSImplicit: smtp.TLSImplicit,
}

// tlsName returns the name that an identity's host must show a certificate for.
func tlsName(id *identity.Identity) string { return cmp.Or(id.TLSName, id.Host) }

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

// Prepare begins to open a session for mail that is about to come, and returns at once. What becomes of it shows at
// the next Run; if there is none, Close ends it.
func (t *Transport) Prepare(ctx context.Context) { t.host.prepare(ctx) }

// Close ends a session that Prepare has opened and no Run has used.
func (t *Transport) Close() { t.host.close() }

// Run implements queue.Transport: it opens a session for the first delivery that
// src has, and carries all over it, in order. Where a session ends early, the rest goes over a
// new one, unless that has come to nothing three times in a row. A message
// whose session ended before its end was sent is tried once more in the same run.
//
// Where the identity allows several sessions, many messages wait and they cannot go back to back,
// they go over several sessions side by side: the order then holds only within
// each of them.
func (t *Transport) Run(ctx context.Context, src queue.Source) {
	if t.sessions > 1 {
		p := pool{ctx: ctx, host: &t.host, src: src, sessions: t.sessions}
		p.run()
		return
	}
	w := worker{ctx: ctx, host: &t.host, src: src}
	w.run()
}
