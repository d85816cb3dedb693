package smtp

import (
	"errors"
	"net"
	"os"
	"strings"
	"time"
)

// establish does everything before the first transaction, one command at a time: Postfix 3.10
// closes the connection if anything follows EHLO, STARTTLS or AUTH in one write.
func (c *Conn) establish() *Error {
	mode := c.cfg.TLS
	if mode == TLSImplicit {
		if err := c.handshake(); err != nil {
			return err
		}
	}
	if err := c.greet(); err != nil {
		return err
	}
	if err := c.hello(); err != nil {
		return err
	}
	if mode == TLSStartTLS || mode == TLSOpportunistic {
		if err := c.startTLS(mode == TLSStartTLS); err != nil {
			return err
		}
	}
	if err := c.logIn(); err != nil {
		return err
	}
	c.rememberTLS()
	return nil
}

// greet reads the host's first reply (RFC 5321, 3.1). Text in its place shows what is wrong: an
// echo in a shell's start-up file, or another protocol.
func (c *Conn) greet() *Error {
	c.r.strict = true
	limit, begun := c.cfg.Limits.Greeting, time.Now()
	r, err := c.expect(StageGreeting, limit)
	if err != nil {
		return c.explainGreeting(err, limit.String(), time.Since(begun))
	}
	c.r.strict = false
	c.greeting = r.Text()
	return c.want(StageGreeting, r, 220)
}

// longSilence is how long a host is silent that waits for something before it closes.
const longSilence = 4 * time.Second

// explainGreeting adds possible causes to the failure of a greeting, unless the cause is known
// already.
func (c *Conn) explainGreeting(err *Error, limit string, after time.Duration) *Error {
	switch {
	case err.Kind == KindLost && c.encrypted(): // with TLS 1.3, a client certificate is refused behind the handshake
		err.Text += handshakeCure(errors.New(err.Text))
	case err.Kind == KindLost && c.cfg.TLS != TLSImplicit && after > longSilence && strings.HasSuffix(err.Text, " at greeting"):
		err.Text += " after " + after.Round(time.Second).String() + " without a word: as does a port with TLS from the start, such as 465 (tls: implicit), or that of a proxy"
	case err.Kind == KindTimeout && c.cfg.TLS != TLSImplicit && strings.HasSuffix(err.Text, limit):
		err.Text += ": a port with TLS from the start, such as 465, says nothing until TLS begins (tls: implicit), and so does the port of a proxy"
	case strings.Contains(err.Text, "CONNECTED("):
		err.Text += ": for TLS from the start set tls: implicit, which needs no openssl"
	case strings.Contains(err.Text, "HTTP/"):
		err.Text += ": a web server or an HTTP proxy answers at this port"
	case err.Kind == KindGarbage:
		err.Text += ": check host and port, and that nothing on the way prints text of its own"
	}
	return err
}

// hello sends EHLO and learns what is offered. To a host that does not know the command it sends
// HELO (RFC 5321, 3.2).
func (c *Conn) hello() *Error {
	name := c.heloName()
	line := c.greetCommand() + " " + name
	r, err := c.ask(StageEHLO, line, line)
	if err != nil {
		return err
	}
	c.ext = Extensions{}
	if r.Class() == 5 && c.cfg.LMTP {
		err := c.refused(StageEHLO, r)
		err.Hint = "that was LHLO: does it speak SMTP and not LMTP (protocol: smtp)?"
		return err
	}
	if r.Class() == 5 {
		if r, err = c.ask(StageEHLO, "HELO "+name, "HELO "+name); err != nil {
			return err
		}
		err := c.want(StageEHLO, r, 250)
		if err != nil && strings.Contains(strings.ToUpper(r.Text()), "LHLO") {
			err.Hint = "it speaks LMTP: set protocol: lmtp"
		}
		return err
	}
	if r.Code == 250 {
		c.learn(r)
	}
	return c.want(StageEHLO, r, 250)
}

// greetCommand returns the command that asks what the host offers.
func (c *Conn) greetCommand() string {
	if c.cfg.LMTP {
		return "LHLO"
	}
	return "EHLO"
}

// learn notes what a reply to EHLO offers.
func (c *Conn) learn(r *Reply) {
	c.ext = parseExtensions(r)
	if c.cfg.LMTP {
		delete(c.ext, "CHUNKING") // DATA does: whoever is next to us needs no series
	}
	c.login = c.login || c.ext.Has("AUTH")
}

// Ask sends EHLO once more after a login, at most once in a session: some hosts offer SMTPUTF8,
// or state the limit of SIZE, only then. If the host refuses, its first list stays valid, and the
// session goes on. Ask must not be called while anything is in flight.
func (c *Conn) Ask() *Error {
	if !c.logged || c.again {
		return nil
	}
	c.again = true
	line := c.greetCommand() + " " + c.heloName()
	r, err := c.ask(StageEHLO, line, line)
	switch {
	case err != nil:
		return err
	case r.Code == 421:
		return c.refused(StageEHLO, r)
	case r.Code == 250:
		c.learn(r)
	}
	return nil
}

// heloName returns the name to give in EHLO (RFC 5321, 4.1.4): the configured one; or this
// machine's, if that is a full domain name; or else our address as the host sees it.
func (c *Conn) heloName() string {
	if c.cfg.Helo != "" {
		return c.cfg.Helo
	}
	if name, err := os.Hostname(); err == nil && validDomain(name) {
		return name
	}
	tcp, ok := c.raw.LocalAddr().(*net.TCPAddr)
	switch {
	case !ok || tcp.IP == nil:
		return "[127.0.0.1]"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.To4().String() + "]"
	}
	return "[IPv6:" + tcp.IP.String() + "]"
}

// validDomain reports whether name is a domain name of two labels or more.
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
