package smtpd

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"esmtpq/message"
)

// unqualified is the domain of a local name on its way through the SMTP library, which does not
// know addresses without a domain. RFC 6761 makes sure that nobody owns that name.
const unqualified = "unqualified.esmtpq.invalid"

// noAddress is the domain of a sender that is no address, on the same way.
const noAddress = "no-address.esmtpq.invalid"

// A screen stands between a client and the library, and protects the library from input that it does
// not handle. It hands out one command line at a time, so that it always knows whether a line is a
// command, which depends on the reply to the command before.
type screen struct {
	in   io.Reader
	out  io.Writer
	wire *wire // the connection, with its limits; nil on pipes

	buf   []byte // read and not handed out
	ready int    // octets of buf that may be handed out unchanged
	state screenState
	chunk int64  // octets left of a BDAT chunk
	tail  []byte // the last octets of a message, to find its end
	size  int64  // given with the last MAIL, if it is too large for the library
	idle  int    // commands since the last message that do nothing for one
	err   error  // error that ended the reading

	mu    sync.Mutex
	sent  string // the last command
	reply string // the last reply line
	quiet bool   // the next reply, the library's greeting, is not said
}

type screenState int

const (
	inCommands screenState = iota
	behindData             // a DATA command was handed out; its reply decides
	inMessage
	inChunk
)

const (
	// maxCommand bounds a command line. No client sends longer ones.
	maxCommand = 64 << 10
	// maxIdle bounds the commands of a connection that do nothing for a message, between two messages.
	maxIdle = 10_000
)

// errHungUp ends the reading after our last words.
var errHungUp = errors.New("the connection was ended here")

func newScreen(in io.Reader, out io.Writer) *screen { return &screen{in: in, out: out} }

func (c *screen) Read(p []byte) (int, error) {
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
func (c *screen) fill() {
	b := make([]byte, 32<<10)
	n, err := c.in.Read(b)
	c.buf = append(c.buf, b[:n]...)
	if c.wire != nil && (c.state == inMessage || c.state == inChunk) {
		c.wire.progress(n)
	}
	if err == io.EOF && (c.state != inCommands || len(c.buf) > 0) {
		err = io.ErrUnexpectedEOF
	}
	c.err = err
}

// prepare decides how much of the input that was read may be handed out now, and reports whether
// there is any.
func (c *screen) prepare() bool {
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
		if i < 0 && c.wire != nil {
			c.hangUp("500 5.5.2 That is no command line")
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
func (c *screen) untilEnd() int {
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
func (c *screen) command(n int) {
	line := string(c.buf[:n])
	verb, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	verb = strings.ToUpper(verb)
	if c.wire != nil && c.refused(verb) {
		return
	}
	switch verb {
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

// first returns the verb of the first command, which is handed out later like any other.
func (c *screen) first() (string, error) {
	for {
		if i := bytes.IndexByte(c.buf, '\n'); i >= 0 {
			verb, _, _ := strings.Cut(strings.TrimRight(string(c.buf[:i]), "\r\n"), " ")
			return strings.ToUpper(verb), nil
		}
		if c.err != nil || len(c.buf) > maxCommand {
			return "", c.err
		}
		c.fill()
	}
}

// refused ends a connection for a command that no client of ours says, and reports that. A page in a
// browser can make it send a form to any port of this machine, with commands of SMTP in it.
func (c *screen) refused(verb string) bool {
	switch verb {
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "PATCH", "DELETE", "PRI":
		c.hangUp("421 4.7.0 This is SMTP, not HTTP")
		return true
	case "RCPT", "DATA", "BDAT":
		return false
	}
	if c.idle++; c.idle > maxIdle {
		c.hangUp("421 4.7.0 Too many commands without a message")
		return true
	}
	return false
}

// hangUp ends the connection with some last words.
func (c *screen) hangUp(words string) {
	c.wire.end(words)
	c.err, c.buf = errHungUp, nil
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

func (c *screen) Write(p []byte) (int, error) {
	c.mu.Lock()
	lines := strings.Split(strings.TrimRight(string(p), "\r\n"), "\n")
	c.reply = lines[len(lines)-1]
	said := []byte(better(c.sent, string(p)))
	quiet := c.quiet
	c.quiet = false
	c.mu.Unlock()
	if quiet {
		return len(p), nil
	}
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
	case len(command) > 4 && strings.EqualFold(command[:4], "EHLO") && strings.HasPrefix(reply, "250-"):
		// The library offers it behind TLS alone (RFC 8689, 4), which this machine has no need of.
		first, rest, _ := strings.Cut(reply, "\r\n")
		return first + "\r\n250-REQUIRETLS\r\n" + rest
	case strings.HasPrefix(reply, "500 5.5.1 This is not a LMTP server"):
		return "500 5.5.1 This is SMTP, not LMTP: say EHLO\r\n"
	case strings.HasPrefix(reply, "500 5.5.1 Too many errors"):
		return "421 4.7.0 Too many errors\r\n"
	case strings.HasPrefix(reply, "500 5.4.0 Too long line"):
		return "421 4.5.2 A line is too long\r\n"
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
