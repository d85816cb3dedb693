package limit

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"esmtpq/bench/internal/link"
	"esmtpq/bench/internal/sink"
)

// secured returns the TLS configurations of a client and a server.
func secured(t *testing.T) (client, server *tls.Config) {
	authority, server, err := sink.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}, server
}

// The three parts of the harness, put together.
func TestSendThroughALinkToASink(t *testing.T) {
	client, server := secured(t)
	for _, how := range []string{"in clear", "STARTTLS", "TLS from the start"} {
		for _, chunked := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, BDAT %v", how, chunked), func(t *testing.T) {
				opt := Options{Chunked: chunked, Implicit: how == "TLS from the start"}
				config := sink.Config{NoChunking: !chunked, Implicit: opt.Implicit}
				if how != "in clear" {
					opt.TLS, config.TLS = client, server
				}
				send(t, config, opt)
			})
		}
	}
}

func send(t *testing.T, config sink.Config, opt Options) {
	s, err := sink.Listen("127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := link.Listen("127.0.0.1:0", s.Addr(), time.Millisecond, 1e9)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var messages [][]byte
	octets := int64(0)
	for i := range 20 {
		m := fmt.Appendf(nil, "Subject: hello\r\nX-Seq: %d\r\n\r\nHello.\r\n", i+1)
		messages = append(messages, m)
		octets += int64(len(m))
	}
	if err := Send(l.Addr(), opt, messages); err != nil {
		t.Fatal(err)
	}
	c := s.Counts()
	if c.Messages != 20 || c.Opened != 1 || c.Sessions != 1 || c.Octets != octets || c.Disorder != 0 || (c.Chunked == 20) != opt.Chunked {
		t.Errorf("%+v", c)
	}
	if c.Mail.IsZero() || c.Mail.After(c.Last) {
		t.Errorf("the first MAIL came at %v, the last message at %v", c.Mail, c.Last)
	}
}

func TestASinkTellsOfResumedSessions(t *testing.T) {
	client, server := secured(t)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	s, err := sink.Listen("127.0.0.1:0", sink.Config{TLS: server})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 2 {
		if err := Send(s.Addr(), Options{TLS: client, Chunked: true}, [][]byte{[]byte("\r\nHello.\r\n")}); err != nil {
			t.Fatal(err)
		}
		if c := s.Counts(); c.Resumed != i {
			t.Errorf("after %d sessions %d of them were resumed", i+1, c.Resumed)
		}
	}
}

func TestASinkThatDefers(t *testing.T) {
	s, err := sink.Listen("127.0.0.1:0", sink.Config{Defer: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = Send(s.Addr(), Options{}, [][]byte{[]byte("\r\nHello.\r\n")})
	if err == nil || !strings.Contains(err.Error(), "450") {
		t.Error(err)
	}
	if c := s.Counts(); c.Deferred != 1 || c.Messages != 0 {
		t.Errorf("%+v", c)
	}
}
