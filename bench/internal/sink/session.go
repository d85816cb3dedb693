package sink

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	bufferSize = 64 << 10
	// headSize is how much of a message is kept, to find its number.
	headSize = 8 << 10
	// idle ends a session whose client has gone to sleep.
	idle = 5 * time.Minute
)

// A session is one connection.
type session struct {
	sink *Sink
	conn net.Conn // below TLS, if there is any
	r    *bufio.Reader
	w    *bufio.Writer

	secure, login, mail bool
	recipients          int
	messages            int

	head    []byte // of the message that is being received
	octets  int64
	chunked bool
}

func newSession(s *Sink, c net.Conn) *session {
	x := &session{sink: s}
	x.use(c)
	return x
}

// use makes c the connection.
func (x *session) use(c net.Conn) {
	x.conn = c
	x.r, x.w = bufio.NewReaderSize(x, bufferSize), bufio.NewWriterSize(c, bufferSize)
}

// Read reads from the connection when all input has been used. First it sends the client its
// replies, since the client may wait for them.
func (x *session) Read(p []byte) (int, error) {
	if err := x.w.Flush(); err != nil {
		return 0, err
	}
	x.conn.SetDeadline(time.Now().Add(idle))
	return x.conn.Read(p)
}

func (x *session) reply(format string, args ...any) {
	fmt.Fprintf(x.w, format+"\r\n", args...)
}

func (x *session) serve() {
	if x.sink.config.Implicit && x.handshake() != nil {
		return
	}
	x.reply("220 sink.test ESMTP")
	for x.command() == nil {
	}
	x.w.Flush()
}

// command serves one command; any error ends the session.
func (x *session) command() error {
	line, err := x.r.ReadString('\n')
	if err != nil {
		return err
	}
	verb, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	switch verb = strings.ToUpper(verb); {
	case verb == "EHLO":
		x.ehlo()
	case verb == "STARTTLS" && x.sink.config.TLS != nil && !x.secure:
		return x.startTLS()
	case verb == "AUTH":
		return x.auth(arg)
	case verb == "MAIL" && x.sink.config.TLS != nil && !x.login:
		x.reply("530 5.7.0 STARTTLS and AUTH first")
	case verb == "MAIL":
		x.begin()
		x.reply("250 2.1.0 ok")
	case verb == "RCPT" && x.mail && x.sink.config.Defer:
		x.sink.count(func(c *Counts) { c.Deferred++ })
		x.reply("450 4.2.0 not today")
	case verb == "RCPT" && x.mail:
		x.recipients++
		x.reply("250 2.1.5 ok")
	case verb == "DATA" && x.recipients > 0:
		return x.data()
	case verb == "BDAT":
		return x.chunk(arg)
	case verb == "RSET":
		x.reset()
		x.reply("250 2.0.0 ok")
	case verb == "NOOP" || verb == "HELO":
		x.reply("250 2.0.0 ok")
	case verb == "QUIT":
		x.reply("221 2.0.0 bye")
		return io.EOF
	default:
		x.reply("503 5.5.1 not now")
	}
	return nil
}

func (x *session) ehlo() {
	offers := []string{"sink.test", "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8"}
	if !x.sink.config.NoChunking {
		offers = append(offers, "CHUNKING")
	}
	if x.sink.config.TLS != nil && !x.secure {
		offers = append(offers, "STARTTLS")
	}
	if x.secure {
		offers = append(offers, "AUTH PLAIN LOGIN")
	}
	for _, o := range offers {
		x.reply("250-%s", o)
	}
	x.reply("250 SIZE")
}

func (x *session) begin() {
	x.mail, x.recipients = true, 0
	x.sink.count(func(c *Counts) {
		if c.Mail.IsZero() {
			c.Mail = time.Now()
		}
	})
}

func (x *session) startTLS() error {
	x.reply("220 2.0.0 go ahead")
	if err := x.w.Flush(); err != nil {
		return err
	}
	return x.handshake()
}

// handshake puts the session inside TLS.
func (x *session) handshake() error {
	t := tls.Server(x.conn, x.sink.config.TLS)
	if err := t.Handshake(); err != nil {
		return err
	}
	if t.ConnectionState().DidResume {
		x.sink.count(func(c *Counts) { c.Resumed++ })
	}
	x.secure = true
	x.use(t)
	return nil
}

// auth takes any credentials.
func (x *session) auth(arg string) error {
	mechanism, initial, _ := strings.Cut(arg, " ")
	var prompts []string
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		prompts = []string{""}
	case "LOGIN":
		prompts = []string{"VXNlcm5hbWU6", "UGFzc3dvcmQ6"}
	default:
		x.reply("504 5.5.4 not offered")
		return nil
	}
	if initial != "" {
		prompts = prompts[1:]
	}
	for _, p := range prompts {
		x.reply("334 %s", p)
		if _, err := x.r.ReadString('\n'); err != nil {
			return err
		}
	}
	x.login = true
	x.reply("235 2.7.0 ok")
	return nil
}

// data takes a message up to the final dot.
func (x *session) data() error {
	x.reply("354 go on")
	for start := true; ; {
		line, err := x.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		if start && bytes.Equal(line, []byte(".\r\n")) {
			x.accept()
			return nil
		}
		start = err == nil
		x.keep(line)
	}
}

// chunk takes a chunk of BDAT, wanted or not.
func (x *session) chunk(arg string) error {
	size, last, _ := strings.Cut(arg, " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("BDAT %s", arg)
	}
	for left := n; left > 0; {
		b, err := x.r.Peek(int(min(left, bufferSize)))
		if err != nil {
			return err
		}
		if x.recipients > 0 {
			x.keep(b)
		}
		x.r.Discard(len(b))
		left -= int64(len(b))
	}
	x.chunked = true
	switch {
	case x.recipients == 0:
		x.reply("503 5.5.1 MAIL and RCPT first")
	case strings.EqualFold(last, "LAST"):
		x.accept()
	default:
		x.reply("250 2.0.0 %d octets", n)
	}
	return nil
}

func (x *session) keep(b []byte) {
	x.octets += int64(len(b))
	x.head = append(x.head, b[:min(len(b), headSize-len(x.head))]...)
}

func (x *session) accept() {
	x.messages++
	x.sink.accepted(x.messages == 1, x.octets, x.chunked, sequence(x.head))
	x.reset()
	x.reply("250 2.0.0 accepted")
}

func (x *session) reset() {
	x.mail, x.recipients, x.head, x.octets, x.chunked = false, 0, x.head[:0], 0, false
}

// sequence returns the number in the X-Seq field of a header; 0 if there is none.
func sequence(head []byte) int {
	_, rest, _ := bytes.Cut(head, []byte("X-Seq: "))
	digits, _, _ := bytes.Cut(rest, []byte("\r"))
	n, _ := strconv.Atoi(string(digits))
	return n
}
