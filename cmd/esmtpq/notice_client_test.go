package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"esmtpq/queue/spool"
)

// What a person hears of mail that failed, is late, or is dropped.

// A pickySession refuses recipients.
type pickySession struct {
	*session
	refuse func(to string) *smtp.SMTPError
}

func (s *pickySession) Rcpt(to string, opts *smtp.RcptOptions) error {
	if err := s.refuse(to); err != nil {
		return err
	}
	return s.session.Rcpt(to, opts)
}

// newPickyHost starts a smart host that refuses recipients.
func newPickyHost(t *testing.T, refuse func(to string) *smtp.SMTPError) *smartHost {
	t.Helper()
	return newSmartHost(t, func(server *smtp.Server) {
		all := server.Backend
		server.Backend = smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
			s, err := all.NewSession(c)
			if err != nil {
				return nil, err
			}
			return &pickySession{s.(*session), refuse}, nil
		})
	})
}

// refusing refuses every recipient whose address has a word in it.
func refusing(word string, code int, text string) func(to string) *smtp.SMTPError {
	return func(to string) *smtp.SMTPError {
		if !strings.Contains(to, word) {
			return nil
		}
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
	}
}

var noNobody = refusing("nobody", 550, "no such user here")

// withMailbox is identity with an MDA that appends to a file, each mail behind a line of its own.
func withMailbox(host *smartHost) []string {
	return append([]string{`mda = "{ echo '>>> ' %T from '<'%F'>'; cat; } >> $HOME/mailbox"`}, identity(host)...)
}

// mailbox returns the mails in the local mailbox.
func (p *person) mailbox() []string {
	p.t.Helper()
	b, err := os.ReadFile(p.path("mailbox"))
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	mails := strings.Split(string(b), ">>> ")[1:]
	me, err := user.Current()
	if err != nil {
		p.t.Fatal(err)
	}
	for i, mail := range mails {
		mark, content, _ := strings.Cut(mail, "\n")
		if want := me.Username + " from <>"; strings.TrimSpace(mark) != want {
			p.t.Errorf("the bounce is for %s, want %s", mark, want)
		}
		mails[i] = content
	}
	return mails
}

// bounce returns the only mail in the local mailbox.
func (p *person) bounce() string {
	p.t.Helper()
	mails := p.mailbox()
	if len(mails) != 1 {
		p.t.Fatalf("%d mails in the mailbox, want 1: %q\n%s", len(mails), mails, p.try("", "mailq").stdout)
	}
	return mails[0]
}

// parseBounce is how Python reads a delivery report.
const parseBounce = `
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = list(m.iter_parts())
print(json.dumps({
    'defects': [str(d) for p in m.walk() for d in p.defects],
    'type': m.get_content_type() + ' ' + str(m.get_param('report-type')),
    'parts': [p.get_content_type() for p in parts],
    'header': {k: m[k] for k in m.keys()},
    'text': parts[0].get_content(),
    'status': [{k: ' '.join(g[k].split()) for k in g.keys()} for g in parts[1].get_payload()],
    'original': parts[2].as_bytes().decode('utf-8', 'replace'),
}))
`

type bounce struct {
	Defects  []string
	Type     string
	Parts    []string
	Header   map[string]string
	Text     string
	Status   []map[string]string
	Original string
}

func readBounce(t *testing.T, content string) *bounce {
	t.Helper()
	needs(t, "python3")
	cmd := exec.Command("python3", "-c", parseBounce)
	cmd.Stdin = strings.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, content)
	}
	b := &bounce{}
	if err := json.Unmarshal(out, b); err != nil {
		t.Fatal(err)
	}
	if len(b.Defects) > 0 {
		t.Errorf("Python finds defects: %v", b.Defects)
	}
	return b
}

func (b *bounce) isReport(t *testing.T) {
	t.Helper()
	if got := b.Type + ": " + strings.Join(b.Parts, " "); got != "multipart/report delivery-status: text/plain message/delivery-status text/rfc822-headers" {
		t.Errorf("the bounce is %s", got)
	}
	if b.Header["Auto-Submitted"] != "auto-replied" || !strings.Contains(b.Header["From"], "MAILER-DAEMON@") {
		t.Errorf("header %v", b.Header)
	}
	if b.Status[0]["Reporting-MTA"] == "" || b.Status[0]["Arrival-Date"] == "" {
		t.Errorf("fields of the message: %v", b.Status[0])
	}
	for _, rcpt := range b.Status[1:] {
		for _, name := range []string{"Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date"} {
			if rcpt[name] == "" {
				t.Errorf("no %s in %v", name, rcpt)
			}
		}
	}
}

