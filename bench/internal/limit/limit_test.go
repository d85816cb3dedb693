package limit

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"esmtpq/bench/internal/link"
	"esmtpq/bench/internal/sink"
)

// The three parts of the harness, put together.
func TestSendThroughALinkToASink(t *testing.T) {
	authority, server, err := sink.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	for _, secure := range []*tls.Config{nil, {RootCAs: pool, ServerName: "localhost"}} {
		for _, chunked := range []bool{true, false} {
			t.Run(fmt.Sprintf("TLS %v, BDAT %v", secure != nil, chunked), func(t *testing.T) {
				config := sink.Config{NoChunking: !chunked}
				if secure != nil {
					config.TLS = server
				}
				send(t, config, secure, chunked)
			})
		}
	}
}

func send(t *testing.T, config sink.Config, secure *tls.Config, chunked bool) {
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
	if err := Send(l.Addr(), secure, chunked, messages); err != nil {
		t.Fatal(err)
	}
	c := s.Counts()
	if c.Messages != 20 || c.Sessions != 1 || c.Octets != octets || c.Disorder != 0 || (c.Chunked == 20) != chunked {
		t.Errorf("%+v", c)
	}
}
