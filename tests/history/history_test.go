package history

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// A historySession refuses who is called nobody, puts off who is called later, and says its queue ID.
type historySession struct{ *stage.Session }

func (s historySession) Rcpt(to string, opt *smtp.RcptOptions) error {
	switch local, _, _ := strings.Cut(to, "@"); local {
	case "nobody":
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	case "later":
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "mailbox \x1b[31mbusy"}
	}
	return s.Session.Rcpt(to, opt)
}

func newHistoryHost(t *testing.T) *stage.SmartHost {
	t.Helper()
	return stage.NewSmartHost(t, func(s *smtp.Server) {
		inner := s.Backend
		s.Backend = smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
			session, err := inner.NewSession(c)
			if err != nil {
				return nil, err
			}
			return historySession{session.(*stage.Session)}, nil
		})
	})
}

// historian is a person who sends by the host, with more lines of YAML.
func historian(t *testing.T, host *stage.SmartHost, more string) *stage.Person {
	t.Helper()
	p := stage.NewPerson(t)
	p.Write(".config/esmtpq/config.yaml", more+`
identities:
  - name: me@example.org
    match: [me@example.org, "*@lists.example.org"]
    host: `+host.Addr+"\n    tls: off\n")
	return p
}

const historyMail = "From: me@example.org\nMessage-ID: <one@example.org>\nSubject: secret plans\n\ntext\n"

// One message to three recipients, of whom one is refused and one put off: the log says what the host said
// to each, as whom it was sent and why, and finds it by whatever is known of it.
func TestLogTellsWhatBecameOfMail(t *testing.T) {
	host := newHistoryHost(t)
	p := historian(t, host, "")
	p.Run(historyMail, "sendmail", "friend@example.net", "nobody@example.net", "later@example.net")
	if r := p.Try("", "deliver"); r.Code != 75 {
		t.Fatalf("deliver: %+v", r)
	}
	all := p.Run("", "esmtpq", "log")
	for _, want := range []string{
		"sent to 1 of 3", "<one@example.org>", "relayed: friend@example.net: host 127.0.0.1 said: 250 2.0.0", "[me@example.org, by address me@example.org]",
		"failed: nobody@example.net: host 127.0.0.1 said: 550 5.1.1 no such user",
		"delayed: later@example.net: host 127.0.0.1 said: 450 4.2.1 mailbox ?[31mbusy", "now in the queue for later@example.net",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("esmtpq log has no %q:\n%s", want, all)
		}
	}
	if strings.Contains(all, "secret plans") || strings.ContainsRune(all, '\x1b') {
		t.Errorf("esmtpq log shows a subject, or what is not printable:\n%q", all)
	}
	id, _, _ := strings.Cut(all, " ")
	for _, words := range [][]string{{id}, {"ONE@example.org"}, {"friend@", "example.net"}, {"no such user"}, {"--since", "1h", "friend"}, {"--since=today"}} {
		if got := p.Run("", "esmtpq", append([]string{"log"}, words...)...); !strings.Contains(got, id) {
			t.Errorf("esmtpq log %q does not find it: %q", words, got)
		}
	}
	if r := p.Try("", "esmtpq", "log", "stranger"); r.Code != 69 || !strings.Contains(r.Stderr, "nothing is known of such a mail") {
		t.Errorf("a stranger is found: %+v", r)
	}
	for _, wrong := range [][]string{{"--since", "lately"}, {"--since"}, {"--color"}} {
		if r := p.Try("", "esmtpq", append([]string{"log"}, wrong...)...); r.Code != 64 {
			t.Errorf("%q: %+v", wrong, r)
		}
	}

	p.Run("", "esmtpq", "hold", id)
	p.Run("", "esmtpq", "release", id)
	if r := p.Try("", "esmtpq", "retry", id); r.Code == 0 {
		t.Errorf("retry: %+v", r)
	}
	p.Run("", "esmtpq", "rm", "--yes", id)
	events := []string{}
	for line := range strings.Lines(p.Run("", "esmtpq", "log", "--json", id)) {
		var rec struct {
			Event, ID, Identity, Rule string
			Time                      time.Time
			To                        []string
			MessageID                 string `json:"message_id"`
		}
		if err := json.Unmarshal([]byte(line), &rec); err != nil || rec.ID != id || rec.MessageID != "<one@example.org>" || time.Since(rec.Time) > time.Hour {
			t.Errorf("%v: %s", err, line)
		}
		events = append(events, rec.Event)
	}
	if got, want := strings.Join(events, " "), "relayed failed delayed held released retried failed delayed removed"; got != want {
		t.Errorf("events %q, want %q", got, want)
	}
	if got := p.Run("", "esmtpq", "log", id); !strings.Contains(got, "removed: nobody@example.net, later@example.net") {
		t.Errorf("the removal is not told:\n%s", got)
	}
}

