package smtp

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// A TLSMode says how a session is protected.
type TLSMode int

// The modes.
const (
	TLSOff           TLSMode = iota // in clear
	TLSOpportunistic                // STARTTLS where the host offers it, or else in clear
	TLSStartTLS                     // STARTTLS (RFC 3207), verified, or no session
	TLSImplicit                     // TLS from the first octet (RFC 8314, 3.3), verified
)

// A Config says how to open a session.
type Config struct {
	Name string // name of the host in errors
	// Dial makes the connection. An *Error is returned as it is. The context is that of the whole
	// session: a helper process may live as long as the session.
	Dial    func(ctx context.Context) (net.Conn, error)
	Private bool // nobody can read or change the connection: a password may be sent in clear
	Exposed bool // others can, although the connection goes to an address of this machine
	TLS     TLSMode
	TLSName string // name that the host's certificate must be for
	// TLSConfig returns the TLS settings for such a name; nil means the defaults.
	TLSConfig func(name string) (*tls.Config, error)
	Helo      string // name for EHLO; "" means this machine's
	LMTP      bool   // the host speaks LMTP (RFC 2033): it says of each recipient what became of the message
	Login     Login  // nil for no login by password or token
	Token     bool   // Login gives an access token, not a password
	TokenCure string // how to log in by token, for a person; "" where that is not known
	External  bool   // log in by the client certificate, where the host offers that (RFC 4422, appendix A)
	// Mechanisms are those that may be used for a login, best first; nil means all that are known,
	// but for those that are only used on request.
	Mechanisms  []string
	AuthorizeAs string      // whom to act as, where that is not the user who logs in; "" for nobody else
	LoginMemory LoginMemory // nil for none
	MayLogIn    bool        // a host that offers no login is used without
	TLSMemory   TLSMemory   // nil for none
	Forget      string      // command that makes the memories forget, for people; "" for none
	Limits      Limits      // the zero value means those of NewLimits(0)
	// Trace, if set, gets each line of the dialogue with '<' or '>', and remarks with '*'.
	// Secrets are masked, and content is left out. Lines may contain any octets. One call is made
	// at a time.
	Trace func(dir byte, line string)
	// Ended, if set, is called with the connection before that is closed, perhaps twice.
	Ended func(net.Conn)
}

// Limits are the times that the steps of a session may take.
type Limits struct {
	Greeting time.Duration
	EHLO     time.Duration // EHLO, HELO, STARTTLS, the handshake, and each step of AUTH
	Mail     time.Duration // MAIL, and RSET
	Rcpt     time.Duration
	Data     time.Duration // the reply to DATA
	Block    time.Duration // each write
	End      time.Duration // the reply to the end of a message
	Quit     time.Duration
}

// NewLimits returns the limits of RFC 5321, 4.5.3.2, with shorter ones before MAIL: nothing would
// have to be repeated then, and a person may be watching. A step greater than zero is the limit
// of every step instead.
func NewLimits(step time.Duration) Limits {
	l := Limits{
		Greeting: 2 * time.Minute, EHLO: 2 * time.Minute,
		Mail: 5 * time.Minute, Rcpt: 5 * time.Minute, Data: 2 * time.Minute,
		Block: 3 * time.Minute, End: 10 * time.Minute, Quit: 5 * time.Second,
	}
	if step > 0 {
		l = Limits{step, step, step, step, step, step, step, min(step, l.Quit)}
	}
	return l
}

// of returns the limit for the reply to a command of a transaction. The reply to a chunk may take
// as long as that to the end of a message, since everything sent before has to arrive first.
func (l *Limits) of(at Stage) time.Duration {
	switch at {
	case StageRCPT:
		return l.Rcpt
	case StageDATA:
		return l.Data
	case StageChunk, StageEnd:
		return l.End
	}
	return l.Mail
}
