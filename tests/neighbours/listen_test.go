package neighbours

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// A listening is a running esmtpq listen.
type listening struct {
	t      *testing.T
	cmd    *exec.Cmd
	port   string
	socket string
	said   bytes.Buffer
	waited bool
}

// startListener starts a listener for a person, at a port and a socket.
func startListener(me *stage.Person, args ...string) *listening {
	t := me.T.(*testing.T)
	l := &listening{t: t, port: stage.FreePort(t), socket: me.Path("sock")}
	l.cmd = me.Command("esmtpq", append([]string{"listen", "127.0.0.1:" + l.port, l.socket}, args...)...)
	l.cmd.Stderr = &l.said
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.end() })
	stage.Await(t, "the listener", func() bool {
		conn, err := net.Dial("unix", l.socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return l
}

// end asks the listener to end, and returns its exit status.
func (l *listening) end() int {
	if !l.waited {
		l.waited = true
		l.cmd.Process.Signal(syscall.SIGTERM)
		overdue := time.AfterFunc(stage.Limit, func() { l.cmd.Process.Kill() })
		defer overdue.Stop()
		l.cmd.Wait()
	}
	return l.cmd.ProcessState.ExitCode()
}

// A session is one with a server, in which each reply is awaited.
type session struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

// dial begins a session, and reads the greeting.
func (l *listening) dial(network string) *session {
	l.t.Helper()
	address := "127.0.0.1:" + l.port
	if network == "unix" {
		address = l.socket
	}
	conn, err := net.Dial(network, address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(stage.Limit))
	s := &session{l.t, conn, bufio.NewReader(conn)}
	s.want("220 ")
	return s
}

// reply reads a reply; "" is the end of the connection.
func (s *session) reply() string {
	var all strings.Builder
	for {
		line, err := s.in.ReadString('\n')
		all.WriteString(line)
		if err != nil || len(line) < 4 || line[3] != '-' {
			return all.String()
		}
	}
}

func (s *session) want(prefix string) {
	s.t.Helper()
	if got := s.reply(); !strings.HasPrefix(got, prefix) || prefix == "" && got != "" {
		s.t.Fatalf("%q, want %q", got, prefix)
	}
}

// say says lines, each of which has to get a reply that begins with what stands behind its last bar.
func (s *session) say(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		at := strings.LastIndexByte(line, '|')
		fmt.Fprint(s, line[:at], "\r\n")
		if got := s.reply(); !strings.HasPrefix(got, line[at+1:]) || line[at+1:] == "" && got != "" {
			s.t.Fatalf("%q gets %q, want %q", line[:at], got, line[at+1:])
		}
	}
}

// localPerson has an agent that appends each mail to a file.
func localPerson(t *testing.T) *stage.Person {
	return stage.NewPerson(t, append([]string{`mda = "(cat; echo) >> $HOME/mailbox"`}, stage.Identity(stage.NewSmartHost(t))...)...)
}

const mailText = "From: me@example.org\r\nSubject: s\r\n\r\ntext\r\n."

// SMTP and LMTP at a port and at a socket: each word finds its protocol.
func TestListener(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	l := startListener(me)
	if st, err := os.Stat(l.socket); err != nil || st.Mode().Perm() != 0o700 && st.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", st.Mode(), err)
	}
	for _, network := range []string{"tcp", "unix"} {
		s := l.dial(network)
		s.say("EHLO x|250", "MAIL FROM:<me@example.org> SIZE=99 BODY=8BITMIME|250", "RCPT TO:<a@example.net>|250",
			"RCPT TO:<b,c@example.net>|553", "DATA|354", mailText+"|250 ", "QUIT|221")
		s = l.dial(network)
		s.say("LHLO x|250", "MAIL FROM:<me@example.org> SIZE=99999999999999999999|452", "MAIL FROM:<me@example.org>|250", "RCPT TO:<a@example.net>|250",
			"RCPT TO:<a@example.net>|250", "DATA|354", mailText+"|250 ")
		s.want("250 ") // one for each
		s.say("QUIT|221")
	}
	me.Deliver()
	if mails := host.Received(); len(mails) != 4 || len(mails[0].To) != 1 || len(mails[1].To) != 1 {
		t.Errorf("arrived: %+v", mails)
	}
	if code := l.end(); code != 0 || l.said.String() != "" || stage.Exists(l.socket) {
		t.Errorf("the listener: exit %d, %s", code, l.said.String())
	}
}