const unlucky = "From: me@example.org\nTo: friend@example.net, nobody@example.net\nSubject: dinner\nMessage-ID: <dinner@example.org>\n\nAt eight?\n"

func TestBounce(t *testing.T) {
	host := newPickyHost(t, noNobody)
	me := newPerson(t, withMailbox(host)...)
	me.run(unlucky, "sendmail", "-t", "-V", "envelope 1")
	if r := me.try("", "deliver"); r.code != 0 || !strings.Contains(r.stderr, "no such user here") {
		t.Errorf("deliver: %+v", r)
	}
	host.one(t).is(t, "me@example.org", "friend@example.net")
	entries, err := filepath.Glob(me.path(".esmtp_queue/*"))
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	id := filepath.Base(entries[0])

	b := readBounce(t, me.bounce())
	b.isReport(t)
	if len(b.Status) != 2 || b.Status[0]["Original-Envelope-Id"] != "envelope+201" {
		t.Errorf("status %v", b.Status)
	}
	for name, want := range map[string]string{
		"Final-Recipient": "rfc822; nobody@example.net", "Action": "failed", "Status": "5.1.1",
		"Diagnostic-Code": "smtp; 550 5.1.1 no such user here",
	} {
		if got := b.Status[1][name]; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if b.Header["In-Reply-To"] != "<dinner@example.org>" {
		t.Errorf("In-Reply-To: %s", b.Header["In-Reply-To"])
	}
	for _, want := range []string{"nobody@example.net: host 127.0.0.1 said: 550 5.1.1 no such user here", "Subject:  dinner", "esmtpq retry " + id, "esmtpq rm " + id} {
		if !strings.Contains(b.Text, want) {
			t.Errorf("no %q in the text:\n%s", want, b.Text)
		}
	}
	if !strings.Contains(b.Original, "Subject: dinner\n") || strings.Contains(b.Original, "At eight?") {
		t.Errorf("returned: %s", b.Original)
	}

	// Once, however often the queue is run; then again for what was tried again.
	for range 3 {
		me.run("", "deliver")
	}
	me.bounce()
	me.try("", "esmtpq", "retry", id)
	if n := len(me.mailbox()); n != 2 {
		t.Errorf("%d bounces after a second failure, want 2", n)
	}
}

// The background run says nothing and leaves a bounce.
func TestBounceInBackground(t *testing.T) {
	host := newPickyHost(t, noNobody)
	me := newPerson(t, withMailbox(host)...)
	me.setenv("ESMTPQ_DELAY=0s")
	if r := me.try(unlucky, "sendmail", "-t"); r != (result{}) {
		t.Errorf("sendmail: %+v", r)
	}
	for end := time.Now().Add(hangs); len(me.mailbox()) == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	me.run("", "deliver") // waits for the end of the background run
	me.bounce()
	me.settle(1)
}

// As a kill between the bounce and the record of it leaves the queue: told twice, not never.
func TestBounceKilledBeforeRecord(t *testing.T) {
	host := newPickyHost(t, noNobody)
	me := newPerson(t, withMailbox(host)...)
	me.run(unlucky, "sendmail", "-t")
	me.try("", "deliver")
	me.bounce()
	envelopes, err := filepath.Glob(me.path(".esmtp_queue/*/envelope"))
	if err != nil || len(envelopes) != 1 {
		t.Fatal(envelopes, err)
	}
	b, err := os.ReadFile(envelopes[0])
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(b), `,"told":`)
	end := at + strings.Index(string(b[at:]), "}")
	if at < 0 {
		t.Fatalf("nothing recorded: %s", b)
	}
	copy(b[at:], "}"+strings.Repeat(" ", end-at))
	if err := os.WriteFile(envelopes[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		me.try("", "deliver")
	}
	if n := len(me.mailbox()); n != 2 {
		t.Errorf("%d bounces, want 2", n)
	}
}

func TestNoBounce(t *testing.T) {
	for name, options := range map[string][]string{
		"null reverse-path": {"-f", ""}, "null reverse-path in brackets": {"-f", "<>"}, "NOTIFY=NEVER": {"-N", "never"},
	} {
		t.Run(name, func(t *testing.T) {
			me := newPerson(t, withMailbox(newPickyHost(t, noNobody))...)
			me.run(unlucky, "sendmail", append(options, "-t")...)
			me.try("", "deliver")
			me.run("", "deliver")
			if mails := me.mailbox(); len(mails) > 0 {
				t.Errorf("bounced: %q", mails)
			}
			if out := me.run("", "mailq"); !strings.Contains(out, "failed: host 127.0.0.1 said: 550 5.1.1 no such user here") {
				t.Errorf("mailq: %s", out)
			}
		})
	}
}

// A mailbox that takes nothing: the bounce waits or fails, and nobody is told of that by another.
func TestBounceThatBounces(t *testing.T) {
	me := newPerson(t, append([]string{`mda = "echo %T >> $HOME/tried; exit 67"`}, identity(newPickyHost(t, noNobody))...)...)
	me.run(unlucky, "sendmail", "-t")
	for range 3 {
		me.try("", "deliver")
	}
	b, _ := os.ReadFile(me.path("tried"))
	if strings.Count(string(b), "\n") != 1 {
		t.Errorf("the agent was called for %q", b)
	}
	if out := me.run("", "mailq"); !strings.Contains(out, "in 2 Requests") || !strings.Contains(out, "MAILER-DAEMON") {
		t.Errorf("mailq: %s", out)
	}
}

// An identity that qualifies local names sends them out, but never a bounce.
func TestBounceStaysLocal(t *testing.T) {
	host := newPickyHost(t, noNobody)
	me := newPerson(t, append(withMailbox(host), "qualifydomain = example.org")...)
	me.run(unlucky, "sendmail", "-t")
	me.try("", "deliver")
	me.bounce()
	host.one(t).is(t, "me@example.org", "friend@example.net")
}

// What a host says may hold anything.
func TestBounceOfHostileWords(t *testing.T) {
	words := "no\x1b[2J\x1b]0;owned\x07 \xe4\x7f " + strings.Repeat("long ", 300)
	me := newPerson(t, withMailbox(newPickyHost(t, refusing("nobody", 550, words)))...)
	me.run(unlucky, "sendmail", "-t")
	me.try("", "deliver")
	content := me.bounce()
	if strings.ContainsFunc(content, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c == '\ufffd' }) {
		t.Errorf("not printable: %q", content)
	}
	b := readBounce(t, content)
	b.isReport(t)
	if got := b.Status[1]["Diagnostic-Code"]; !strings.HasPrefix(got, "smtp; 550 5.1.1 no?[2J?]0;owned?") {
		t.Errorf("Diagnostic-Code: %s", got)
	}
}

