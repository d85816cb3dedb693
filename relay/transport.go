package relay

import (
	"cmp"
	"context"
	"crypto/tls"
	"iter"
	"net"
	"slices"
	"sync"
	"time"

	"esmtpq/identity"
	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// Options are the settings of a Transport besides the identity. The zero value can be used.
type Options struct {
	// Dial makes the connection to the host; nil means TCP to the identity's host and port, with
	// a limit of 30 seconds. Its context is that of the run, and it sets its own time limit. A
	// *net.DNSError or *net.OpError in its error is reported as such, any other error as that of
	// a tunnel.
	Dial func(ctx context.Context) (net.Conn, error)
	// Private says that the connection is protected by other means, so that a password may be
	// sent without TLS. Loopback need not be declared so.
	Private bool
	// Timeout is the limit of every step of a session; 0 means the identity's, or else those of
	// RFC 5321, 4.5.3.2.
	Timeout time.Duration
	// HeloName is the name to give in EHLO if the identity has none; "" means this machine's full
	// name, or its address if it has no full name.
	HeloName string
	// Trace, if set, gets each line of the dialogue with '<' or '>', and remarks with '*'.
	// Secrets are masked, and content is left out. Lines may contain any octets. One call is made
	// at a time.
	Trace func(dir byte, line string)
	// StateDir opens a directory for state that makes the next session cheaper: tickets of TLS
	// sessions, which are secret, and what is known of hosts. nil keeps nothing. All of it may be
	// deleted at any time.
	StateDir StateDir
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
		name: id.Host, addr: id.Addr(), dial: opt.Dial, dialTime: dialTime, source: net.ParseIP(id.SourceAddress), family: id.IPVersion,
		renames: id.RenamesMail, forced: id.ReversePath != "", maxMessages: id.MaxMessagesPerSession, reloginDelay: id.ReloginDelay,
	}}
	if step > 0 {
		t.host.dialTime = step
	}
	t.host.memory.state, t.host.memory.key = opt.StateDir, hostKey(id, opt)
	t.host.config = session(id, opt, smtp.NewLimits(step))
	return t
}

// hostKey names a host in what is remembered of hosts.
func hostKey(id *identity.Identity, opt Options) string {
	addr := id.Addr()
	if opt.Dial != nil {
		return id.Name + ": " + addr // localhost differs from one tunnel to the next
	}
	return addr
}

// login returns the credentials of an identity, for a session.
func login(id *identity.Identity) *secrets {
	creds := func(user, secret string, err error) (smtp.Credentials, error) {
		return smtp.Credentials{User: user, Secret: secret, Cure: id.LoginCure()}, err
	}
	k := &secrets{ask: func(ctx context.Context) (smtp.Credentials, error) { return creds(id.Credentials(ctx)) }, once: id.UsesToken()}
	if id.UsesToken() {
		k.renew = func(ctx context.Context, refused string) (smtp.Credentials, error) {
			return creds(id.Renewed(ctx, refused))
		}
	}
	return k
}

// session returns the settings for opening sessions of an identity.
func session(id *identity.Identity, opt Options, limits smtp.Limits) smtp.Config {
	files := filesOf(id)
	c := smtp.Config{
		Name: id.Host, Private: opt.Private, Exposed: id.Forwarded, TLS: tlsModes[id.TLS], TLSName: tlsName(id),
		Helo: id.Helo, External: id.ClientCertificate != "", Limits: limits, Trace: oneAtATime(opt.Trace),
	}
	if c.Helo == "" {
		c.Helo = opt.HeloName
	}
	c.LMTP = id.LMTP
	c.Mechanisms, c.AuthorizeAs = id.Mechanisms, id.AuthorizeAs
	if id.Username != "" {
		c.Login, c.Token = login(id), id.UsesToken()
		c.LoginMemory = &logins{state: opt.StateDir, host: hostKey(id, opt), user: id.Username}
	}
	if opt.StateDir != nil && id.TLS != identity.TLSOff && !id.TLSForget {
		c.TLSMemory = &seen{opt.StateDir, hostKey(id, opt)}
	}
	c.Forget, c.TokenCure = id.ForgetCommand(), id.TokenCure()
	var kept *tickets
	if id.TLS != identity.TLSOff && opt.StateDir != nil && !slices.Contains(id.TLSCompat, identity.CompatFull) {
		kept = &tickets{state: opt.StateDir, key: ticketKey(id, opt.Dial != nil)}
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

// oneAtATime returns a trace that several goroutines can call.
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

// Prepare begins to open a session for mail that is about to come, and returns at once. The next
// Run uses the session, or meets its failure; without a Run, Close ends it.
func (t *Transport) Prepare(ctx context.Context) { t.host.prepare(ctx) }

// Close ends a session that Prepare has opened and no Run has used.
func (t *Transport) Close() {
	for h := range t.hosts() {
		h.close()
	}
}

// Keep makes Run leave its session open for mail to come. The next Run uses it if that comes in time;
// without one, Close ends it.
func (t *Transport) Keep(d time.Duration) {
	for h := range t.hosts() {
		h.keep = d
	}
	if o := t.host.order; o != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.keep = d
	}
}

// Kept returns until when a session is kept; zero if there is none.
func (t *Transport) Kept() (until time.Time) {
	for h := range t.hosts() {
		if end := h.keptUntil(); end.After(until) {
			until = end
		}
	}
	return until
}

// NetworkChanged tells that the network is another one since just now. Sessions from an address that
// is none of this machine's any more end, and the end of those that were open is charged to no message.
func (t *Transport) NetworkChanged() {
	for h := range t.hosts() {
		h.changed()
	}
}

// hosts yields all hosts of the identity that are known by now.
func (t *Transport) hosts() iter.Seq[*host] {
	all := []*host{&t.host}
	if o := t.host.order; o != nil {
		all = append(all, o.known(&t.host)...)
	}
	return slices.Values(all)
}

// Run implements queue.Transport: it opens a session for the first delivery of src, and carries
// all deliveries over it, in order. If a session ends early, the rest goes over a new one, unless
// three sessions in a row have achieved nothing. A message whose session ended before the
// message's end was sent is tried once more in the same run.
//
// If the identity allows several sessions, many messages wait, and they cannot go back to back,
// they go over several sessions side by side. The order then holds only within each of them.
func (t *Transport) Run(ctx context.Context, src queue.Source) {
	if t.sessions > 1 && !t.host.renames {
		p := pool{ctx: ctx, host: &t.host, src: src, sessions: t.sessions}
		p.run()
		return
	}
	w := worker{ctx: ctx, host: &t.host, src: src}
	w.run()
}