// A thousand recipients are no trouble, and the delivery starts by itself.
func TestListenerManyRecipients(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Setenv("ESMTPQ_DELAY=0s")
	s := startListener(me).dial("tcp")
	s.say("EHLO x|250", "MAIL FROM:<me@example.org>|250")
	const many = 2000
	go func() {
		var all strings.Builder
		for i := range many {
			fmt.Fprintf(&all, "RCPT TO:<r%d@example.net>\r\n", i)
		}
		fmt.Fprint(s, all.String())
	}()
	for range many {
		s.want("250 ")
	}
	s.say("DATA|354", mailText+"|250 ", "QUIT|221")
	stage.Await(t, "all copies", func() bool {
		n := 0
		for _, mail := range host.Received() {
			n += len(mail.To)
		}
		return n == many
	})
}

// What is wrong with us is no reason for a client to give up: fetchmail writes to the sender.
func TestListenerOwnTrouble(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	l := startListener(me)
	s := l.dial("tcp")
	s.say("EHLO x|250", "MAIL FROM:<me@example.org>|250", "RCPT TO:<joe>|451", "RCPT TO:<a@example.net>|250", "RSET|250")
	lm := l.dial("unix")
	lm.say("LHLO x|250", "MAIL FROM:<me@example.org>|250", "RCPT TO:<joe>|421")
	lm.want("") // some clients of LMTP take any other reply for an end

	// A queue that cannot be used, found after the text.
	if err := os.Rename(me.Path(".esmtp_queue"), me.Path("aside")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	me.Write(".esmtp_queue", "no directory")
	s.say("MAIL FROM:<me@example.org>|250", "RCPT TO:<a@example.net>|250", "DATA|354", mailText+"|451 ", "NOOP|250")
	lm = l.dial("unix")
	lm.say("LHLO x|250", "MAIL FROM:<me@example.org>|250", "RCPT TO:<a@example.net>|250", "DATA|354", mailText+"|")
	os.Remove(me.Path(".esmtp_queue"))

	// A configuration that was broken meanwhile.
	me.Write(".esmtprc", "nonsense\n")
	s.say("MAIL FROM:<me@example.org>|250", "RCPT TO:<a@example.net>|451 ", "QUIT|221")
	if out := me.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("mailq: %s", out)
	}
}

// Hostile clients are sent away with a reason, and the rest goes on.
func TestListenerHostile(t *testing.T) {
	me := localPerson(t)
	l := startListener(me)
	good := l.dial("tcp")
	good.say("EHLO x|250", "MAIL FROM:<me@example.org>|250", "RCPT TO:<joe>|250")

	for _, bytes := range []string{
		"POST / HTTP/1.1\r\nEHLO x\r\nMAIL FROM:<me@example.org>\r\nRCPT TO:<joe>\r\nDATA\r\nforged\r\n.\r\n",
		"EHLO x\r\nGET / HTTP/1.1\r\nMAIL FROM:<me@example.org>\r\nRCPT TO:<joe>\r\nDATA\r\nforged\r\n.\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00\xff\n", 200),
		strings.Repeat("x", 70<<10),
		strings.Repeat("\r\n", 100),
		"EHLO x\r\n" + strings.Repeat("RSET\r\n", 10100),
		"EHLO x\r\nMAIL FROM:<me@example.org>\r\nRCPT TO:<joe>\r\nBDAT 99999999999\r\nBDAT -1\r\nBDAT x\r\n" + strings.Repeat("\x00", 200),
		"EHLO x\r\nMAIL FROM:<me@example.org>\r\nRCPT TO:<joe>\r\nDATA\r\nhalf",
	} {
		s := l.dial("tcp")
		go func() {
			fmt.Fprint(s, bytes)
			s.Conn.(*net.TCPConn).CloseWrite()
		}()
		last := ""
		for got := s.reply(); got != ""; got = s.reply() {
			last = got
		}
		if !strings.HasPrefix(last, "421 ") && !strings.HasPrefix(last, "500 ") {
			t.Errorf("after %.60q: %q", bytes, last)
		}
	}

	// More connections than there may be.
	var flood []net.Conn
	refused := 0
	for range 100 {
		conn, err := net.Dial("tcp", "127.0.0.1:"+l.port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		flood = append(flood, conn)
		conn.SetDeadline(time.Now().Add(stage.Limit))
		greeting, _ := bufio.NewReader(conn).ReadString('\n')
		if strings.HasPrefix(greeting, "421 4.3.2") {
			refused++
		}
	}
	if refused < 30 {
		t.Errorf("%d of %d connections were refused", refused, len(flood))
	}
	good.say("DATA|354", mailText+"|250 ", "QUIT|221")
	for _, conn := range flood {
		conn.Close()
	}
	stage.Await(t, "room", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+l.port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(stage.Limit))
		greeting, _ := bufio.NewReader(conn).ReadString('\n')
		return strings.HasPrefix(greeting, "220 ")
	})
	if code := l.end(); code != 0 || !strings.Contains(l.said.String(), "refused") || strings.Count(l.said.String(), "\n") > 21 {
		t.Errorf("exit %d, and it says:\n%s", code, l.said.String())
	}
	me.Deliver()
	if mailbox := stage.Read(t, me.Path("mailbox")); strings.Count(mailbox, "Subject: s\n") != 1 || strings.Contains(mailbox, "forged") || strings.Contains(mailbox, "half") {
		t.Errorf("the mailbox has\n%s", mailbox)
	}
}

