// Package smtpd takes messages by SMTP.
package smtpd

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/message"
	"esmtpq/queue/spool"
)

// Verb is esmtpq listen; and sendmail -bs, which speaks SMTP on standard input and output, for
// programs that prefer that to a command line: alpine, nmh, Symfony.
func Verb(c *door.Call) error {
	if c.Sendmail == nil {
		if c.AsksHelp("--auth-file") {
			return c.Help(listenHelp)
		}
		return listen(c)
	}
	home, err := whoami.Home()
	if err != nil {
		return err
	}
	conn := newStdioConn(newScreen(c.In, c.Out))
	s := newServer(func(*smtp.Conn) (smtp.Session, error) {
		return &submissionSession{home: home, inv: c.Sendmail, conn: conn.screen}, nil
	})
	err = s.Serve(&stdioListener{conn: conn})
	if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	return exit.Fail(exit.IOErr, "SMTP on standard input: %w", err)
}

// A submissionSession takes messages into the queue.
type submissionSession struct {
	home string
	inv  *argv.Invocation
	conn *screen

	lis      *listener // nil on standard input
	lmtp     bool
	stranger bool // has to log in
	failures int  // of logins
	rcpts    atomic.Int64

	mu     sync.Mutex // the end of a connection may come at any time
	env    *spool.Envelope
	router *submit.Router
	known  map[string]bool // the recipients, as returned by submit.SameFor
}

var errNoMail = &smtp.SMTPError{Code: 503, EnhancedCode: smtp.EnhancedCode{5, 5, 1}, Message: "Say MAIL first"}

// Reset implements smtp.Session. It is also called at the end of each transaction, behind the reply.
func (s *submissionSession) Reset() {
	s.takeEnvelope()
	s.giveBack()
	if s.conn.wire != nil {
		s.conn.wire.done()
	}
}

// Logout implements smtp.Session.
func (s *submissionSession) Logout() error { s.giveBack(); return nil }

// takeEnvelope ends the part of a transaction in which the envelope is made.
func (s *submissionSession) takeEnvelope() (*spool.Envelope, *submit.Router) {
	s.mu.Lock()
	defer s.mu.Unlock()
	env, router := s.env, s.router
	s.env, s.router, s.known = nil, nil, nil
	return env, router
}

// giveBack gives back the places of recipients.
func (s *submissionSession) giveBack() {
	if n := s.rcpts.Swap(0); n > 0 {
		s.lis.rcpts.Add(-n)
	}
}

// Mail begins a transaction. An unfinished one is forgotten, with its recipients.
func (s *submissionSession) Mail(from string, opts *smtp.MailOptions) error {
	s.takeEnvelope()
	s.giveBack()
	if s.stranger {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "Log in first"}
	}
	if s.conn.wire != nil && !s.conn.wire.begin() {
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "The listener ends: try again later"}
	}
	env, err := s.envelope(from, opts)
	if err != nil {
		if s.conn.wire != nil {
			s.conn.wire.done()
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.env, s.known = env, map[string]bool{}
	s.router = &submit.Router{Home: s.home, Config: s.inv.Config}
	return nil
}

// envelope makes an envelope, without recipients.
func (s *submissionSession) envelope(from string, opts *smtp.MailOptions) (*spool.Envelope, error) {
	spec := ""
	if from != "" {
		var err error
		if text, ok := strings.CutSuffix(from, "@"+noAddress); ok {
			spec = submit.AsText(text)
		} else if spec, err = requote(from); err != nil {
			spec = submit.AsText(spec)
		} else if message.IsNull(spec) {
			spec = ""
		}
	}
	env := &spool.Envelope{ReversePath: &spec, Identity: s.inv.Identity}
	if opts != nil {
		if !fits(max(opts.Size, s.conn.size), s.home) {
			return nil, &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "There is no room for a message of this size"}
		}
		env.Return, env.EnvelopeID, env.RequireTLS = string(opts.Return), opts.EnvelopeID, opts.RequireTLS
		if opts.Body == smtp.Body8BitMIME {
			env.Body = "8BITMIME"
		}
	}
	return env, nil
}