// The log is the owner's alone, goes away with "history: never", and is no reason to keep mail: a disk
// that is full, here a directory that cannot be made, costs the record and nothing else.
func TestHistoryIsPrivateAndNeverInTheWay(t *testing.T) {
	host := newHistoryHost(t)
	p := historian(t, host, "")
	p.Run(historyMail, "sendmail", "friend@example.net")
	p.Deliver()
	dir := p.Path(".esmtp_queue/.history")
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %d files", err, len(files))
	}
	file := filepath.Join(dir, files[0].Name())
	for path, mode := range map[string]os.FileMode{dir: 0o700, file: 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v %v, want mode %o", path, err, st.Mode(), mode)
		}
	}

	// a line that a full disk has torn
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"time":"2026-01-01T00:00:00Z","id":"0`)
	f.Close()
	p.Run(historyMail, "sendmail", "second@example.net")
	p.Deliver()
	if got := strings.Count(p.Run("", "esmtpq", "log", "--json"), "\n"); got != 2 {
		t.Errorf("%d records after a torn line, want 2", got)
	}

	os.RemoveAll(dir)
	p.Write(".esmtp_queue/.history", "in the way\n")
	p.Run(historyMail, "sendmail", "third@example.net")
	p.Succeeds(p.Command("deliver"), "")
	if n := len(host.Received()); n != 3 {
		t.Errorf("%d mails arrived, want 3", n)
	}
	os.Remove(dir)
	p = historian(t, host, "history: never\n")
	p.Run(historyMail, "sendmail", "friend@example.net")
	p.Deliver()
	p.Run(historyMail, "sendmail", "friend@example.net")
	p.Run("", "esmtpq", "rm", "last")
	if stage.Exists(p.Path(".esmtp_queue/.history")) {
		t.Error("there is a history although there is to be none")
	}
}

