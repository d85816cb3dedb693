package clients

import (
	"reflect"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// dsnHost is a smart host that remembers the parameters for status notifications.
type dsnHost struct {
	stage.Session
	mu   *sync.Mutex
	mail *smtp.MailOptions
	rcpt *[]smtp.RcptOptions
}

func (h *dsnHost) Mail(from string, opts *smtp.MailOptions) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	*h.mail = *opts
	return h.Session.Mail(from, opts)
}

func (h *dsnHost) Rcpt(to string, opts *smtp.RcptOptions) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	*h.rcpt = append(*h.rcpt, *opts)
	return h.Session.Rcpt(to, opts)
}

// -N, -R, -V and -B reach only a smart host that offers the extension.
func TestStatusNotifications(t *testing.T) {
	for _, offered := range []bool{true, false} {
		var mu sync.Mutex
		var mail smtp.MailOptions
		var rcpt []smtp.RcptOptions
		host := stage.NewSmartHost(t)
		host2 := stage.NewSmartHost(t, func(s *smtp.Server) {
			s.EnableDSN = offered
			s.Backend = smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
				return &dsnHost{Session: stage.Session{Host: host, Conn: c}, mu: &mu, mail: &mail, rcpt: &rcpt}, nil
			})
		})
		me := stage.NewPerson(t, stage.Identity(host2)...)
		me.Run("From: me@example.org\nSubject: é\n\né\n", "sendmail", "-i", "-f", "me@example.org", "-B8BITMIME",
			"-N", "failure,delay", "-R", "hdrs", "-V", "id+1", "friend@example.net")
		me.Deliver()
		host.One(t)
		wantReturn, wantID, wantNotify := smtp.DSNReturnHeaders, "id+1", []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed}
		if !offered {
			wantReturn, wantID, wantNotify = "", "", nil
		}
		if mail.Body != smtp.Body8BitMIME || !mail.UTF8 || mail.Return != wantReturn || mail.EnvelopeID != wantID {
			t.Errorf("DSN offered: %v: MAIL with %+v", offered, mail)
		}
		if len(rcpt) != 1 || !reflect.DeepEqual(rcpt[0].Notify, wantNotify) {
			t.Errorf("DSN offered: %v: RCPT with %+v", offered, rcpt)
		}
	}
}

// SMTPUTF8 is asked for where an address needs it, and for UTF-8 in a header: not for another character set, nor for a body.
func TestSMTPUTF8(t *testing.T) {
	for _, c := range []struct {
		mail, to string
		want     bool
	}{
		{"Subject: Gr\xc3\xbc\xc3\x9fe\n\nx\n", "friend@example.net", true},
		{"From: J\xc3\xb6rg <me@example.org>\n\nx\n", "friend@example.net", true},
		{"Subject: Gr\xfc\xdfe\n\nx\n", "friend@example.net", false},
		{"Subject: Gr\xc3\xbc\xc3\x9fe\nX-Name: J\xf6rg\n\nx\n", "friend@example.net", false},
		{"Subject: x\n\nGr\xc3\xbc\xc3\x9fe\n", "friend@example.net", false},
		{"Subject: x\n\nx\n", "j\xc3\xb6rg@example.net", true},
		{"Subject: Gr\xfc\xdfe\n\nx\n", "j\xc3\xb6rg@example.net", true},
		{"Subject: x\n\nx\n", "friend@b\xc3\xbccher.example", false},
	} {
		var mu sync.Mutex
		var mail smtp.MailOptions
		var rcpt []smtp.RcptOptions
		host := stage.NewSmartHost(t)
		host2 := stage.NewSmartHost(t, func(s *smtp.Server) {
			s.Backend = smtp.BackendFunc(func(conn *smtp.Conn) (smtp.Session, error) {
				return &dsnHost{Session: stage.Session{Host: host, Conn: conn}, mu: &mu, mail: &mail, rcpt: &rcpt}, nil
			})
		})
		me := stage.NewPerson(t, stage.Identity(host2)...)
		me.Run(c.mail, "sendmail", "-i", "-f", "me@example.org", c.to)
		me.Deliver()
		host.One(t)
		if mail.UTF8 != c.want {
			t.Errorf("%q to %q: SMTPUTF8 %v", c.mail, c.to, mail.UTF8)
		}
	}
}
