package clients

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// One recipient who cannot be served costs the others nothing: neither as an argument, nor in the
// header, nor because there is no agent. Nothing is said where a caller would take a word for a
// failure; mailq says it, a notice does, and a retry after mending is enough.
func TestOneBadRecipient(t *testing.T) {
	for _, c := range []struct {
		name, in string
		args     []string
		reason   string
	}{
		{"unreadable argument", "Subject: x\n\nx\n", []string{"admin@example.net", "two words"}, "two words"},
		{"unreadable member", "To: two words, admin@example.net\n\nx\n", []string{"-t"}, "two words"},
		{"unreadable argument and header", "To: admin@example.net\n\nx\n", []string{"-t", "two words"}, "two words"},
		{"no agent", "To: root, admin@example.net\n\nx\n", []string{"-t"}, "root has no domain"},
		{"no agent, argument", "\nx\n", []string{"admin@example.net,root"}, "root has no domain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := stage.NewSmartHost(t)
			config := "identities:\n  - name: me@example.org\n    host: " + host.Addr + "\n    default: true\nnotify: cat >>\"$HOME/told\"\n"
			me := stage.NewPerson(t)
			me.Write(".config/esmtpq/config.yaml", config)
			me.Succeeds(me.Command("sendmail", append([]string{"-i"}, c.args...)...), c.in)
			r := me.Try("", "deliver")
			host.One(t).Is(t, "me@example.org", "admin@example.net")
			if told, _ := os.ReadFile(me.Path("told")); r.Code != 0 || !strings.Contains(string(told), c.reason) {
				t.Errorf("deliver: %+v, and tells %q, want %q in it", r, told, c.reason)
			}
			told, _ := os.ReadFile(me.Path("told"))
			if cure := strings.Contains(string(told), "retry --to ADDRESS "); cure == strings.Contains(c.reason, "root") || strings.Contains(string(told), "<>") {
				t.Errorf("deliver advises\n%s", told)
			}
			if listing := me.Run("", "mailq"); !strings.Contains(listing, c.reason) || strings.Contains(listing, "admin@") {
				t.Errorf("mailq does not show what was refused:\n%s", listing)
			}
			if !strings.Contains(c.reason, "root") {
				return
			}
			me.Write("agent", "cat >>"+me.Path("mailbox")+"\n")
			me.Write(".config/esmtpq/config.yaml", config+"mda: sh "+me.Path("agent")+"\n")
			me.Run("", "esmtpq", "retry", "all")
			me.Try("", "deliver")
			if box := stage.Read(t, me.Path("mailbox")); strings.Count(box, "\nx\n") != 1 {
				t.Errorf("after mending, the mailbox has %q", box)
			}
		})
	}
}

// Where nobody can be served, nothing is queued.
func TestNoGoodRecipient(t *testing.T) {
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = 127.0.0.1:9")
	for _, c := range []struct {
		in   string
		args []string
		code int
	}{
		{"x\n", []string{"two words"}, 64},
		{"To: two words\n\nx\n", []string{"-t"}, 65},
		{"To: bob\n\nx\n", []string{"-t"}, 78},
		{"To: two words, bob\n\nx\n", []string{"-t", "a b"}, 78},
		{"To: a@example.net\nBcc: " + strings.Repeat("a b,\n ", 300_000) + "c\n\nx\n", []string{"-t"}, 65},
	} {
		if r := me.Try(c.in, "sendmail", append([]string{"-i"}, c.args...)...); r.Code != c.code || !stage.OneLine(r.Stderr) {
			t.Errorf("%.30q, %q: exit %d, %q; want %d", c.in, c.args, r.Code, r.Stderr, c.code)
		}
	}
	if out := me.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Error(out)
	}
}