// The lines of the log, as the real pflogsumm counts them.
func TestLogLinesAreReadByPflogsumm(t *testing.T) {
	const pflogsumm = "/usr/sbin/pflogsumm"
	stage.Needs(t, pflogsumm)
	host := newHistoryHost(t)
	p := historian(t, host, "log: ~/mail.log\n")
	p.Run(historyMail, "sendmail", "friend@example.net", "nobody@example.net", "later@example.net")
	p.Run(historyMail, "sendmail", "-f", "robot@lists.example.org", "friend@example.net")
	p.Try("", "deliver")
	p.Try("", "deliver") // the deferred one again: received once all the same
	text, err := os.ReadFile(p.Path("mail.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`: uid=`, `: message-id=<one@example.org>`, `esmtpq/qmgr[`, `: from=<me@example.org>, size=`, `, nrcpt=3 (queue active)`,
		`to=<friend@example.net>, relay=127.0.0.1, delay=`, `, dsn=2.0.0, status=sent (250 2.0.0`, `) identity=me@example.org`,
		`dsn=5.1.1, status=bounced (host 127.0.0.1 said: 550 5.1.1 no such user)`, `dsn=4.2.1, status=deferred (`, `: removed`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no line has %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "secret plans") {
		t.Error("a line has a subject")
	}
	report := p.Run("", pflogsumm, "--syslog-name=esmtpq", p.Path("mail.log"))
	for _, want := range []string{"2   received\n", "2   delivered\n", "1   deferred  (2  deferrals)", "1   bounced", "2   senders", "robot@lists.example.org"} {
		if !strings.Contains(report, want) {
			t.Errorf("pflogsumm does not count %q:\n%.1500s", want, report)
		}
	}
	if st, err := os.Stat(p.Path("mail.log")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", err, st.Mode())
	}

	p = historian(t, host, "log: ~/mail.log\nlog_subjects: true\n")
	p.Run(historyMail, "sendmail", "friend@example.net")
	p.Deliver()
	text, _ = os.ReadFile(p.Path("mail.log"))
	if !strings.Contains(string(text), "info: header Subject: secret plans\n") || !strings.Contains(p.Run("", "esmtpq", "log", "secret"), "Subject: secret plans") {
		t.Errorf("no subject, although it is wanted:\n%s", text)
	}
}

// A command is run once for each event and identity, when the queue can be worked on again, reads JSON, and
// one that fails or hangs concerns no mail.
func TestHooks(t *testing.T) {
	host := newHistoryHost(t)
	p := historian(t, host, `hooks:
  queued: cat >> ~/queued
  sent: cat >> ~/sent; deliver; echo $ESMTPQ_EVENT >> ~/events
  deferred: cat >> ~/deferred
  failed: cat >> ~/failed; echo broken >&2; exit 3
  suspended: cat >> ~/suspended
  recovered: cat >> ~/recovered
`)
	p.Run(historyMail, "sendmail", "friend@example.net", "nobody@example.net", "later@example.net")
	p.Run(historyMail, "sendmail", "friend@example.net")
	if r := p.Try("", "deliver"); r.Code != 75 || !strings.Contains(r.Stderr, "hook failed: exit status 3: broken") {
		t.Errorf("deliver: %+v", r)
	}
	p.Try("", "deliver")
	for event, want := range map[string]struct {
		messages int
		to       string
	}{"queued": {2, "friend@example.net"}, "sent": {2, "friend@example.net"}, "deferred": {1, "later@example.net"}, "failed": {1, "nobody@example.net"}} {
		text, err := os.ReadFile(p.Path(event))
		var call struct {
			Event, Identity string
			Count           int
			Messages        []struct {
				ID, Sender string
				Recipients []struct{ Address, Reason string }
			}
		}
		if err == nil {
			err = json.Unmarshal(text, &call) // and so there was one call
		}
		if err != nil || call.Event != event || call.Count != want.messages || len(call.Messages) != want.messages ||
			call.Messages[0].Recipients[0].Address != want.to || (call.Identity == "me@example.org") != (event != "queued") {
			t.Errorf("%s: %v: %s", event, err, text)
		}
	}
	if text, err := os.ReadFile(p.Path("events")); string(text) != "sent\n" {
		t.Errorf("%v: %q", err, text)
	}

	p.Run("", "esmtpq", "rm", "--yes", "all")
	config, err := os.ReadFile(p.Path(".config/esmtpq/config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.Write(".config/esmtpq/config.yaml", strings.Replace(string(config), host.Addr, "127.0.0.1:1", 1))
	p.Run(historyMail, "sendmail", "friend@example.net")
	p.Try("", "deliver")
	p.Try("", "deliver")
	p.Write(".config/esmtpq/config.yaml", string(config))
	p.Deliver()
	for event, want := range map[string]string{"suspended": "connection refused", "recovered": "me@example.org"} {
		text, err := os.ReadFile(p.Path(event))
		if strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v: %s", event, err, text)
		}
	}
}

// Wherever a run is killed, what has left the queue is in the log with the host's words.
func TestKilledRunLeavesNoGap(t *testing.T) {
	host := newHistoryHost(t)
	p := historian(t, host, "")
	var ids []string
	const mails = 40
	for range mails {
		p.Run(historyMail, "sendmail", "friend@example.net")
	}
	for line := range strings.Lines(p.Run("", "mailq", "--json")) {
		var m struct {
			ID string `json:"queue_id"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
	}
	for _, after := range []int{1, 5, 12, 25} {
		deliver := p.Command("deliver")
		if err := deliver.Start(); err != nil {
			t.Fatal(err)
		}
		stage.Await(t, "some mail at the host", func() bool { return len(host.Received()) >= after })
		deliver.Process.Kill()
		deliver.Wait()
		left := p.Run("", "mailq", "--json")
		log := p.Run("", "esmtpq", "log", "--json", "relayed", "250 2.0.0")
		for _, id := range ids {
			if !strings.Contains(left, id) && !strings.Contains(log, id) {
				t.Errorf("killed after %d: %s has gone, and the log does not know of it", after, id)
			}
		}
	}
	p.Deliver()
	if n := strings.Count(p.Run("", "esmtpq", "log"), "  sent  "); n != mails {
		t.Errorf("the log has %d mails as sent, want %d", n, mails)
	}
}
