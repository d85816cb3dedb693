package hosts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"esmtpq/tests/stage"
)

// configure writes a configuration whose agent files mail in a Maildir, after a while.
func (s *mailserver) configure(me *stage.Person, after string) {
	me.Write(".config/esmtpq/config.yaml", fmt.Sprintf("mda: '%smkdir -p Maildir/new Maildir/cur Maildir/tmp; f=$$.$(date +%%s%%N); cat >Maildir/tmp/$f && mv Maildir/tmp/$f Maildir/new/$f'\n"+
		"local_domains: [laptop.example.org]\nidentities:\n- {name: me@example.org, host: localhost, port: %s, username: %s, password: %s}\n",
		after, portOf(s.addr), s.user, s.password))
	os.Chmod(me.Path(".config/esmtpq/config.yaml"), 0o600)
}

// start starts a command in the background, in a session of its own, and ends all of that with the test.
func (s *mailserver) start(cmd *exec.Cmd) {
	s.t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		cmd.Wait()
	})
}

// fetched waits until each of some mails has come into a Maildir, and reports those that are there
// more than once.
func (s *mailserver) fetched(me *stage.Person, texts ...string) {
	s.t.Helper()
	stage.Await(s.t, "all mails", func() bool {
		got := maildir(s.t, me.Path("Maildir"))
		for _, text := range texts {
			if !strings.Contains(got, "\n"+text+"\n") {
				return false
			}
		}
		return true
	})
	stage.Await(s.t, "an empty queue", func() bool { return me.Run("", "mailq") == "Mail queue is empty\n" })
	got := maildir(s.t, me.Path("Maildir"))
	for _, text := range texts {
		if n := strings.Count(got, "\n"+text+"\n"); n != 1 {
			s.t.Errorf("%d copies of %s", n, text)
		}
	}
}

func newMail(text string) string {
	return "From: author@example.net\nTo: me@laptop.example.org, me@laptop.example.org\nReturn-Path: <author@example.net>\nSubject: s\n\n" + text + "\n"
}

// fetchmail, under a supervisor, by SMTP and by LMTP into the listener; woken by a signal. While our
// configuration is broken it keeps the mail, and writes to nobody.
func TestFetchmailIntoListener(t *testing.T) {
	s := startMailserver(t)
	me, _ := s.laptop("usr/bin/fetchmail", "usr/bin/supervise", "usr/bin/svc")
	s.configure(me, "")
	me.Setenv("ESMTPQ_DELAY=0s")
	port := stage.FreePort(t)
	listener := me.Command("esmtpq", "listen", "127.0.0.1:"+port, me.Path("sock"))
	s.start(listener)
	stage.AwaitPort(t, port)
	me.Setenv("FETCHMAILHOME=" + me.Path("fetchmail"))
	configure := func(smtphost string) {
		me.Write("fetchmail/fetchmailrc", fmt.Sprintf("set no syslog\nset no bouncemail\nset pidfile \"%s\"\npoll localhost service %s protocol imap user \"%s\" password \"%s\" ssl sslcertck sslcertfile \"%s\" smtphost %s smtpname me@laptop.example.org\n",
			me.Path("pid"), portOf(s.imap), s.user, s.password, s.cert.Authority, smtphost))
		os.Chmod(me.Path("fetchmail/fetchmailrc"), 0o700)
	}
	fetch := func(smtphost string) stage.Result {
		configure(smtphost)
		return me.Try("", "fetchmail")
	}
	s.put(newMail("by SMTP"), newMail("by SMTP, too"))
	if r := fetch("127.0.0.1/" + port); r.Code != 0 {
		t.Errorf("SMTP: %+v", r)
	}
	s.fetched(me, "by SMTP", "by SMTP, too")
	s.put(newMail("by LMTP"))
	if r := fetch(me.Path("sock")); r.Code != 0 {
		t.Errorf("LMTP: %+v", r)
	}
	s.fetched(me, "by LMTP")

	// Broken, and mended: nothing is lost on either way.
	good := stage.Read(t, me.Path(".config/esmtpq/config.yaml"))
	me.Write(".config/esmtpq/config.yaml", "nonsense: [\n")
	s.put(newMail("kept"))
	for _, smtphost := range []string{"127.0.0.1/" + port, me.Path("sock")} {
		fetch(smtphost)
	}
	me.Write(".config/esmtpq/config.yaml", good)
	os.Chmod(me.Path(".config/esmtpq/config.yaml"), 0o600)

	// Under daemontools, polling at long intervals and when it is woken.
	configure("127.0.0.1/" + port)
	me.WriteScript("service/run", "#!/bin/sh\nexec fetchmail --nodetach --daemon 3000 2>&1\n")
	supervise := me.Command("supervise", me.Path("service"))
	s.start(supervise)
	t.Cleanup(func() { me.Try("", "svc", "-dx", me.Path("service")) })
	s.fetched(me, "kept")
	for i, wake := range [][]string{{"sh", "-c", "kill -USR1 $(head -n 1 pid)"}, {"fetchmail"}} {
		text := fmt.Sprintf("woken %d", i)
		s.put(newMail(text))
		if r := me.Try("", wake[0], wake[1:]...); r.Code != 0 {
			t.Errorf("%q: %+v", wake, r)
		}
		s.fetched(me, text)
	}
	if sent := s.sink.all(); len(sent) != 0 {
		t.Errorf("reports: %+v", sent)
	}
}

