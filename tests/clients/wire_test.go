package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// What wire writes makes each program send by us, and is taken out again to the last octet.
// alpine and aerc, which take a terminal, are wired in their own tests.
func TestWire(t *testing.T) {
	const before = "# mine\n"
	for _, test := range []struct {
		program, file, old string
		needs              []string
		send               func(t *testing.T, me *stage.Person)
	}{
		{"mutt", ".muttrc", before + "set from=me@example.org\nset sendmail=/bin/false\nset record=\"\"\n", []string{"mutt"}, func(t *testing.T, me *stage.Person) {
			me.Run("text\n", "mutt", "-s", "wired", "--", "first@example.net")
		}},
		{"neomutt", ".config/neomutt/neomuttrc", before + "set from=me@example.org\nset record=\"\"\n", []string{"neomutt"}, func(t *testing.T, me *stage.Person) {
			me.Run("text\n", "neomutt", "-s", "wired", "--", "first@example.net")
		}},
		{"emacs", ".emacs.d/init.el", "(setq user-mail-address \"me@example.org\")\n", []string{"emacs"}, func(t *testing.T, me *stage.Person) {
			me.Write("mail.el", "(message-mail \"first@example.net\" \"wired\")\n(message-goto-body)\n(insert \"text\\n\")\n(message-send)\n")
			me.Run("", "emacs", "-Q", "--batch", "-l", "message", "-l", me.Path(".emacs.d/init.el"), "-l", me.Path("mail.el"))
		}},
		{"nmh", ".mh_profile", "Path: Mail\nLocal-Mailbox: me@example.org\nsend: -nomsgid\n", []string{"/usr/bin/mh/send"}, func(t *testing.T, me *stage.Person) {
			me.Write("Mail/draft", "From: me@example.org\nTo: first@example.net\n\ntext\n")
			me.Run("", "/usr/bin/mh/send", me.Path("Mail/draft"))
		}},
		{"php", "php.ini", "; mine\n", []string{"php"}, func(t *testing.T, me *stage.Person) {
			me.Run("", "php", "-c", me.Path("php.ini"), "-r", `exit(mail("first@example.net", "wired", "text\n", "From: me@example.org") ? 0 : 1);`)
		}},
		{"s-nail", ".mailrc", "set from=me@example.org", []string{"s-nail"}, func(t *testing.T, me *stage.Person) {
			me.Succeeds(me.RoomOfOwn("", "s-nail", "-s", "wired", "first@example.net"), "text\n")
		}},
		{"bsd-mailx", ".mailrc", "", nil, func(t *testing.T, me *stage.Person) {
			root := stage.Debian(t, "usr/bin/bsd-mailx")
			me.Setenv("LD_LIBRARY_PATH=" + stage.UnpackedLibraries(root))
			me.Run("text\n", filepath.Join(root, "usr/bin/bsd-mailx"), "-r", "me@example.org", "-s", "wired", "first@example.net")
		}},
	} {
		t.Run(test.program, func(t *testing.T) {
			stage.Needs(t, test.needs...)
			host := stage.NewSmartHost(t)
			me := stage.NewPerson(t, stage.Identity(host)...)
			if test.old != "" {
				me.Write(test.file, test.old)
			}
			wire := []string{"wire", test.program}
			if test.program == "php" {
				wire = append(wire, "--file", me.Path(test.file))
			}
			shown := me.Run("", "esmtpq", wire...)
			if now, _ := os.ReadFile(me.Path(test.file)); string(now) != test.old {
				t.Fatalf("without --apply the file became\n%s", now)
			}
			changed := me.Run("", "esmtpq", append(wire, "--apply")...)
			for _, line := range strings.Split(shown, "\n")[1:] {
				if test.program != "nmh" && !strings.Contains(changed, "+"+line) {
					t.Errorf("%q is not in what was shown:\n%s", line, changed)
				}
			}
			if again := me.Run("", "esmtpq", append(wire, "--apply")...); again != "" {
				t.Errorf("the second time it changed\n%s", again)
			}
			test.send(t, me)
			me.AwaitQueued(1)
			me.Deliver()
			host.One(t).Is(t, "me@example.org", "first@example.net")

			me.Run("", "esmtpq", append(wire, "--undo")...)
			now, err := os.ReadFile(me.Path(test.file))
			if want := strings.TrimSuffix(test.old, "\n"); strings.TrimSuffix(string(now), "\n") != want || (err != nil) != (test.old == "") {
				t.Errorf("--undo left\n%s (%v)", now, err)
			}
		})
	}
}

// git runs the command by a shell, and a command there wins over smtpServer.
func TestWireGit(t *testing.T) {
	needsSendEmail(t)
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	patches := patchSeries(me, 2)
	git(me, "config", "--global", "sendemail.smtpServer", "smtp.example.org")
	before := stage.Read(t, me.Path(".gitconfig"))
	me.Run("", "esmtpq", "wire", "git", "--apply")
	git(me, append([]string{"-C", "repo", "send-email", "--quiet", "--to=list@example.net"}, patches...)...)
	me.Deliver()
	if n := len(host.Received()); n != 2 {
		t.Errorf("%d mails arrived, want 2", n)
	}
	me.Run("", "esmtpq", "wire", "git", "--undo")
	stage.Same(t, stage.Read(t, me.Path(".gitconfig")), before)
}

