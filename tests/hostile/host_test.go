package hostile

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// A hostileHost is a smart host that does everything right except for one step of the session, at
// which it plays a script instead:
//
//	S: line          is sent
//	S" "quoted"      is sent as it is, without a line end
//	! ok             what a good host does at this step
//	! close          the connection is closed
//	! reset          the connection is reset
//	! hang           nothing is said any more, until the client has gone
//	! trickle        an endless reply, octet by octet
//	! flood          a reply of 200 MB, in lines
//	! line           a reply of 200 MB, in one line
//	! challenge      one challenge after the other, whatever the answer
//	! tls            the host's side of a handshake
//
// It reads mail strictly: only CR LF . CR LF ends a content.
type hostileHost struct {
	addr, port string
	offers     []string // by EHLO
	tls        *tls.Config
	implicit   bool

	mu     sync.Mutex
	step   string // where it is hostile; "" for nowhere
	script string
	only   string // reverse-path of the one message to which it is hostile; "" for all
	played int    // how often the script was played
	auths  int
	heard  []string // every command
	taken  []hostileMail
	open   int // connections
	closed *sync.Cond
}

// A hostileMail is a mail that was taken with a final dot.
type hostileMail struct {
	from    string
	to      []string
	wire    string // between DATA and the final dot, as it came
	content string // the same without the dots that SMTP adds
}

// newHostileHost starts a host, which is a good one until attack is called.
func newHostileHost(t testing.TB, offers ...string) *hostileHost {
	t.Helper()
	l := stage.Listen(t)
	h := &hostileHost{addr: l.Addr().String(), offers: offers}
	h.closed = sync.NewCond(&h.mu)
	_, h.port, _ = net.SplitHostPort(h.addr)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.count(1)
			go func() {
				defer h.count(-1)
				defer conn.Close()
				(&hostileSession{host: h, raw: conn, conn: conn, br: bufio.NewReader(conn)}).serve()
			}()
		}
	}()
	return h
}

func (h *hostileHost) count(more int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open += more
	h.closed.Broadcast()
}

// settle waits until the host has noticed the end of every connection.
func (h *hostileHost) settle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.open > 0 {
		h.closed.Wait()
	}
}

// attack makes the host play a script at a step.
func (h *hostileHost) attack(step, script, only string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.step, h.script, h.only = step, script, only
}

// copies returns the mail that has been taken, and the number of copies by recipient.
func (h *hostileHost) copies() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := map[string]int{}
	for _, m := range h.taken {
		for _, to := range m.to {
			n[to]++
		}
	}
	return n
}

// said returns the commands heard so far that begin with a verb.
func (h *hostileHost) said(verb string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []string
	for _, line := range h.heard {
		if strings.HasPrefix(strings.ToUpper(line), verb) {
			list = append(list, line)
		}
	}
	return list
}

func (h *hostileHost) mails() []hostileMail {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]hostileMail(nil), h.taken...)
}

type hostileSession struct {
	host *hostileHost
	raw  net.Conn
	conn net.Conn
	br   *bufio.Reader
	safe bool // inside TLS
	mail hostileMail
	last string // code of the last reply
}

// serve holds one session.
func (s *hostileSession) serve() {
	s.raw.SetDeadline(time.Now().Add(2 * stage.Limit))
	if s.host.implicit && !s.handshake() {
		return
	}
	if !s.at("greeting", "S: 220 smarthost.test ESMTP") {
		return
	}
	for {
		line, err := s.br.ReadString('\n')
		if err != nil || !s.command(strings.TrimSuffix(line, "\r\n")) {
			return
		}
	}
}

// command answers one command, and reports whether the session goes on.
func (s *hostileSession) command(line string) bool {
	s.host.mu.Lock()
	s.host.heard = append(s.host.heard, line)
	s.host.mu.Unlock()
	verb, arg, _ := strings.Cut(line, " ")
	switch verb = strings.ToUpper(verb); verb {
	case "EHLO":
		return s.at(s.tlsStep("EHLO"), s.greetBack())
	case "STARTTLS":
		return s.at(verb, "S: 220 go ahead\n! tls")
	case "AUTH":
		s.host.mu.Lock()
		s.host.auths++
		s.host.mu.Unlock()
		return s.at(verb, "S: 235 welcome")
	case "MAIL":
		s.mail = hostileMail{from: path(arg)}
		ok := s.at(verb, "S: 250 ok")
		if s.refused() {
			s.mail = hostileMail{}
		}
		return ok
	case "RCPT":
		if s.mail.from == "" {
			return s.play("S: 503 MAIL first")
		}
		if !s.at(verb, "S: 250 ok") {
			return false
		}
		if s.last == "250" {
			s.mail.to = append(s.mail.to, path(arg))
		}
		return true
	case "DATA":
		if len(s.mail.to) == 0 {
			return s.play("S: 503 no recipients")
		}
		return s.at(verb, "S: 354 go on") && (s.last != "354" || s.data())
	case "BDAT":
		return s.chunk(arg)
	case "QUIT":
		s.at(verb, "S: 221 bye")
		return false
	case "RSET", "NOOP":
		return s.play("S: 250 ok")
	}
	return s.play("S: 500 what?")
}

