// Package limit is the least time that sending a batch of messages can take: with one connection,
// nothing written to disk, and as much sent ahead as the protocol allows.
package limit

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"time"
)

// deadline ends a batch that makes no progress, whatever happens.
const deadline = 10 * time.Minute

// A client is one connection.
type client struct {
	r *bufio.Reader
	w *bufio.Writer
}

func newClient(c net.Conn) *client {
	return &client{bufio.NewReader(c), bufio.NewWriterSize(c, 32<<10)}
}

// expect reads replies, which must have these codes.
func (c *client) expect(codes ...string) error {
	for _, code := range codes {
		line, err := "-", error(nil)
		for len(line) < 4 || line[3] == '-' {
			if line, err = c.r.ReadString('\n'); err != nil {
				return err
			}
		}
		if !strings.HasPrefix(line, code) {
			return fmt.Errorf("the reply should be %s: %q", code, line)
		}
	}
	return nil
}

func (c *client) command(line, code string) error {
	c.w.WriteString(line + "\r\n")
	if err := c.w.Flush(); err != nil {
		return err
	}
	return c.expect(code)
}

// Options say how messages are sent.
type Options struct {
	TLS      *tls.Config // nil: in clear; otherwise there is a login, too
	Implicit bool        // TLS from the start, and not by STARTTLS
	Chunked  bool        // with BDAT
}

// Send sends messages, whose lines end in CRLF, to the server at addr: with BDAT and all of them
// in one flight (RFC 3030), or with DATA, where the end of a message travels with the envelope of
// the next (RFC 2920).
func Send(addr string, opt Options, messages [][]byte) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(deadline))
	c, err := begin(conn, opt)
	if err != nil {
		return err
	}
	if opt.Chunked {
		return c.bdat(messages)
	}
	return c.data(messages)
}

// begin opens the session.
func begin(conn net.Conn, opt Options) (*client, error) {
	if opt.Implicit {
		conn = tls.Client(conn, opt.TLS)
	}
	c := newClient(conn)
	if err := c.expect("220"); err != nil {
		return nil, err
	}
	if err := c.command("EHLO limit.test", "250"); err != nil || opt.TLS == nil {
		return c, err
	}
	if !opt.Implicit {
		if err := c.command("STARTTLS", "220"); err != nil {
			return nil, err
		}
		c = newClient(tls.Client(conn, opt.TLS))
		if err := c.command("EHLO limit.test", "250"); err != nil {
			return nil, err
		}
	}
	return c, c.command("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00user\x00password")), "235")
}

const envelope = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n"

func (c *client) bdat(messages [][]byte) error {
	replies := make(chan error, 1)
	go func() {
		var err error
		for range messages {
			if err = c.expect("250", "250", "250"); err != nil {
				break
			}
		}
		replies <- err
	}()
	for _, m := range messages {
		fmt.Fprintf(c.w, envelope+"BDAT %d LAST\r\n", len(m))
		c.w.Write(m)
	}
	if err := c.w.Flush(); err != nil {
		return err
	}
	return <-replies
}

func (c *client) data(messages [][]byte) error {
	replies := []string{"250", "250", "354"}
	for _, m := range messages {
		c.w.WriteString(envelope + "DATA\r\n")
		if err := c.w.Flush(); err != nil {
			return err
		}
		if err := c.expect(replies...); err != nil {
			return err
		}
		c.w.Write(m)
		c.w.WriteString(".\r\n")
		replies = []string{"250", "250", "250", "354"}
	}
	if err := c.w.Flush(); err != nil {
		return err
	}
	return c.expect("250")
}