// A transaction that goes on when the listener has to end comes to its end.
func TestListenerEnds(t *testing.T) {
	me := localPerson(t)
	l := startListener(me)
	idle, busy, lmtp := l.dial("tcp"), l.dial("tcp"), l.dial("unix")
	busy.say("EHLO x|250", "MAIL FROM:<me@example.org>|250", "RCPT TO:<joe>|250", "DATA|354")
	lmtp.say("LHLO x|250", "MAIL FROM:<me@example.org>|250")
	l.cmd.Process.Signal(syscall.SIGTERM)
	idle.want("421 4.3.2")
	idle.want("")
	busy.say(mailText + "|250 ")
	busy.want("421 4.3.2")
	busy.want("")
	lmtp.say("RCPT TO:<joe>|250", "RSET|421 4.3.2")
	if code := l.end(); code != 0 {
		t.Errorf("exit %d, %s", code, l.said.String())
	}
	me.Deliver()
	if mailbox := stage.Read(t, me.Path("mailbox")); strings.Count(mailbox, "Subject: s\n") != 1 {
		t.Errorf("the mailbox has\n%s", mailbox)
	}
}

// What a listener refuses to begin with.
func TestListenerRefusals(t *testing.T) {
	me := localPerson(t)
	l := startListener(me)
	me.Write("plain", "no socket")
	me.Write("open", "ann:long enough\n")
	os.Chmod(me.Path("open"), 0o644)
	me.WriteScript("short", "ann:short\n")
	os.Chmod(me.Path("short"), 0o600)
	for _, c := range []struct {
		code int
		text string
		args []string
	}{
		{64, "where?", nil},
		{64, "neither an address", []string{"2525"}},
		{64, "neither an address", []string{"127.0.0.1:0"}},
		{64, "must be localhost", []string{"example.org:25"}},
		{78, "not on loopback", []string{"0.0.0.0:2525"}},
		{78, "not on loopback", []string{"[::]:2525"}},
		{75, "something else listens", []string{"127.0.0.1:" + l.port}},
		{75, "another listener", []string{l.socket}},
		{73, "no socket of yours", []string{me.Path("plain")}},
		{73, "cannot listen", []string{me.Path("none/sock")}},
		{78, "chmod 600", []string{"--auth-file", me.Path("open"), me.Path("x")}},
		{78, "octets of password", []string{"--auth-file=" + me.Path("short"), me.Path("x")}},
		{64, "which file", []string{"--auth-file"}},
	} {
		r := me.Try("", "esmtpq", append([]string{"listen"}, c.args...)...)
		if r.Code != c.code || !strings.Contains(r.Stderr, c.text) || !stage.OneLine(r.Stderr) {
			t.Errorf("listen %q: %+v, want %d and %q", c.args, r, c.code, c.text)
		}
	}
	// A socket that a killed listener has left is replaced.
	l.cmd.Process.Kill()
	l.cmd.Wait()
	l.waited = true
	l = startListener(me)
	l.dial("unix").say("NOOP|250")
}

