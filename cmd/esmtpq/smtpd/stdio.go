package smtpd

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"esmtpq/message"
)

// unqualified is the domain of a local name on its way through the SMTP library, which does not
// know addresses without a domain. RFC 6761 makes sure that nobody owns that name.
const unqualified = "unqualified.esmtpq.invalid"

// noAddress is the domain of a sender that is no address, on the same way.
const noAddress = "no-address.esmtpq.invalid"

// A stdioConn is a net.Conn for the library on a pair of pipes, and protects the library from
// input that it does not handle. It hands out one command line at a time, so that it always knows
// whether a line is a command, which depends on the reply to the command before.
type stdioConn struct {
	in  io.Reader
	out io.Writer

	buf   []byte // read and not handed out
	ready int    // octets of buf that may be handed out unchanged
	state stdioState
	chunk int64  // octets left of a BDAT chunk
	tail  []byte // the last octets of a message, to find its end
	size  int64  // given with the last MAIL, if it is too large for the library
	err   error  // error that ended the reading

	mu    sync.Mutex
	sent  string // the last command
	reply string // the last reply line
	once  sync.Once
	done  chan struct{}
}

type stdioState int

const (
	inCommands stdioState = iota
	behindData            // a DATA command was handed out; its reply decides
	inMessage
	inChunk
)

// maxCommand bounds a command line. No client sends longer ones.
const maxCommand = 64 << 10

func newStdioConn(in io.Reader, out io.Writer) *stdioConn {
	return &stdioConn{in: in, out: out, done: make(chan struct{})}
}

func (c *stdioConn) Read(p []byte) (int, error) {
	if c.state == behindData {
		c.state = inCommands
		c.mu.Lock()
		if strings.HasPrefix(c.reply, "354") {
			c.state, c.tail = inMessage, []byte("\r\n")
		}
		c.mu.Unlock()
	}
	for c.ready == 0 {
		if !c.prepare() {
			if c.err != nil {
				return 0, c.err
			}
			c.fill()
		}
	}
	n := copy(p, c.buf[:c.ready])
	c.buf, c.ready = c.buf[n:], c.ready-n
	return n, nil
}

// fill reads more input. If the input ends in the middle of a message, that is not the end of the
// message.
func (c *stdioConn) fill() {
	b := make([]byte, 32<<10)
	n, err := c.in.Read(b)
	c.buf = append(c.buf, b[:n]...)
	if err == io.EOF && (c.state != inCommands || len(c.buf) > 0) {
		err = io.ErrUnexpectedEOF
	}
	c.err = err
}

// prepare decides how much of the input that was read may be handed out now, and reports whether
// there is any.
func (c *stdioConn) prepare() bool {
	if len(c.buf) == 0 {
		return false
	}
	switch c.state {
	case inMessage:
		c.ready = c.untilEnd()
	case inChunk:
		c.ready = int(min(c.chunk, int64(len(c.buf))))
		if c.chunk -= int64(c.ready); c.chunk == 0 {
			c.state = inCommands
		}
	default:
		i := bytes.IndexByte(c.buf, '\n')
		if i < 0 && len(c.buf) <= maxCommand {
			return false
		}
		if i < 0 {
			i = len(c.buf) - 1
		}
		c.command(i + 1)
	}
	return c.ready > 0
}

// untilEnd returns how much of the input that was read belongs to the message, whose end is CR LF
// . CR LF and nothing else.
func (c *stdioConn) untilEnd() int {
	const end = "\r\n.\r\n"
	look := append(c.tail, c.buf...)
	if i := bytes.Index(look, []byte(end)); i >= 0 {
		n := i + len(end) - len(c.tail)
		c.state, c.tail = inCommands, nil
		return n
	}
	n := len(c.buf)
	c.tail = bytes.Clone(look[max(0, len(look)-len(end)+1):])
	return n
}

// command examines a command line of n octets and makes it ready.
func (c *stdioConn) command(n int) {
	line := string(c.buf[:n])
	verb, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	switch strings.ToUpper(verb) {
	case "DATA":
		c.state = behindData
	case "BDAT":
		size, _, _ := strings.Cut(strings.TrimSpace(arg), " ")
		if k, err := strconv.ParseInt(size, 10, 64); err == nil && k > 0 {
			c.state, c.chunk = inChunk, k
		}
	case "MAIL":
		line, c.size = cutSize(line)
		line = qualify(protect(cutPath(line)))
		c.buf = append([]byte(line), c.buf[n:]...)
	case "RCPT":
		line = qualify(cutPath(line))
		c.buf = append([]byte(line), c.buf[n:]...)
	}
	c.mu.Lock()
	c.sent = line
	c.mu.Unlock()
	c.ready = len(line)
}

