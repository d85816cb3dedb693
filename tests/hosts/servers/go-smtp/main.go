// This is a submission server on go-smtp with the library's defaults, except as said here. Usage:
// go-smtp CLEAR SECURE CERT KEY SINK. It takes mail at the address CLEAR, and at SECURE with
// STARTTLS and a login, and passes it on to SINK during the session.
package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net"
	netsmtp "net/smtp"
	"os"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

type backend struct {
	login bool
	sink  string
}

func (b backend) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{backend: b}, nil }

type session struct {
	backend
	in   bool
	from string
	to   []string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "user" || password != "correct-horse" {
			return smtp.ErrAuthFailed
		}
		s.in = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.login && !s.in {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "bad") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user here"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	var content bytes.Buffer
	if _, err := content.ReadFrom(r); err != nil {
		return err
	}
	return pass(s.sink, s.from, s.to, content.Bytes())
}

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

// pass hands a mail to the sink.
func pass(sink, from string, to []string, content []byte) error {
	conn, err := net.Dial("tcp", sink)
	if err != nil {
		return err
	}
	defer conn.Close()
	c, err := netsmtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, rcpt := range to {
		if err := c.Rcpt(rcpt); err != nil {
			return err
		}
	}
	id, err := c.Text.Cmd("DATA")
	if err != nil {
		return err
	}
	c.Text.StartResponse(id)
	_, _, err = c.Text.ReadResponse(354)
	c.Text.EndResponse(id)
	if err != nil {
		return err
	}
	// The library's own writer would turn a lone LF into a CRLF.
	content = bytes.ReplaceAll(content, []byte("\r\n."), []byte("\r\n.."))
	if bytes.HasPrefix(content, []byte(".")) {
		content = append([]byte("."), content...)
	}
	// What was cut within its last CRLF has lost nothing that SMTP could do without.
	end := ".\r\n"
	if !bytes.HasSuffix(content, []byte("\r\n")) {
		content, end = bytes.TrimSuffix(content, []byte("\r")), "\r\n.\r\n"
	}
	if _, err := conn.Write(append(content, end...)); err != nil {
		return err
	}
	if _, _, err := c.Text.ReadResponse(250); err != nil {
		return err
	}
	return c.Quit()
}

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: go-smtp CLEAR SECURE CERT KEY SINK")
	}
	cert, err := tls.LoadX509KeyPair(os.Args[3], os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	clear := smtp.NewServer(backend{false, os.Args[5]})
	clear.Addr, clear.Domain = os.Args[1], "smarthost.test"
	secure := smtp.NewServer(backend{true, os.Args[5]})
	secure.Addr, secure.Domain = os.Args[2], "smarthost.test"
	secure.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	go func() { log.Fatal(secure.ListenAndServe()) }()
	log.Fatal(clear.ListenAndServe())
}
