package relay

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/relay/smtp"
)

// stages are the beginnings of a session up to each stage's reply, with the name of the trouble
// in reports.
var hostileStages = []struct {
	name   string
	script string
	mail   bool // the trouble is in a transaction: other messages can still go out
}{
	{"greeting", "", false},
	{"EHLO", "S: 220 mx\nC: EHLO client.example.org\n", false},
	{"AUTH", start("PLAIN") + "C: AUTH PLAIN " + b64("\x00me\x00secret") + "\n", false},
	{"MAIL", loggedIn + "C: MAIL FROM:<me@example.org>\nC: RCPT TO:<x1@example.com>\nC: DATA\n", true},
	{"RCPT", loggedIn + "C: MAIL FROM:<me@example.org>\nC: RCPT TO:<x1@example.com>\nC: DATA\nS: 250 ok\n", true},
	{"DATA", loggedIn + "C: MAIL FROM:<me@example.org>\nC: RCPT TO:<x1@example.com>\nC: DATA\nS: 250 ok\nS: 250 ok\n", true},
	{"final", loggedIn + "C: MAIL FROM:<me@example.org>\nC: RCPT TO:<x1@example.com>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC* .\n", true},
}

var loggedIn = "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx\nS: 250-PIPELINING\nS: 250 AUTH PLAIN\n" +
	"C: AUTH PLAIN " + b64("\x00me\x00secret") + "\nS: 235 ok\n"

// hostile are the acts of a host in place of a reply, after which it no longer listens. The slow
// ones end by the time limit: a line that is no reply is skipped.
var hostile = []struct {
	name, act string
	slow      bool
}{
	{"close", "! close", false},
	{"reset", "! reset", false},
	{"silence", "! hang", true},
	{"trickle", "! trickle", true},
	{"flood", "! flood", false},
	{"garbage", "S: +OK POP3 ready\n! hang", true},
	{"garbage, again and again", strings.Repeat("S: +OK POP3 ready\n", 17) + "! hang", false},
	{"NUL", `S" "250 o\x00k\r\n"` + "\n! hang", false},
	{"half a line", `S" "25"` + "\n! close", false},
	{"half a reply", "S: 250-ok\n! close", false},
	{"mixed codes", "S: 250-ok\nS: 550 no\n! hang", false},
	{"long line", "S: 250 " + strings.Repeat("x", 10000) + "\n! hang", false},
	{"200 to 500", "S: 999 hm\n! close", false},
	{"421", "S: 421 4.3.2 closing\n! close", false},
}

// TestHostile: whatever a host does at any stage, every message gets its report, none fails, none
// is sent twice, and the others still go out.
func TestHostile(t *testing.T) {
	for _, st := range hostileStages {
		for _, act := range hostile {
			t.Run(st.name+"/"+act.name, func(t *testing.T) {
				t.Parallel()
				bad := st.script + act.act
				script := bad
				want := "1 x1@example.com delayed/identity ..."
				if st.mail {
					script = bad + "\n---\n" + bad + "\n---\n" + healthy
					want = "1 x1@example.com delayed/message ...\n" + healthyReport
				}
				slow := act.slow
				switch {
				case st.mail && st.name != "final" && slow, st.name == "final" && act.name != "421":
					// A message that makes the host stall is not tried twice in a run, nor
					// is one that may have arrived.
					script = bad + "\n---\n" + healthy
				}
				if st.name == "final" && act.name != "421" {
					want = "1 x1@example.com delayed/session unsure ...\n" + healthyReport
				}
				// The next envelope is behind the final dot.
				script = strings.ReplaceAll(script, "C* .\n"+act.act, "C* .\nC: RSET\nC: MAIL FROM:<me@example.org>\nC: RCPT TO:<x2@example.com>\nC: DATA\n"+act.act)
				s := serve(t, script, nil)
				h := s.host()
				h.config.Login = asMe("secret", nil)
				if slow {
					h.config.Limits = smtp.NewLimits(600 * time.Millisecond)
				}
				run(t, h, messages(2)...).expect(want)
			})
		}
	}
}

var healthy = loggedIn + `
	C: MAIL FROM:<me@example.org>
	C: RCPT TO:<x2@example.com>
	C: DATA
	S: 250 ok
	S: 250 ok
	S: 354 go on
	C* .
	S: 250 queued` + bye

const healthyReport = "2 x2@example.com relayed 2.0.0 250 queued"

