package clients

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"esmtpq/message"
	"esmtpq/tests/stage"
)

// What is in an envelope sender that a fetcher hands over, and what the agent then gets: an
// address, a text that is none, or nothing for what cannot be kept or would be an option.
var strangeSenders = map[string]string{
	"a@example.net":                   "a@example.net",
	"-x@example.net":                  "",
	"A@example.net.":                  "A@example.net",
	"@r1.example,@r2:a@example.net":   "a@example.net",
	"@r1.example:@r2:a@example.net":   "@r1.example:@r2:a@example.net",
	"a@x..example.net":                "a@x..example.net",
	"a,b@example.net":                 "a,b@example.net",
	"foo bar@example.net":             "foo bar@example.net",
	"foo@exam ple.net":                "foo@exam ple.net",
	"a@b@example.net":                 "a@b@example.net",
	"@example.net":                    "@example.net",
	"a@":                              "a@",
	strings.Repeat("x", 300):          "",
	"\x1b[2J@example.net":             "",
	"gr\xfc\xdfe@example.net":         "",
	"MAILER-DAEMON@[192.0.2.1":        "MAILER-DAEMON@[192.0.2.1",
	strings.Repeat("é ", 10) + "@x.y": strings.Repeat("é ", 10) + "@x.y",
	"owner-list+x=y.z@lists.example.": "owner-list+x=y.z@lists.example",
}

// tellSender is an agent whose line has no %F, for which no sender is too strange.
const tellSender = "#!/bin/sh\nprintf '<%s>\\n' \"$ESMTPQ_SENDER\" >>senders\ncat >/dev/null\n"

// Mail for a local user is not judged by its sender, whichever way it comes in; an identity never
// sends mail with a sender that is no address.
func TestStrangeSenders(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := stage.NewPerson(t, append(stage.Identity(host), `mda = './tell %T'`)...)
	p.WriteScript("tell", tellSender)
	var want []string
	for sender, as := range strangeSenders {
		remote := map[bool]int{true: 0, false: 64}[sender == "-x@example.net" || message.CheckAddress(as) == nil]
		if r := p.Try("x\n", "sendmail", "-i", "-f", sender, "--", "friend@example.net"); r.Code != remote {
			t.Errorf("%q to a remote recipient: exit %d, %s", sender, r.Code, r.Stderr)
		}
		p.Succeeds(p.Command("sendmail", "-i", "-f", sender, "--", "joe"), "x\n")
		want = append(want, "<"+as+">")
	}
	p.Deliver()
	if got := strings.Split(strings.TrimSpace(stage.Read(t, p.Path("senders"))), "\n"); !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("the agent got %q, want %q", got, want)
	}
}

// The same by SMTP on standard input, as fetchmail speaks it.
func TestStrangeSendersBySMTP(t *testing.T) {
	host := stage.NewSmartHost(t)
	p := stage.NewPerson(t, append(stage.Identity(host), `mda = './tell %T'`)...)
	p.WriteScript("tell", tellSender)
	dialogue := "EHLO x\r\n"
	var want []string
	for sender, as := range strangeSenders {
		if strings.ContainsAny(sender, "\x1b") || !utf8.ValidString(sender) {
			continue // controls are no SMTP
		}
		dialogue += fmt.Sprintf("MAIL FROM:<%s>\r\nRCPT TO:<joe@localhost>\r\nDATA\r\nx\r\n.\r\n", sender)
		want = append(want, "<"+as+">")
	}
	out := p.Run(dialogue+"MAIL FROM:<A@x..example.net>\r\nRCPT TO:<friend@example.net>\r\nQUIT\r\n", "sendmail", "-bs")
	if n := strings.Count(out, "\n553 5.1.7 sender: address"); n != 1 || strings.Contains(out, "\n50") {
		t.Errorf("dialogue:\n%s\n%s", dialogue, out)
	}
	p.Deliver()
	if got := strings.Split(strings.TrimSpace(stage.Read(t, p.Path("senders"))), "\n"); !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("the agent got %q, want %q", sorted(got), sorted(want))
	}
	if mails := host.Received(); len(mails) > 0 {
		t.Errorf("%d mails went to the smart host", len(mails))
	}
}

// systemMail is how the programs of a system call sendmail, and what they write.
var systemMail = []struct {
	name, text string
	args       []string
}{
	{"mdadm", "From: mdadm monitoring <root@vm>\nTo: root\nSubject: DegradedArray event on /dev/md0:vm\n\nx\n", []string{"-t"}},
	{"logwatch", "To: root\nFrom: Logwatch@vm\nSubject: Logwatch for vm (Linux)\nMIME-Version: 1.0\n\nx\n", []string{"-t"}},
	{"unattended-upgrades", "Subject: [package on hold] unattended-upgrades result for vm\nTo: root\nFrom: root\nAuto-Submitted: auto-generated\n\nx\n", []string{"-oi", "-t"}},
	{"apt-listchanges", "Auto-Submitted: auto-generated\nSubject: apt-listchanges: news for vm\nTo: root\n\nx\n", []string{"-oi", "-t"}},
	{"cron", "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@vm> test\n\nx\n", []string{"-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"}},
	{"smartd", "To: root@localhost\nSubject: SMART error\n\nx\n", []string{"-t", "-i"}},
	{"a bounce", "From: MAILER-DAEMON\nTo: postmaster\n\nx\n", []string{"-f", "<>", "postmaster"}},
}

// An alias takes the mail of the system's programs to the owner of an identity. Without one it is
// kept, since most of them look at no exit status, until there is one.
func TestSystemMail(t *testing.T) {
	const aliases = "aliases:\n  root: me@example.org\n  postmaster: Root\n"
	for _, early := range []bool{true, false} {
		host := stage.NewSmartHost(t)
		p := stage.NewPerson(t)
		identities := "identities:\n  - name: me@example.org\n    host: " + host.Addr + "\n"
		if p.Write(".config/esmtpq/config.yaml", identities); early {
			p.Write(".config/esmtpq/config.yaml", aliases+identities)
		}
		var kept int
		for _, m := range systemMail {
			if !early && strings.Contains(m.text, "@localhost") {
				continue // goes to the smart host
			}
			kept++
			p.Succeeds(p.Command("sendmail", m.args...), m.text)
		}
		if !early {
			if r := p.Try("", "deliver"); r.Code != 75 || !strings.Contains(r.Stderr, "no local delivery agent: set mda, qualify_domain") {
				t.Errorf("deliver: exit %d, %s", r.Code, r.Stderr)
			}
			if n := strings.Count(p.Run("", "mailq"), "(") - 0; n < kept {
				t.Errorf("mailq:\n%s", p.Run("", "mailq"))
			}
			p.Write(".config/esmtpq/config.yaml", aliases+identities)
		}
		p.Deliver()
		mails := host.Received()
		if len(mails) != kept {
			t.Errorf("%d mails arrived, want %d", len(mails), kept)
		}
		for _, m := range mails {
			if !slices.Equal(m.To, []string{"me@example.org"}) || m.From != "" && !strings.Contains(m.From, "@") {
				t.Errorf("from %s to %s", m.From, m.To)
			}
		}
	}
}

// What is no system mail is refused while its author is still there.
func TestLocalMailWithoutAgent(t *testing.T) {
	p := stage.NewPerson(t, "identity = me@example.org", "hostname = 127.0.0.1:25")
	if r := p.Try("x\n", "sendmail", "bob"); r.Code != 78 || !strings.Contains(r.Stderr, "bob has no domain") {
		t.Errorf("exit %d, %s", r.Code, r.Stderr)
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}