// A recipient named twice gets one copy, by every way in.
func TestNamedTwice(t *testing.T) {
	host := stage.NewSmartHost(t)
	smtp := func(to ...string) string {
		s := "EHLO x\r\nMAIL FROM:<me@example.org>\r\n"
		for _, a := range to {
			s += "RCPT TO:<" + a + ">\r\n"
		}
		return s + "DATA\r\nSubject: s\r\n\r\nx\r\n.\r\nQUIT\r\n"
	}
	for _, c := range []struct {
		name, in string
		args     []string
		want     []string
		agent    int // copies by the agent
		more     string
	}{
		{"arguments", "\nx\n", []string{"joe@example.net", "joe@EXAMPLE.NET", "Joe <joe@example.net>"}, []string{"joe@example.net"}, 0, ""},
		{"header", "To: joe@example.net\nCc: joe@Example.net, joe\nBcc: joe, joe@example.net\n\nx\n", []string{"-t", "joe"}, []string{"joe@example.net"}, 1, ""},
		{"SMTP", smtp("joe@example.net", "joe@example.net", "joe@EXAMPLE.net"), []string{"-bs"}, []string{"joe@example.net"}, 0, ""},
		{"arguments, international", "\nx\n", []string{"joe@bücher.example", "joe@xn--bcher-kva.example", "joe@BÜCHER.example"}, []string{"joe@xn--bcher-kva.example"}, 0, ""},
		{"header, international", "To: joe@xn--bcher-kva.example, joe@bücher.example\n\nx\n", []string{"-t"}, []string{"joe@xn--bcher-kva.example"}, 0, ""},
		{"SMTP, international", smtp("joe@XN--bcher-kva.example", "joe@xn--bcher-kva.example"), []string{"-bs"}, []string{"joe@XN--bcher-kva.example"}, 0, ""},
		{"SMTP, agent", smtp("joe", "joe"), []string{"-bs"}, nil, 1, ""},
		{"qualified", "\nx\n", []string{"joe", "joe@example.net", "ann@example.net", "ann", "tom", "tom"},
			[]string{"joe@example.net", "ann@example.net", "tom@example.net"}, 0, "qualifydomain = example.net"},
	} {
		t.Run(c.name, func(t *testing.T) {
			me := stage.NewPerson(t, append(stage.Identity(host), c.more, `mda "sh -c 'cat >/dev/null; echo >>$HOME/called' sh %T"`)...)
			before := len(host.Received())
			me.Run(c.in, "sendmail", c.args...)
			me.Deliver()
			if c.want != nil {
				got := host.Received()[before].To
				slices.Sort(got)
				slices.Sort(c.want)
				if len(host.Received()) != before+1 || !slices.Equal(got, c.want) {
					t.Errorf("the host got %q", got)
				}
			}
			if called, _ := os.ReadFile(me.Path("called")); len(called) != c.agent {
				t.Errorf("the agent was called %d times, want %d", len(called), c.agent)
			}
		})
	}
}

// mpop and others name the null reverse-path so.
func TestMailerDaemonIsNull(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	for _, f := range []string{"MAILER-DAEMON", "mailer-daemon", "<MAILER-DAEMON>"} {
		me.Run("From: me@example.org\n\nx\n", "sendmail", "-i", "-f", f, "a@example.net")
		me.Deliver()
		host.Next(t).Is(t, "", "a@example.net")
	}
	me.Run(dialogue("EHLO x", "MAIL FROM:<Mailer-Daemon>", "RCPT TO:<a@example.net>", "DATA", "From: me@example.org", "", "x", ".", "QUIT"), "sendmail", "-bs")
	me.Deliver()
	host.Next(t).Is(t, "", "a@example.net")
	me.Run("From: me@example.org\n\nx\n", "sendmail", "-i", "-f", "MAILER-DAEMON@example.org", "a@example.net")
	me.Deliver()
	host.Next(t).Is(t, "MAILER-DAEMON@example.org", "a@example.net")
}

