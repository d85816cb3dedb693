package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// What a person is told of mail that failed, is late, or is dropped.

func TestBounce(t *testing.T) {
	host := newPickyHost(t, noNobody)
	me := stage.NewPerson(t, withMailbox(host)...)
	me.Run(unlucky, "sendmail", "-t", "-V", "envelope 1")
	if r := me.Try("", "deliver"); r.Code != 0 || !strings.Contains(r.Stderr, "no such user here") {
		t.Errorf("deliver: %+v", r)
	}
	host.One(t).Is(t, "me@example.org", "friend@example.net")
	entries, err := filepath.Glob(me.Path(".esmtp_queue/[0-9A-F]*"))
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	id := filepath.Base(entries[0])

	b := readBounce(t, onlyBounce(me))
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

	// The notice comes once, however often the queue is run; then again after mail was tried
	// again.
	for range 3 {
		me.Run("", "deliver")
	}
	onlyBounce(me)
	me.Try("", "esmtpq", "retry", id)
	if n := len(mailbox(me)); n != 2 {
		t.Errorf("%d bounces after a second failure, want 2", n)
	}
}

// The background run says nothing and leaves a bounce.
func TestBounceInBackground(t *testing.T) {
	host := newPickyHost(t, noNobody)
	me := stage.NewPerson(t, withMailbox(host)...)
	me.Setenv("ESMTPQ_DELAY=0s")
	if r := me.Try(unlucky, "sendmail", "-t"); r != (stage.Result{}) {
		t.Errorf("sendmail: %+v", r)
	}
	for end := time.Now().Add(stage.Limit); len(mailbox(me)) == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	me.Run("", "deliver") // waits for the end of the background run
	onlyBounce(me)
	me.AwaitQueued(1)
}

// This is the queue after a kill between the bounce and its record: two notices, not none.
func TestBounceKilledBeforeRecord(t *testing.T) {
	host := newPickyHost(t, noNobody)
	me := stage.NewPerson(t, withMailbox(host)...)
	me.Run(unlucky, "sendmail", "-t")
	me.Try("", "deliver")
	onlyBounce(me)
	envelopes, err := filepath.Glob(me.Path(".esmtp_queue/*/envelope"))
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
		me.Try("", "deliver")
	}
	if n := len(mailbox(me)); n != 2 {
		t.Errorf("%d bounces, want 2", n)
	}
}

func TestNoBounce(t *testing.T) {
	for name, options := range map[string][]string{
		"null reverse-path": {"-f", ""}, "null reverse-path in brackets": {"-f", "<>"}, "NOTIFY=NEVER": {"-N", "never"},
	} {
		t.Run(name, func(t *testing.T) {
			me := stage.NewPerson(t, withMailbox(newPickyHost(t, noNobody))...)
			me.Run(unlucky, "sendmail", append(options, "-t")...)
			me.Try("", "deliver")
			me.Run("", "deliver")
			if mails := mailbox(me); len(mails) > 0 {
				t.Errorf("bounced: %q", mails)
			}
			if out := me.Run("", "mailq"); !strings.Contains(out, "failed: host 127.0.0.1 said: 550 5.1.1 no such user here") {
				t.Errorf("mailq: %s", out)
			}
		})
	}
}

// The mailbox takes nothing: the bounce waits or fails, and there is no other bounce about that.
func TestBounceThatBounces(t *testing.T) {
	me := stage.NewPerson(t, append([]string{`mda = "echo %T >> $HOME/tried; exit 67"`}, stage.Identity(newPickyHost(t, noNobody))...)...)
	me.Run(unlucky, "sendmail", "-t")
	for range 3 {
		me.Try("", "deliver")
	}
	b, _ := os.ReadFile(me.Path("tried"))
	if strings.Count(string(b), "\n") != 1 {
		t.Errorf("the agent was called for %q", b)
	}
	if out := me.Run("", "mailq"); !strings.Contains(out, "in 2 Requests") || !strings.Contains(out, "MAILER-DAEMON") {
		t.Errorf("mailq: %s", out)
	}
}

// An identity that qualifies local names sends them out, but never a bounce.
func TestBounceStaysLocal(t *testing.T) {
	host := newPickyHost(t, noNobody)
	me := stage.NewPerson(t, append(withMailbox(host), "qualifydomain = example.org")...)
	me.Run(unlucky, "sendmail", "-t")
	me.Try("", "deliver")
	onlyBounce(me)
	host.One(t).Is(t, "me@example.org", "friend@example.net")
}