// Addresses that are not ASCII (RFC 6533).
func TestBounceInternational(t *testing.T) {
	me := newPerson(t, withMailbox(newPickyHost(t, noNobody))...)
	me.run("From: me@example.org\nSubject: Grüße\n\ntext\n", "sendmail", "nobody.ü@example.net")
	me.try("", "deliver")
	content := me.bounce()
	for _, want := range []string{
		"report-type=global-delivery-status;", "Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n",
		"\nFinal-Recipient: utf-8; nobody.ü@example.net\n", "Content-Type: message/global-headers\n", "\nSubject: Grüße\n",
	} {
		if !strings.Contains(content, want) {
			t.Errorf("no %q in\n%s", want, content)
		}
	}
}

// RET=FULL returns the message, unless it is long.
func TestBounceReturnsWhole(t *testing.T) {
	for _, test := range []struct {
		size int
		want string
	}{{10, "message/rfc822"}, {100 << 10, "text/rfc822-headers"}} {
		me := newPerson(t, withMailbox(newPickyHost(t, noNobody))...)
		me.run(unlucky+strings.Repeat("1234567\n", test.size/8), "sendmail", "-t", "-R", "full")
		me.try("", "deliver")
		b := readBounce(t, me.bounce())
		if got := b.Parts[2]; got != test.want {
			t.Errorf("%d octets: returned as %s, want %s", test.size, got, test.want)
		}
		if strings.Contains(b.Original, "At eight?") != (test.want == "message/rfc822") {
			t.Errorf("%d octets: returned %.500s", test.size, b.Original)
		}
	}
}