// refused reports whether the last reply was a refusal.
func (s *hostileSession) refused() bool {
	return strings.HasPrefix(s.last, "4") || strings.HasPrefix(s.last, "5")
}

// tlsStep distinguishes the EHLO inside TLS from the one before.
func (s *hostileSession) tlsStep(step string) string {
	if s.safe {
		return step + " in TLS"
	}
	return step
}

// path returns the text between angle brackets.
func path(arg string) string {
	_, arg, _ = strings.Cut(arg, "<")
	arg, _, _ = strings.Cut(arg, ">")
	return arg
}

func (s *hostileSession) greetBack() string {
	script := "S: 250-smarthost.test\n"
	for _, offer := range s.host.offers {
		script += "S: 250-" + offer + "\n"
	}
	if s.host.tls != nil && !s.safe && !s.host.implicit {
		script += "S: 250-STARTTLS\n"
	}
	return script + "S: 250 HELP"
}

// data reads a content to its end and answers.
func (s *hostileSession) data() bool {
	var wire, content strings.Builder
	for ended := true; ; {
		line, err := s.br.ReadString('\n')
		if err != nil {
			return false
		}
		if ended && line == ".\r\n" {
			break
		}
		wire.WriteString(line)
		content.WriteString(strings.TrimPrefix(line, "."))
		ended = strings.HasSuffix(line, "\r\n")
	}
	s.mail.wire, s.mail.content = wire.String(), content.String()
	return s.final()
}

// chunk reads a chunk (RFC 3030) and answers.
func (s *hostileSession) chunk(arg string) bool {
	size, rest, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(size)
	if err != nil {
		return s.play("S: 501 how much?")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s.br, b); err != nil {
		return false
	}
	if len(s.mail.to) == 0 {
		return s.play("S: 503 no recipients")
	}
	s.mail.content += string(b)
	s.mail.wire = s.mail.content
	if !strings.EqualFold(rest, "LAST") {
		return s.at("BDAT", "S: 250 go on")
	}
	return s.final()
}

// final answers the end of a content. The mail is taken if the answer is 250.
func (s *hostileSession) final() bool {
	return s.at("final", "! take\nS: 250 2.0.0 taken")
}

func (s *hostileSession) take() {
	s.host.mu.Lock()
	defer s.host.mu.Unlock()
	s.host.taken = append(s.host.taken, s.mail)
	s.mail = hostileMail{}
}

// at plays the script if it is due at a step, and reports whether the session goes on.
func (s *hostileSession) at(step, good string) bool {
	h := s.host
	h.mu.Lock()
	script := good
	if step == h.step && (h.only == "" || h.only == s.mail.from) {
		script = strings.ReplaceAll(h.script, "! ok", good)
		h.played++
	}
	h.mu.Unlock()
	return s.play(script)
}

func (s *hostileSession) play(script string) bool {
	for line := range strings.Lines(script) {
		if !s.act(strings.TrimSpace(line)) {
			return false
		}
	}
	return true
}

// act does one line of a script.
func (s *hostileSession) act(line string) bool {
	switch {
	case strings.HasPrefix(line, "S: "):
		s.last = line[3:6]
		return s.send(line[3:] + "\r\n")
	case strings.HasPrefix(line, `S" `):
		text, err := strconv.Unquote(line[3:])
		if err != nil {
			panic(line)
		}
		s.last = ""
		return s.send(text)
	}
	switch line {
	case "! take":
		s.take()
		return true
	case "! tls":
		return s.handshake()
	case "! reset":
		s.raw.(*net.TCPConn).SetLinger(0)
	case "! hang":
		io.Copy(io.Discard, s.br)
	case "! trickle":
		for s.send("2") {
			time.Sleep(20 * time.Millisecond)
		}
	case "! flood":
		s.repeat("250-" + strings.Repeat("x", 1018) + "\r\n")
	case "! line":
		s.repeat("250 " + strings.Repeat("x", 1020))
	case "! challenge":
		for s.send("334 bW9yZQ==\r\n") {
			if _, err := s.br.ReadString('\n'); err != nil {
				break
			}
		}
	case "! close":
	default:
		panic(fmt.Sprintf("bad script: %q", line))
	}
	return false
}

func (s *hostileSession) send(text string) bool {
	_, err := io.WriteString(s.conn, text)
	return err == nil
}

// repeat sends 1 KB two hundred thousand times.
func (s *hostileSession) repeat(text string) {
	block := strings.Repeat(text, 64)
	for said := 0; said < 200<<20 && s.send(block); said += len(block) {
	}
}

func (s *hostileSession) handshake() bool {
	c := tls.Server(s.conn, s.host.tls)
	if c.Handshake() != nil {
		return false
	}
	s.conn, s.br, s.safe = c, bufio.NewReader(c), true
	return true
}