// The words of a host may contain anything.
func TestBounceOfHostileWords(t *testing.T) {
	words := "no\x1b[2J\x1b]0;owned\x07 \xe4\x7f " + strings.Repeat("long ", 300)
	me := stage.NewPerson(t, withMailbox(newPickyHost(t, refusing("nobody", 550, words)))...)
	me.Run(unlucky, "sendmail", "-t")
	me.Try("", "deliver")
	content := onlyBounce(me)
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
	me := stage.NewPerson(t, withMailbox(newPickyHost(t, noNobody))...)
	me.Run("From: me@example.org\nSubject: Grüße\n\ntext\n", "sendmail", "nobody.ü@example.net")
	me.Try("", "deliver")
	content := onlyBounce(me)
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
		me := stage.NewPerson(t, withMailbox(newPickyHost(t, noNobody))...)
		me.Run(unlucky+strings.Repeat("1234567\n", test.size/8), "sendmail", "-t", "-R", "full")
		me.Try("", "deliver")
		b := readBounce(t, onlyBounce(me))
		if got := b.Parts[2]; got != test.want {
			t.Errorf("%d octets: returned as %s, want %s", test.size, got, test.want)
		}
		if strings.Contains(b.Original, "At eight?") != (test.want == "message/rfc822") {
			t.Errorf("%d octets: returned %.500s", test.size, b.Original)
		}
	}
}

// The settings reach the queue run.
func TestNoticeSettings(t *testing.T) {
	host := newPickyHost(t, refusing("busy", 451, "come back later"))
	me := stage.NewPerson(t)
	me.Write(".config/esmtpq/config.yaml", fmt.Sprintf(`
mda: cat >> mailbox
expire_after: never
delay_notice_after: never
identities: [{name: me@example.org, host: "%s"}]
`, host.Addr))
	aged(me, 60*24*time.Hour, "busy@example.net")
	for range 3 {
		if r := me.Try("", "deliver"); r.Code != 75 {
			t.Errorf("deliver: %+v", r)
		}
	}
	if _, err := os.Stat(me.Path("mailbox")); err == nil {
		t.Error("a notice that was not wanted")
	}
}

// Without an MDA a command tells, once.
func TestNotifyCommand(t *testing.T) {
	me := stage.NewPerson(t)
	me.Write(".config/esmtpq/config.yaml", fmt.Sprintf(`
notify: cat >> "$HOME/notes"; echo nothing of this is shown
identities: [{name: me@example.org, host: "%s"}]
`, newPickyHost(t, noNobody).Addr))
	me.Run(unlucky, "sendmail", "-t")
	for range 3 {
		if r := me.Try("", "deliver"); strings.Contains(r.Stdout+r.Stderr, "nothing of this") {
			t.Errorf("deliver: %+v", r)
		}
	}
	b, err := os.ReadFile(me.Path("notes"))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); strings.Count(s, "Undelivered mail\n") != 1 || !strings.Contains(s, "nobody@example.net: host 127.0.0.1 said: 550") {
		t.Errorf("notes:\n%s", s)
	}
}

// With no other way, deliver reports the failures of a background run; a screen shows them, if
// there is one.
func TestNobodyToTell(t *testing.T) {
	host := newPickyHost(t, noNobody)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Setenv("ESMTPQ_DELAY=0s")
	me.Run(unlucky, "sendmail", "-t")
	for end := time.Now().Add(stage.Limit); !strings.Contains(me.Run("", "mailq"), "failed:") && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if r := me.Try("", "deliver"); r != (stage.Result{}) { // as cron runs it
		t.Errorf("deliver without a terminal: %+v", r)
	}
	if code, screen := stage.AtTerminal(t, me.Command("deliver")).End(); code != 0 || strings.Count(screen, "no such user here") != 1 {
		t.Errorf("deliver: %d\n%s", code, screen)
	}
	if code, screen := stage.AtTerminal(t, me.Command("deliver")).End(); code != 0 || screen != "" {
		t.Errorf("deliver once more: %d\n%s", code, screen)
	}

	me.WriteScript("screen/notify-send", "#!/bin/sh\nprintf '%s\\n' \"$@\" >> \"$HOME/screen/shown\"\n")
	me.Setenv("PATH=" + me.Path("screen") + ":" + me.Path("bin") + ":/usr/bin:/bin")
	me.Setenv("DISPLAY=:0")
	me.Run(unlucky, "sendmail", "-t")
	var shown []byte
	for end := time.Now().Add(stage.Limit); !strings.Contains(string(shown), "esmtpq show") && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		shown, _ = os.ReadFile(me.Path("screen/shown"))
	}
	if !strings.HasPrefix(string(shown), "--\nUndelivered mail\nnobody@example.net: ") {
		t.Errorf("shown: %q", shown)
	}
	me.Run("", "deliver")
}
