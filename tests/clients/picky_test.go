package clients

import (
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// A pickySession refuses recipients.
type pickySession struct {
	*stage.Session
	refuse func(to string) *smtp.SMTPError
}

func (s *pickySession) Rcpt(to string, opts *smtp.RcptOptions) error {
	if err := s.refuse(to); err != nil {
		return err
	}
	return s.Session.Rcpt(to, opts)
}

// newPickyHost starts a smart host that refuses recipients.
func newPickyHost(t *testing.T, refuse func(to string) *smtp.SMTPError) *stage.SmartHost {
	t.Helper()
	return stage.NewSmartHost(t, func(server *smtp.Server) {
		all := server.Backend
		server.Backend = smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
			s, err := all.NewSession(c)
			if err != nil {
				return nil, err
			}
			return &pickySession{s.(*stage.Session), refuse}, nil
		})
	})
}

// refusing refuses every recipient whose address contains a word.
func refusing(word string, code int, text string) func(to string) *smtp.SMTPError {
	return func(to string) *smtp.SMTPError {
		if !strings.Contains(to, word) {
			return nil
		}
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
	}
}

var noNobody = refusing("nobody", 550, "no such user here")
