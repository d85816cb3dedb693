// Package smtpd takes messages by SMTP.
package smtpd

import (
	"errors"
	"io"
	"log"
	"net"
	"path/filepath"
	"strings"
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

// Verb is sendmail -bs: it speaks SMTP on standard input and output, for programs that prefer that
// to a command line: alpine, nmh, Symfony.
func Verb(c *door.Call) error {
	home, err := whoami.Home()
	if err != nil {
		return err
	}
	conn := newStdioConn(c.In, c.Out)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &submissionSession{home: home, inv: c.Sendmail, conn: conn}, nil
	}))
	s.Domain = whoami.Host()
	s.EnableSMTPUTF8, s.EnableDSN = true, true
	s.MaxLineLength = 1 << 20 // a longer one would end the session, and lose what came before it
	s.MaxRecipients, s.MaxMessageBytes = spool.MaxRecipients, 0
	s.ErrorLog = log.New(io.Discard, "", 0)
	err = s.Serve(&stdioListener{conn: conn})
	if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	return exit.Fail(exit.IOErr, "SMTP on standard input: %w", err)
}

// A submissionSession takes messages into the queue.
type submissionSession struct {
	home  string
	inv   *argv.Invocation
	conn  *stdioConn
	env   *spool.Envelope
	known map[string]bool // the recipients, as returned by submit.SameFor
}

var errNoMail = &smtp.SMTPError{Code: 503, EnhancedCode: smtp.EnhancedCode{5, 5, 1}, Message: "Say MAIL first"}

func (s *submissionSession) Reset()        { s.env = nil }
func (s *submissionSession) Logout() error { return nil }

// Mail begins a transaction. An unfinished one is forgotten, with its recipients.
func (s *submissionSession) Mail(from string, opts *smtp.MailOptions) error {
	s.env = nil
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
	s.env, s.known = &spool.Envelope{ReversePath: &spec, Identity: s.inv.Identity}, map[string]bool{}
	if opts != nil {
		if !fits(max(opts.Size, s.conn.size), s.home) {
			s.env = nil
			return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "There is no room for a message of this size"}
		}
		s.env.Return, s.env.EnvelopeID = string(opts.Return), opts.EnvelopeID
		if opts.Body == smtp.Body8BitMIME {
			s.env.Body = "8BITMIME"
		}
	}
	return nil
}

// Rcpt adds a recipient. One that is named twice gets one copy.
func (s *submissionSession) Rcpt(to string, opts *smtp.RcptOptions) error {
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
		reply := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 5}, Message: spool.Printable(err.Error())}
		var failure *exit.Failure
		if errors.As(err, &failure) && failure.Code == exit.Usage {
			reply.Code, reply.EnhancedCode = 553, smtp.EnhancedCode{5, 1, 7} // the sender is no address
		}
		return reply
	}
	s.known[submit.SameFor(spec)] = true
	s.env.Recipients = append(s.env.Recipients, rcpt)
	return nil
}

// checkRoute refuses a recipient that no identity can send to. With a null reverse-path, the
// From: field chooses the identity, and is not known yet.
func (s *submissionSession) checkRoute(rcpt spool.Recipient) error {
	if *s.env.ReversePath == "" {
		return nil
	}
	return (&submit.Router{Home: s.home, Config: s.inv.Config}).CheckRecipient(s.env, rcpt)
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
	if s.env == nil {
		return errNoMail
	}
	env := s.env
	s.env = nil
	if err := s.take(env, r); err != nil {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: spool.Printable(err.Error())}
	}
	return nil
}

func (s *submissionSession) take(env *spool.Envelope, r io.Reader) error {
	d, err := submit.Read(env, r)
	if err != nil {
		return err
	}
	if s.inv.Config != "" {
		if d.Env.Config, err = filepath.Abs(s.inv.Config); err != nil {
			return err
		}
	}
	router := &submit.Router{Home: s.home}
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