// TestEmptyLine: a line that is no reply before the reply to the end of a message leaves no doubt
// about it, and the message is not sent again.
func TestEmptyLine(t *testing.T) {
	for _, line := range []string{"", "hm", "25"} {
		s := serve(t, lockstepStart+strings.Replace(oneMessage, "S: 250 queued", "S: "+line+"\nS: 250 queued", 1), nil)
		run(t, s.host(), messages(1)...).expect(sent)
		s.close()
	}
}

// TestWornOutAndGone: a session that has had as many messages as it may, and is lost over the next,
// is followed by another.
func TestWornOutAndGone(t *testing.T) {
	s := serve(t, lockstepStart+strings.TrimSuffix(oneMessage, bye)+`
		C: MAIL FROM:<me@example.org>
		S: 452 4.5.3 too many messages sent
		C: RSET
		! close
		---`+lockstepStart+strings.ReplaceAll(oneMessage, "x1@", "x2@"), nil)
	run(t, s.host(), messages(2)...).expect(sent + "\n" + strings.ReplaceAll(strings.ReplaceAll(sent, "x1@", "x2@"), "1 x", "2 x"))
}

// TestEarlyRefusal: a refusal in the middle of the content is noticed, and a reply before the end
// is never taken for acceptance.
func TestEarlyRefusal(t *testing.T) {
	for _, c := range []struct{ said, want string }{
		{"552 5.3.4 that is too much", "failed/message 5.3.4 552 that is too much"},
		{"451 4.3.1 disk is full", "delayed/message 4.3.1 451 disk is full"},
		{"250 queued", "delayed/message 4.4.2 mx.example.org sent a reply before anything was asked"},
	} {
		dialogue := lockstepStart + `
			C: MAIL FROM:<me@example.org>
			S: 250 ok
			C: RCPT TO:<x1@example.com>
			S: 250 ok
			C: DATA
			S: 354 go on
			C* x
			S: ` + c.said + `
			! hang`
		if strings.HasPrefix(c.said, "2") {
			dialogue += "\n---\n" + dialogue // is tried once more
		}
		s := serve(t, dialogue, nil)
		h := s.host()
		content := &waitingContent{stringContent: stringContent{text: strings.Repeat("x\n", 32<<10)}}
		onDial(h, func(conn net.Conn) { content.conn = conn })
		d := messages(1)[0]
		d.Content = content
		run(t, h, d).expect("1 x1@example.com " + c.want)
		s.close()
	}
}

// A waitingContent does not end before the host has sent something.
type waitingContent struct {
	stringContent
	conn net.Conn
}

func (c *waitingContent) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader(c.text), c)), nil
}

func (c *waitingContent) Read([]byte) (int, error) {
	raw, err := c.conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Read(func(fd uintptr) bool { // until something is there
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return err == nil
	})
	if err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// TestDeafHost: a host that takes nothing is given up after the limit of a write. Where another session can be opened, and
// does not take the message either, it is the message that the host has trouble with; where none can be, it was the link, and
// the message is not charged.
func TestDeafHost(t *testing.T) {
	const deaf = lockstepStart + `
		C: MAIL FROM:<me@example.org>
		S: 250 ok
		C: RCPT TO:<x1@example.com>
		S: 250 ok
		C: DATA
		S: 354 go on
		! deaf
		---`
	for name, c := range map[string]struct{ script, want string }{
		"this message": {deaf + deaf + lockstepStart + strings.ReplaceAll(oneMessage, "x1@", "x2@"), `
			1 x1@example.com delayed/message 4.4.2 mx.example.org took nothing for 1.2s at DATA
			2 x2@example.com relayed 2.0.0 250 queued`},
		"for a moment": {deaf + lockstepStart + lockstep("1") + lockstep("2") + bye, `
			1 x1@example.com relayed 2.0.0 250 queued 1
			2 x2@example.com relayed 2.0.0 250 queued 2`},
		"the link": {strings.TrimSuffix(deaf, "---"), `
			1 x1@example.com delayed/identity 4.4.1 cannot reach mx.example.org: connect: no route to host`},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.script, nil)
			h := s.host()
			h.config.Limits.Block = 1200 * time.Millisecond // longer than a busy machine may take
			h.config.Limits.Quit = 300 * time.Millisecond   // for a reply about it
			if name == "the link" {
				dialled := 0
				h.dial = func(context.Context) (net.Conn, error) {
					if dialled++; dialled > 1 {
						return nil, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
					}
					return net.Dial("tcp", h.addr)
				}
			}
			all := messages(2)
			all[0].Content = stringContent{text: strings.Repeat(strings.Repeat("x", 99)+"\n", 300000)}
			run(t, h, all...).expect(c.want)
		})
	}
}