// Rcpt adds a recipient. One that is named twice gets one copy.
func (s *submissionSession) Rcpt(to string, opts *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.env == nil {
		return errNoMail
	}
	spec, err := requote(to)
	if err != nil {
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: spool.Printable(err.Error())}
	}
	if s.known[submit.SameFor(spec)] {
		return nil
	}
	rcpt := spool.Recipient{Address: spec}
	if opts != nil {
		words := make([]string, len(opts.Notify))
		for i, n := range opts.Notify {
			words[i] = string(n)
		}
		rcpt.Notify = strings.Join(words, ",")
	}
	if err := s.checkRoute(rcpt); err != nil {
		return s.refuse(err)
	}
	if !s.hasPlace() {
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "Too many recipients in all: try again later"}
	}
	s.known[submit.SameFor(spec)] = true
	s.env.Recipients = append(s.env.Recipients, rcpt)
	return nil
}

// refuse returns the reply for a recipient that cannot be served. It is our own trouble, but for a
// sender that is no address. A client of LMTP is sent away: some take any reply to RCPT for an end.
func (s *submissionSession) refuse(err error) *smtp.SMTPError {
	reply := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 5}, Message: spool.Printable(err.Error())}
	var failure *exit.Failure
	switch {
	case errors.As(err, &failure) && failure.Code == exit.Usage:
		reply.Code, reply.EnhancedCode = 553, smtp.EnhancedCode{5, 1, 7}
	case s.lmtp:
		reply.Code = 421
		s.conn.wire.hangUp()
	}
	return reply
}

// hasPlace takes a place for a recipient among those of all connections.
func (s *submissionSession) hasPlace() bool {
	if s.lis == nil {
		return true
	}
	if s.lis.rcpts.Add(1) > maxRcpts {
		s.lis.rcpts.Add(-1)
		return false
	}
	s.rcpts.Add(1)
	return true
}

// checkRoute refuses a recipient that no identity can send to. With a null reverse-path, the
// From: field chooses the identity, and is not known yet.
func (s *submissionSession) checkRoute(rcpt spool.Recipient) error {
	if *s.env.ReversePath == "" {
		return nil
	}
	return s.router.CheckRecipient(s.env, rcpt)
}

// requote restores an address from the library's form, which lacks the quotes of the local part,
// and has a domain that the address may not have had.
func requote(addr string) (string, error) {
	addr = strings.TrimSuffix(addr, "@"+unqualified)
	a := message.Address{Local: addr}
	if at := strings.LastIndexByte(addr, '@'); at >= 0 {
		a.Local, a.Domain = addr[:at], addr[at+1:]
	}
	spec := a.Spec()
	return spec, message.CheckAddress(spec)
}

// Data takes the message. The reply is 250 only when the message is durable.
func (s *submissionSession) Data(r io.Reader) error {
	env, router := s.takeEnvelope()
	if env == nil {
		return errNoMail
	}
	err := s.take(env, router, r)
	if err == nil {
		s.conn.idle = 0
		return nil
	}
	reply := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: spool.Printable(err.Error())}
	if s.lis != nil {
		s.lis.note.say("a message was not taken: %v", err)
	}
	if s.lmtp {
		// There is one verdict for all, and clients that delete a message if one recipient gets another.
		s.conn.wire.end("")
	}
	return reply
}

func (s *submissionSession) take(env *spool.Envelope, router *submit.Router, r io.Reader) error {
	header := &headerReader{r: r, lis: s.lis}
	d, err := submit.Read(env, header)
	header.end()
	if err != nil {
		return err
	}
	if s.inv.Config != "" {
		if d.Env.Config, err = filepath.Abs(s.inv.Config); err != nil {
			return err
		}
	}
	delay, err := d.Check(router)
	if err != nil {
		return err
	}
	if err := d.Complete(s.inv, router, time.Now()); err != nil {
		return err
	}
	q, err := spool.OpenOrCreate(whoami.Queue(s.home))
	if err != nil {
		return err
	}
	defer q.Close()
	if _, err := d.Spool(q); err != nil {
		return err
	}
	if !s.inv.QueueOnly && delay >= 0 {
		submit.StartSleeper(q, s.home, delay)
	}
	return nil
}

// A headerReader counts what is read of a message until its header is complete: that is in memory.
type headerReader struct {
	r    io.Reader
	lis  *listener
	used int64
	done bool
}

var errManyHeaders = errors.New("too much is in memory: try again later")

func (h *headerReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if h.lis == nil || h.done {
		return n, err
	}
	h.used += int64(n)
	if h.lis.headers.Add(int64(n)) > maxHeaders {
		return 0, errManyHeaders
	}
	return n, err
}

// end gives back what was counted.
func (h *headerReader) end() {
	if h.done = true; h.lis != nil {
		h.lis.headers.Add(-h.used)
	}
}