// Before every exit but 0, standard input is set back to where it began, where it is a file: mailx
// keeps what is left in it as the dead letter.
func TestInputSetBack(t *testing.T) {
	host := stage.NewSmartHost(t)
	big := strings.Repeat("a line of text\n", 50_000)
	for _, c := range []struct {
		name  string
		setup []string
		in    string
		args  []string
		code  int
	}{
		{"no configuration", nil, "hello\n", []string{"a@example.net"}, 78},
		{"no configuration, large", nil, big, []string{"a@example.net"}, 78},
		{"no recipients", stage.Identity(host), "Subject: x\n\nhello\n", []string{"-t"}, 64},
		{"unreadable recipients", stage.Identity(host), "To: two words\n\nhello\n", []string{"-t"}, 65},
		{"no agent", stage.Identity(host), big, []string{"joe"}, 78},
		{"UTF-16", stage.Identity(host), "\xff\xfea\x00", []string{"a@example.net"}, 65},
		{"queue that is none", stage.Identity(host), big, []string{"a@example.net"}, 73},
		{"taken", stage.Identity(host), big, []string{"a@example.net"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			me := stage.NewPerson(t, c.setup...)
			if c.code == 73 {
				me.Write(".esmtp_queue", "")
			}
			me.Write("in", "To: somebody else\n"+c.in)
			in, err := os.Open(me.Path("in"))
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			const began = int64(len("To: somebody else\n"))
			if _, err := in.Seek(began, 0); err != nil {
				t.Fatal(err)
			}
			cmd := me.Command("sendmail", append([]string{"-i"}, c.args...)...)
			cmd.Stdin = in
			r := stage.Finish(t, cmd, "")
			at, err := in.Seek(0, 1)
			if r.Code != c.code || err != nil || (c.code != 0) != (at == began) {
				t.Errorf("exit %d, %q, and the file is at %d, %v", r.Code, r.Stderr, at, err)
			}
		})
	}
}

// A NUL is left out, and the mail remembers it; nothing is said but at a terminal.
func TestNULRemark(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Succeeds(me.Command("sendmail", "-i", "a@example.net"), "Subject: x\x00y\n\na\x00b\x00\n")
	if listing := me.Run("", "mailq", "-v"); !strings.Contains(listing, "NUL") || !strings.Contains(listing, "3") {
		t.Errorf("mailq -v has no remark:\n%s", listing)
	}
	me.Deliver()
	mail := host.One(t)
	mail.Says(t, "ab\n")
	if !strings.Contains(mail.Content, "Subject: xy\r\n") {
		t.Errorf("%q", mail.Content)
	}
}

// A time zone that is a FIFO hangs nothing.
func TestTimeZoneIsNoFile(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	fifo := me.Path("fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tz := range []string{":" + fifo, fifo, "../../.." + fifo, ":/etc/../" + fifo, "/usr/share/zoneinfo/../../.." + fifo} {
		me.Setenv("TZ=" + tz)
		began := time.Now()
		me.Run("\nx\n", "sendmail", "-i", "a@example.net")
		me.Run("", "mailq")
		me.Run("", "mailq", "-v")
		me.Deliver()
		host.Next(t)
		if took := time.Since(began); took > stage.Limit/2 {
			t.Errorf("TZ=%s: %v", tz, took)
		}
	}
	if _, err := os.Stat("/usr/share/zoneinfo/Asia/Tokyo"); err != nil {
		return
	}
	for _, tz := range []string{"Asia/Tokyo", ":Asia/Tokyo", ":/usr/share/zoneinfo/Asia/Tokyo"} {
		me.Setenv("TZ=" + tz)
		me.Run("\nx\n", "sendmail", "-i", "a@example.net")
		me.Deliver()
		if date := host.Next(t).Parse(t).Header.Get("Date"); !strings.HasSuffix(date, "+0900") {
			t.Errorf("TZ=%s: %s", tz, fmt.Sprint(date))
		}
	}
}

// A message to as many recipients as one can have takes little memory, whatever room their progress
// has on disk.
func TestManyRecipientsMemory(t *testing.T) {
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = 127.0.0.1:9")
	var to strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&to, "person%d@host%d.example.net,\n ", i, i%977)
	}
	r, peak := stage.Peak(t, me.Command("sendmail", "-t", "-i"), "To: "+to.String()+"\n\nx\n")
	if r.Code != 0 {
		t.Fatalf("exit %d, %q", r.Code, r.Stderr)
	}
	if peak > 60 { // it was 110
		t.Errorf("it took %d MiB", peak)
	}
}

// A Message-ID has the author's domain, or the identity's where that is none that can be there.
func TestMessageIDDomain(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	for from, want := range map[string]string{
		"you@example.com": "@example.com>", "you@bücher.example": "@xn--bcher-kva.example>",
		"root": "@example.org>", "you@[192.0.2.1]": "@example.org>", "@@": "@example.org>",
	} {
		me.Run("From: "+from+"\n\nx\n", "sendmail", "-i", "a@example.net")
		me.Deliver()
		if id := host.Next(t).Parse(t).Header.Get("Message-Id"); !strings.HasSuffix(id, want) {
			t.Errorf("From: %s: Message-ID: %s, want %s", from, id, want)
		}
	}
}