// A file of if-up.d calls sendmail -q, as root, for mail that was queued while there was no network.
func TestQueueingUntilOnline(t *testing.T) {
	s := startMailserver(t)
	me, _ := s.laptop()
	s.configure(me, "")
	for i := range 3 {
		me.Run(fmt.Sprintf("From: me@example.org\nSubject: %d\n\ntext\n", i), "sendmail", "-i", "-odq", fmt.Sprintf("friend%d@example.net", i))
	}
	me.Run("", "esmtpq", "hold", "--recipient", "friend1@")
	if r := me.Try("", "sh", "-c", "sendmail -q </dev/null"); r.Code != 0 {
		t.Errorf("sendmail -q: %+v", r)
	}
	if sent := s.sink.all(); len(sent) != 2 {
		t.Errorf("%d mails went out, want the two that are not held", len(sent))
	}
	me.Run("", "esmtpq", "release", "all")
	me.Deliver()
	if sent := s.sink.all(); len(sent) != 3 {
		t.Errorf("%d mails went out, want all", len(sent))
	}
}

// The rounds of mbsync and deliver in a window of screen, beside another one.
func TestRoundsInScreen(t *testing.T) {
	s := startMailserver(t)
	me, here := s.laptop("usr/bin/mbsync", "usr/bin/screen")
	s.configure(me, "")
	me.Write(".password", s.password+"\n")
	for _, block := range shellBlock.FindAllStringSubmatch(stage.Read(t, stage.Source(t, "docs/laptop.md")), -1) {
		if strings.Contains(block[1], "mbsyncrc") {
			me.Run(strings.Replace(here.Replace(block[1]), "\n~/bin/rounds 1\n", "\n", 1), "sh", "-e")
		}
	}
	s.put(newMail("far"))
	dir := me.Path("screens")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	me.Setenv("SCREENDIR=" + dir)
	me.Setenv("TERM=vt100")
	t.Cleanup(func() { me.Try("", "screen", "-S", "mail", "-X", "quit") })
	me.Run("", "screen", "-S", "mail", "-dm", me.Path("bin/rounds"))
	stage.Await(t, "screen", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		return len(files) > 0
	})
	me.Run("", "screen", "-S", "mail", "-X", "screen", "sh", "-c", "printf 'From: me@example.org\\n\\nfrom the other window\\n' | "+me.Path("bin/sendmail")+" -i friend@example.net; "+me.Path("bin/deliver"))
	stage.Await(t, "the mail", func() bool { return len(s.sink.all()) == 1 })
	stage.Await(t, "the mailbox", func() bool { return strings.Contains(maildir(t, me.Path("Mail/INBOX")), "\nfar\n") })
}

// A watcher by IMAP IDLE, with a file for each account and a script that starts and stops it: what comes
// is filed without anybody asking for it.
func TestMailwatch(t *testing.T) {
	for _, name := range []string{"getmail", "procmail", "flock"} {
		if _, err := exec.LookPath(name); err != nil {
			lacking(t, name+" is not installed")
		}
	}
	s := startMailserver(t)
	me, here := s.laptop()
	me.Setenv("ESMTPQ_DELAY=0s")
	for _, block := range shellBlock.FindAllStringSubmatch(stage.Read(t, stage.Source(t, "docs/laptop.md")), -1) {
		for _, file := range []string{"config.yaml", "getmailrc", "bin/mailwatch"} {
			if strings.Contains(block[1], "/"+file+" <<") {
				me.Run(strings.NewReplacer("\nesmtpq check\n", "\n", "\n~/bin/fetch\n", "\n").Replace(here.Replace(block[1])), "sh", "-e")
			}
		}
	}
	watch := func(word string) {
		t.Helper()
		if r := me.Try("", me.Path("bin/mailwatch"), word); r != (stage.Result{}) {
			t.Errorf("mailwatch %s: %+v", word, r)
		}
	}
	pid := me.Path(".config/getmail/watch.pid")
	group := func() (pgid int) {
		stage.Await(t, "a watcher", func() bool {
			b, _ := os.ReadFile(pid)
			_, err := fmt.Sscan(string(b), &pgid)
			return err == nil
		})
		return pgid
	}
	t.Cleanup(func() {
		me.Try("", me.Path("bin/mailwatch"), "stop")
		if said := stage.Read(t, me.Path(".config/getmail/watch.log")); t.Failed() {
			t.Logf("getmail said:\n%s", said)
		}
	})
	for round := range 2 {
		watch("start")
		watch("start") // there is one already
		pgid := group()
		for i := range 3 {
			text := fmt.Sprintf("round %d, mail %d", round, i)
			s.put(newMail(text))
			s.fetched(me, text)
		}
		watch("stop")
		watch("stop")
		stage.Await(t, "the end of all", func() bool { return syscall.Kill(-pgid, 0) != nil })
	}
	if r := me.Try("", me.Path("bin/mailwatch")); r.Code != 64 {
		t.Errorf("%+v", r)
	}
}
