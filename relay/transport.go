package relay

import (
	"context"
	"net"
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
	// octets. It is called from the goroutine of Run.
	Trace func(dir byte, line string)
}

// A Transport sends messages through the smart host of one identity. It
// implements queue.Transport.
type Transport struct {
	host host
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
	return &Transport{host{
		name: id.Host, addr: net.JoinHostPort(id.Host, id.Port),
		dial: opt.Dial, private: opt.Private,
		tls: id.TLS, tlsName: tlsName,
		files: tlsFiles{ca: id.CAFile, cert: id.ClientCertificate, key: id.ClientKey, passphrase: id.CertificatePassphrase},
		helo:  helo, username: id.Username, credentials: id.Credentials,
		limits: newLimits(step), trace: opt.Trace,
	}}
}

// Run implements queue.Transport: it opens a session for the first delivery that
// src has, and carries all over it, in order. Where a session ends early, the rest goes over a
// new one, unless that has come to nothing three times in a row. A message
// whose session ended before its final dot was sent is tried once more in the same run.
//
// With a host that offers PIPELINING, src.Next is called while the message
// before waits for its final dot, and must not wait for anything.
func (t *Transport) Run(ctx context.Context, src queue.Source) {
	l := lane{ctx: ctx, host: &t.host, src: src}
	l.run()
}
