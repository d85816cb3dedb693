package history

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// A copy is kept once the host has taken the mail, once for each message, in whatever run the last of its
// recipients is served; what the host has not taken is not copied.
func TestSentCopy(t *testing.T) {
	host := newHistoryHost(t)
	p := copier(t, host, "~/Mail/Sent/")
	if err := os.Mkdir(p.Path("Mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	copies := func() int {
		all, _ := filepath.Glob(p.Path("Mail/Sent/*/*"))
		return len(all)
	}
	p.Run(historyMail, "sendmail", "later@example.net", "nobody@example.net")
	p.Try("", "deliver")
	if copies() != 0 {
		t.Fatalf("%d copies of what no host has taken", copies())
	}
	p.Run(historyMail, "sendmail", "friend@example.net", "later@example.net")
	for range 3 {
		p.Try("", "deliver")
	}
	p.Run("", "esmtpq", "retry", "--to", "other@example.net", "last")
	all, _ := filepath.Glob(p.Path("Mail/Sent/cur/*:2,S"))
	if len(all) != 1 || copies() != 1 {
		t.Fatalf("%d copies of one mail: %q", copies(), all)
	}
	if text, err := os.ReadFile(all[0]); err != nil || !strings.HasSuffix(string(text), "\n\ntext\n") || !strings.Contains(string(text), "Message-ID: <one@example.org>\n") {
		t.Errorf("%v: %q", err, text)
	}
	if got := p.Run("", "esmtpq", "log", "copied", "Mail/Sent"); !strings.Contains(got, "sent") {
		t.Errorf("the log does not tell of it: %s", got)
	}
}

// copier is a person who keeps copies.
func copier(t *testing.T, host *stage.SmartHost, folder string) *stage.Person {
	t.Helper()
	p := historian(t, host, "")
	text, err := os.ReadFile(p.Path(".config/esmtpq/config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.Write(".config/esmtpq/config.yaml", string(text)+"    sent_copy: "+folder+"\n")
	return p
}

// A copy that cannot be kept is told of, and costs no mail.
func TestCopyThatFailsCostsNoMail(t *testing.T) {
	host := newHistoryHost(t)
	p := copier(t, host, "~/not/there/sent")
	p.Run(historyMail, "sendmail", "friend@example.net")
	r := p.Try("", "deliver")
	if r.Code != 0 || !strings.Contains(r.Stderr, "has been sent, and no copy of it was kept: open") {
		t.Errorf("deliver: %+v", r)
	}
	if host.One(t); !strings.Contains(p.Run("", "esmtpq", "log"), "not copied: ") {
		t.Error("the log does not tell of it")
	}
	if out := p.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Error(out)
	}
}

// A run that is killed between the host's reply and the copy: the next one keeps the copy, and does not
// send the mail again. mutt reads what is in the mbox.
func TestKilledBeforeTheCopy(t *testing.T) {
	stage.Needs(t, "mutt")
	host := newHistoryHost(t)
	p := copier(t, host, "~/sent")
	p.Write("sent.lock", "") // of another program, which works on the mbox
	for _, to := range []string{"a@example.net", "b@example.net", "c@example.net"} {
		p.Run(strings.Replace(historyMail, "<one@", "<"+to[:1]+"@", 1)+"From here it goes on\n", "sendmail", to)
	}
	deliver := p.Command("deliver")
	if err := deliver.Start(); err != nil {
		t.Fatal(err)
	}
	stage.Await(t, "all mail at the host, and recorded", func() bool {
		return len(host.Received()) == 3 && strings.Count(p.Run("", "esmtpq", "log", "--json"), `"relayed"`) == 3
	})
	stage.Await(t, "the wait for the lock", func() bool { return stage.Exists(p.Path("sent")) })
	deliver.Process.Kill()
	deliver.Wait()
	if err := os.Remove(p.Path("sent.lock")); err != nil {
		t.Fatal(err)
	}
	p.Deliver()
	p.Deliver()
	if n := len(host.Received()); n != 3 {
		t.Errorf("%d mails arrived, want 3", n)
	}
	p.Write(".muttrc", "set folder=~ wait_key=no\n")
	p.Setenv("LINES=24")
	p.Setenv("COLUMNS=80")

	show := "<tag-pattern>~A<enter><tag-prefix><pipe-message>cat >> " + p.Path("piped") + "<enter>"
	mutt := p.Command("mutt", "-n", "-F", p.Path(".muttrc"), "-R", "-f", p.Path("sent"), "-e", `push "`+show+`<exit>"`)
	if code, screen := stage.AtTerminal(t, mutt).End(); code != 0 {
		t.Fatalf("mutt: %d\n%s", code, screen)
	}
	text, err := os.ReadFile(p.Path("piped"))
	for _, id := range []string{"Message-ID: <a@", "Message-ID: <b@", "Message-ID: <c@"} {
		if strings.Count(string(text), id) != 1 {
			t.Errorf("mutt does not see one mail with %s: %v\n%s", id, err, text)
		}
	}
}