// The real crontab, whose lines of others stay.
func TestWireCron(t *testing.T) {
	root := stage.Debian(t, "usr/sbin/cron")
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = localhost")
	ns := me.NewNamespace(root)
	program := stage.Program(t, "esmtpq")
	ns.Script(`echo '0 4 * * * true' | crontab -
` + program + ` wire cron --apply
` + program + ` wire cron --apply
crontab -l >` + me.Path("with") + `
` + program + ` wire cron --undo
exec crontab -l
`)
	out, err := ns.Command().CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	with := stage.Read(t, me.Path("with"))
	if !strings.Contains(with, "\n@reboot /") || !strings.Contains(with, "\n*/10 * * * * /") || !strings.Contains(with, "/deliver\n") || strings.Count(with, "*/10") != 1 {
		t.Errorf("the table became\n%s", with)
	}
	if !strings.HasSuffix(string(out), "\n-# esmtpq wire: end\n0 4 * * * true\n") {
		t.Errorf("--undo left\n%s", out)
	}
}

// Behind a restart of the machine, the lines for cron have mail with a time sent at its time.
func TestWireCronRestart(t *testing.T) {
	root := stage.Debian(t, "usr/sbin/cron")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t)
	me.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me@example.org\n    host: "+host.Addr+"\n")
	at := time.Now().Add(8 * time.Second)
	me.Run("Subject: at its time\n\n", "esmtpq", "send", "-odq", "--at", at.Format(time.RFC3339Nano), "first@example.net")
	ns := me.NewNamespace(root)
	ns.Script(stage.Program(t, "esmtpq") + ` wire cron --apply >/dev/null
exec cron -f
`)
	ns.Start(ns.Command())
	host.Next(t).Is(t, "me@example.org", "first@example.net")
	if now := time.Now(); now.Before(at) {
		t.Errorf("it came %v too early", at.Sub(now))
	}
}

// Where nothing will call deliver behind a restart, check says so; with a watcher or lines for cron it
// does not.
func TestCheckWhoSends(t *testing.T) {
	root := stage.Debian(t, "usr/sbin/cron")
	me := stage.NewPerson(t)
	me.Write(".config/esmtpq/config.yaml", "batch_delay: never\nidentities:\n  - name: me@example.org\n    host: 127.0.0.1:9\n")
	me.Run("Subject: later\n\n", "esmtpq", "send", "--at", "+2h", "first@example.net")
	me.Run("", "deliver")
	ns := me.NewNamespace(root)
	program := stage.Program(t, "esmtpq")
	ns.Script(program + ` check || true
` + program + ` wire cron --apply >/dev/null
echo wired
exec ` + program + ` check
`)
	out, err := ns.Command().CombinedOutput()
	before, behind, _ := strings.Cut(string(out), "wired\n")
	if err != nil || !strings.Contains(before, "behind a restart of this machine; type: esmtpq wire --apply cron") || behind != "" {
		t.Errorf("%v\n%s", err, out)
	}
}

// A table that cannot be read is not taken for none, and replaced.
func TestWireCronThatFails(t *testing.T) {
	root := stage.Debian(t, "usr/sbin/cron")
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = localhost")
	ns := me.NewNamespace(root)
	ns.Script(`ln -s root /var/spool/cron/crontabs/root
if ` + stage.Program(t, "esmtpq") + ` wire cron --apply; then exit 1; fi
readlink /var/spool/cron/crontabs/root
`)
	out, err := ns.Command().CombinedOutput()
	if err != nil || !strings.Contains(string(out), "esmtpq wire: cron: crontab -l: exit status 1: ") || !strings.HasSuffix(string(out), "\nroot\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A program whose line has not the last word is told of; nothing is written that nobody asked for.
func TestWireIsNotBelieved(t *testing.T) {
	stage.Needs(t, "git")
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = localhost")
	git(me, "init", "-q", "repo")
	git(me, "-C", "repo", "config", "sendemail.sendmailCmd", "/bin/false")
	cmd := me.Command("esmtpq", "wire", "git", "--apply")
	cmd.Dir = me.Path("repo")
	r := stage.Finish(t, cmd, "")
	if r.Code != 78 || !strings.Contains(r.Stderr, "git does not call esmtpq, but says: ") || !strings.Contains(r.Stderr, "/bin/false") {
		t.Errorf("wire ended with %d and said %q", r.Code, r.Stderr)
	}
	for _, args := range [][]string{{"nosuch"}, {"--apply"}, {"php", "--apply"}, {"mutt", "--apply", "--undo"}, {"mutt", "--sendmail"}} {
		if r := me.Try("", "esmtpq", append([]string{"wire"}, args...)...); r.Code != 64 || r.Stderr == "" {
			t.Errorf("wire %v ended with %d and said %q", args, r.Code, r.Stderr)
		}
	}
	if r := me.Try("", "esmtpq", "wire", "mutt", "--sendmail=/bin/true"); r.Code != 78 || !strings.Contains(r.Stderr, "/bin/true is not the sendmail of this esmtpq") {
		t.Errorf("another sendmail: %d, %q", r.Code, r.Stderr)
	}
}