// aged puts a mail into the queue that was submitted some time ago.
func (p *person) aged(age time.Duration, to string) {
	p.t.Helper()
	q, err := spool.OpenOrCreate(p.path(".esmtp_queue"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer q.Close()
	w, err := q.NewWriter()
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := w.Write([]byte(unlucky)); err != nil {
		p.t.Fatal(err)
	}
	env := &spool.Envelope{From: "me@example.org", Arrival: time.Now().Add(-age), Recipients: []spool.Recipient{{Address: to}}}
	if _, err := w.Commit(env); err != nil {
		p.t.Fatal(err)
	}
}

func TestDelayNotice(t *testing.T) {
	me := newPerson(t, withMailbox(newPickyHost(t, refusing("busy", 451, "come back later")))...)
	me.aged(5*time.Hour, "busy@example.net")
	for range 2 {
		me.try("", "deliver")
	}
	b := readBounce(t, me.bounce())
	b.isReport(t)
	if b.Status[1]["Action"] != "delayed" || b.Status[1]["Will-Retry-Until"] == "" || !strings.Contains(b.Text, "waiting for 5 hours") {
		t.Errorf("%v", b)
	}
}

// A mail that is refused for now, for too long: told of the delay, then of the end.
func TestDelayAndEnd(t *testing.T) {
	me := newPerson(t, withMailbox(newPickyHost(t, refusing("busy", 451, "come back later")))...)
	me.aged(6*24*time.Hour, "busy@example.net")
	if r := me.try("", "deliver"); r.code != 75 {
		t.Errorf("deliver: %+v", r)
	}
	b := readBounce(t, me.bounce())
	b.isReport(t)
	if b.Status[1]["Action"] != "delayed" || b.Status[1]["Status"] != "4.1.1" || b.Status[1]["Will-Retry-Until"] != "" || b.Header["Subject"] != "Delayed mail" {
		t.Errorf("%v", b)
	}
	for range 2 {
		me.try("", "deliver")
	}
	mails := me.mailbox()
	if len(mails) != 2 {
		t.Fatalf("%d mails, want 2: %q", len(mails), mails)
	}
	b = readBounce(t, mails[1])
	b.isReport(t)
	if b.Status[1]["Action"] != "failed" || b.Status[1]["Status"] != "4.1.1" || !strings.Contains(b.Text, "given up, last attempt: host 127.0.0.1 said: 451") {
		t.Errorf("%v", b)
	}
}

// The settings reach the queue run.
func TestNoticeSettings(t *testing.T) {
	host := newPickyHost(t, refusing("busy", 451, "come back later"))
	me := newPerson(t)
	me.write(".config/esmtpq/config.yaml", fmt.Sprintf(`
mda: echo mail >> mailbox
expire_after: never
delay_notice_after: never
identities: [{name: me@example.org, host: "%s"}]
`, host.addr))
	me.aged(60*24*time.Hour, "busy@example.net")
	for range 3 {
		if r := me.try("", "deliver"); r.code != 75 {
			t.Errorf("deliver: %+v", r)
		}
	}
	if _, err := os.Stat(me.path("mailbox")); err == nil {
		t.Error("a notice that was not wanted")
	}
}

// Without an MDA a command tells, once.
func TestNotifyCommand(t *testing.T) {
	me := newPerson(t)
	me.write(".config/esmtpq/config.yaml", fmt.Sprintf(`
notify: cat >> "$HOME/notes"; echo nothing of this is shown
identities: [{name: me@example.org, host: "%s"}]
`, newPickyHost(t, noNobody).addr))
	me.run(unlucky, "sendmail", "-t")
	for range 3 {
		if r := me.try("", "deliver"); strings.Contains(r.stdout+r.stderr, "nothing of this") {
			t.Errorf("deliver: %+v", r)
		}
	}
	b, err := os.ReadFile(me.path("notes"))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); strings.Count(s, "Undelivered mail\n") != 1 || !strings.Contains(s, "nobody@example.net: host 127.0.0.1 said: 550") {
		t.Errorf("notes:\n%s", s)
	}
}

// With no way to tell, deliver tells of what a background run has met; and a screen, if there is one.
func TestNobodyToTell(t *testing.T) {
	host := newPickyHost(t, noNobody)
	me := newPerson(t, identity(host)...)
	me.setenv("ESMTPQ_DELAY=0s")
	me.run(unlucky, "sendmail", "-t")
	for end := time.Now().Add(hangs); !strings.Contains(me.run("", "mailq"), "failed:") && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if r := me.try("", "deliver"); r.code != 0 || strings.Count(r.stderr, "no such user here") != 1 {
		t.Errorf("deliver: %+v", r)
	}
	if r := me.try("", "deliver"); r != (result{}) {
		t.Errorf("deliver once more: %+v", r)
	}

	me.writeScript("screen/notify-send", "#!/bin/sh\nprintf '%s\\n' \"$@\" >> \"$HOME/screen/shown\"\n")
	me.setenv("PATH=" + me.path("screen") + ":" + me.path("bin") + ":/usr/bin:/bin")
	me.setenv("DISPLAY=:0")
	me.run(unlucky, "sendmail", "-t")
	var shown []byte
	for end := time.Now().Add(hangs); !strings.Contains(string(shown), "esmtpq show") && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		shown, _ = os.ReadFile(me.path("screen/shown"))
	}
	if !strings.HasPrefix(string(shown), "--\nUndelivered mail\nnobody@example.net: ") {
		t.Errorf("shown: %q", shown)
	}
	me.run("", "deliver")
}