// Other users are sent away, or have to log in.
func TestListenerOtherUsers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	me := localPerson(t)
	me.Write("login", "ann:correct horse\n")
	os.Chmod(me.Path("login"), 0o600)
	mailAs := func(l *listening, user, login string) string {
		script := "import socket,sys\ns=socket.create_connection(('127.0.0.1',int(sys.argv[1])))\nf=s.makefile('rb')\n" +
			"r=f.readline()\nfor c in sys.argv[2:]:\n  s.sendall(c.encode()+b'\\r\\n')\n  while 1:\n    r+=(l:=f.readline())\n    if l[3:4]!=b'-': break\nsys.stdout.write(r.decode())\n"
		args := []string{"--reuid=" + user, "--clear-groups", "python3", "-c", script, l.port, "EHLO x"}
		if login != "" {
			args = append(args, "AUTH "+login)
		}
		r := me.Try("", "setpriv", append(args, "MAIL FROM:<me@example.org>", "RCPT TO:<joe>")...)
		return r.Stdout
	}
	stage.Needs(t, "setpriv", "python3")
	l := startListener(me)
	if got := mailAs(l, "64998", ""); !strings.HasPrefix(got, "421 4.7.0") || !strings.Contains(got, "user 64998") {
		t.Errorf("another user: %s", got)
	}
	if got := mailAs(l, "0", ""); !strings.HasSuffix(got, "gets this\r\n") || strings.Contains(got, "AUTH") {
		t.Errorf("the user: %s", got)
	}
	l.end()
	l = startListener(me, "--auth-file", me.Path("login"))
	for login, want := range map[string]string{
		"":                                   "\r\n451 4.7.0 Log in first",
		"PLAIN AGFubgBjb3JyZWN0IGhvcnNl":     "235 2.0.0 Authentication succeeded",
		"PLAIN AGFubgBjb3JyZWN0IGhvcnNlcw==": "535 5.7.8",
		"CRAM-MD5":                           "504 5.7.4",
	} {
		got := mailAs(l, "64998", login)
		if !strings.Contains(got, want) || strings.Contains(got, "gets this") != strings.HasPrefix(want, "235") {
			t.Errorf("with %q: %s", login, got)
		}
	}
}

// A supervisor hands sockets over, and those that others than this machine can reach are refused.
func TestListenerInheritsSockets(t *testing.T) {
	me := localPerson(t)
	start := func(address string) (cmd *exec.Cmd, port string) {
		socket, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { socket.Close() })
		f, err := socket.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		cmd = me.Command("/bin/sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec esmtpq listen")
		cmd.ExtraFiles = []*os.File{f}
		_, port, _ = net.SplitHostPort(socket.Addr().String())
		return cmd, port
	}
	cmd, _ := start("0.0.0.0:0")
	if r := stage.Finish(t, cmd, ""); r.Code != 78 || !strings.Contains(r.Stderr, "not on loopback") {
		t.Errorf("a socket for everybody: %+v", r)
	}
	cmd, port := start("127.0.0.1:0")
	l := &listening{t: t, cmd: cmd, port: port}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.end() })
	l.dial("tcp").say("EHLO x|250", "MAIL FROM:<me@example.org>|250", "RCPT TO:<joe>|250", "DATA|354", mailText+"|250 ", "QUIT|221")
	if code := l.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
	me.Deliver()
}

// The units are ones that systemd has nothing to say about.
func TestListenerUnits(t *testing.T) {
	stage.Needs(t, "systemd-analyze")
	me := stage.NewPerson(t)
	run := me.Path("run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	me.Setenv("XDG_RUNTIME_DIR=" + run)
	for _, name := range []string{"esmtpq-listen.socket", "esmtpq-listen.service", "esmtpq-listen.service.d/hardening.conf"} {
		me.Write("units/"+name, stage.Read(t, stage.Source(t, "contrib/systemd/"+name)))
	}
	if r := me.Try("", "systemd-analyze", "--user", "--man=no", "verify", me.Path("units/esmtpq-listen.socket"), me.Path("units/esmtpq-listen.service")); r != (stage.Result{}) {
		t.Errorf("systemd-analyze: %+v", r)
	}
	me.Write("units/esmtpq-listen.service", "[Service]\nNonsense=yes\nExecStart=/bin/true\n")
	if r := me.Try("", "systemd-analyze", "--user", "--man=no", "verify", me.Path("units/esmtpq-listen.service")); r == (stage.Result{}) {
		t.Error("systemd-analyze finds no fault in nonsense")
	}
}