// pathIn returns where the path in a MAIL or RCPT command begins and ends, without its angle brackets; false
// if there is none, or it is empty.
func pathIn(line string) (begin, end int, ok bool) {
	open := strings.IndexByte(line, '<')
	end = strings.LastIndexByte(line, '>')
	if params := strings.Index(line, "> "); params >= 0 {
		end = params
	}
	return open + 1, end, open >= 0 && end > open+1
}

// cutPath drops from the path what does not count: a source route, and the dot behind a domain.
func cutPath(line string) string {
	begin, end, ok := pathIn(line)
	if !ok {
		return line
	}
	return line[:begin] + message.CutPath(line[begin:end]) + line[end:]
}

// protect makes an address of the path in a MAIL command that is none, for the library to hand it
// on: fetched mail has whatever senders there are, and that is no reason to refuse it.
func protect(line string) string {
	begin, end, ok := pathIn(line)
	if !ok || message.CheckAddress(line[begin:end]) == nil {
		return line
	}
	a := message.Address{Local: line[begin:end], Domain: noAddress}
	if message.CheckAddress(a.Spec()) != nil {
		return line
	}
	return line[:begin] + a.Spec() + line[end:]
}

// qualify adds a domain to the path in a MAIL or RCPT command if it has none.
func qualify(line string) string {
	open := strings.IndexByte(line, '<')
	if open < 0 {
		return line
	}
	end := strings.IndexByte(line[open:], '>')
	if end <= 1 || strings.Contains(line[open:open+end], "@") {
		return line
	}
	end += open
	return line[:end] + "@" + unqualified + line[end:]
}

func (c *stdioConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	lines := strings.Split(strings.TrimRight(string(p), "\r\n"), "\n")
	c.reply = lines[len(lines)-1]
	said := []byte(better(c.sent, string(p)))
	c.mu.Unlock()
	said = bytes.ReplaceAll(bytes.ReplaceAll(said, []byte("@"+unqualified), nil), []byte("@"+noAddress), nil)
	if _, err := c.out.Write(said); err != nil {
		return 0, err
	}
	return len(p), nil
}

// better returns a reply of the library, or one that helps the client more. A path that the library
// cannot read is an address that we cannot take, and not a mistake in the command, which fetchmail
// would report to the sender at each poll.
func better(command, reply string) string {
	switch {
	case strings.HasPrefix(reply, "500 5.5.1 This is not a LMTP server"):
		return "500 5.5.1 This is SMTP, not LMTP: say EHLO\r\n"
	case strings.HasPrefix(reply, "501 5.5.2 Was expecting MAIL") && hasPath(command, "FROM:"):
		return "553 5.1.7 That is no address\r\n"
	case strings.HasPrefix(reply, "501 5.5.2 Was expecting RCPT") && hasPath(command, "TO:"):
		return "553 5.1.3 That is no address\r\n"
	}
	return reply
}

// hasPath reports whether a command is MAIL or RCPT with something in angle brackets.
func hasPath(command, word string) bool {
	_, rest, _ := strings.Cut(strings.ToUpper(command), " ")
	rest, ok := strings.CutPrefix(strings.TrimLeft(rest, " "), word)
	rest = strings.TrimLeft(rest, " ")
	return ok && strings.HasPrefix(rest, "<") && strings.Contains(rest, ">")
}

func (c *stdioConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

// stdioAddr is either end of a stdioConn.
type stdioAddr struct{}

func (stdioAddr) Network() string { return "stdio" }
func (stdioAddr) String() string  { return "stdio" }

func (c *stdioConn) LocalAddr() net.Addr  { return stdioAddr{} }
func (c *stdioConn) RemoteAddr() net.Addr { return stdioAddr{} }

// Deadlines have no meaning here: the session belongs to the program at the other end of
// the pipes, and ends with it.
func (c *stdioConn) SetDeadline(time.Time) error      { return nil }
func (c *stdioConn) SetReadDeadline(time.Time) error  { return nil }
func (c *stdioConn) SetWriteDeadline(time.Time) error { return nil }

// A stdioListener accepts one connection, and reports that there are no more when that has ended.
type stdioListener struct {
	conn     *stdioConn
	accepted bool
}

func (l *stdioListener) Accept() (net.Conn, error) {
	if !l.accepted {
		l.accepted = true
		return l.conn, nil
	}
	<-l.conn.done
	return nil, net.ErrClosed
}

func (l *stdioListener) Close() error   { return nil }
func (l *stdioListener) Addr() net.Addr { return stdioAddr{} }
