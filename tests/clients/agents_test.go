package clients

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Configurations of the agents.
const (
	fdmBox    = "account \"stdin\" stdin\naction \"box\" maildir \"%h/Maildir\"\nmatch all action \"box\"\n"
	fdmBroken = "account \"stdin\" stdin\naction \"box\" mbox \"/proc/nowhere\"\nmatch all action \"box\"\n"
	fdmPipe   = "account \"stdin\" stdin\naction \"box\" pipe \"false\"\nmatch all action \"box\"\n"
	fdmNoRule = "account \"stdin\" stdin\naction \"box\" maildir \"%h/Maildir\"\nmatch \"no such word\" action \"box\"\n"
	dovecot   = "mail_location = maildir:~/Maildir\nlog_path = /dev/stderr\nssl = no\n"
	overQuota = dovecot + "mail_plugins = quota\nplugin {\n quota = maildir:User\n quota_rule = *:bytes=10B\n}\n" +
		"protocol lda {\n postmaster_address = me@example.org\n hostname = vm.example.org\n}\n"
)

const (
	fdmLine     = `fdm -a stdin fetch >fdm.log 2>&1; cat fdm.log; grep -q ' 1 messages processed (0 kept)' fdm.log || exit 75`
	dovecotLine = "/usr/lib/dovecot/dovecot-lda -f %F -e -o quota_full_tempfail=yes"
	safecatLine = `safecat "$HOME/Maildir/tmp" "$HOME/Maildir/new"`
	maildir     = "mkdir -p Maildir/cur Maildir/new Maildir/tmp"
)

// agents are lines with real agents: those of docs/agents.md, and what it warns of.
var agents = []struct {
	name, line string
	files      map[string]string // in the home; etc/ is laid over /etc
	before     string            // shell line
	status     int               // of deliver
	reason     string            // the start of what it says of the mail
	copies     int               // of the mail that are filed
	warned     bool              // the line is not one to write
}{
	{name: "procmail", line: "procmail -f %F -d %T", copies: 1},
	{name: "procmail, not writable", line: "procmail -f %F -d %T", before: "chmod 500 /var/mail", status: 75, reason: "exit status 73, cannot create"},
	{name: "procmail -t", line: "procmail -t -f %F -d %T", before: "chmod 500 /var/mail", status: 75, reason: "exit status 75, temporary"},
	{name: "procmail, filter missing, w", line: "procmail -f %F -d %T", files: map[string]string{".procmailrc": ":0fw\n| nosuch\n"}, copies: 1},
	{name: "maildrop", line: "maildrop -f %F -d %T", copies: 1},
	{name: "maildrop, mistake", line: "maildrop -f %F -d %T", files: map[string]string{".mailfilter": "if (\n"}, status: 75, reason: "exit status 75, temporary"},
	{name: "maildrop, command fails", line: "maildrop -f %F -d %T", files: map[string]string{".mailfilter": "to \"| exit 3\"\n"}, status: 75, reason: "exit status 3"},
	{name: "fdm", line: fdmLine, files: map[string]string{".fdm.conf": fdmBox}, copies: 1},
	{name: "fdm, not writable", line: fdmLine, files: map[string]string{".fdm.conf": fdmBroken}, status: 75, reason: "exit status 75, temporary"},
	{name: "fdm, pipe fails", line: fdmLine, files: map[string]string{".fdm.conf": fdmPipe}, status: 75, reason: "exit status 75, temporary"},
	{name: "fdm, no rule", line: fdmLine, files: map[string]string{".fdm.conf": fdmNoRule}, status: 75, reason: "exit status 75, temporary"},
	{name: "fdm, locked", line: fdmLine, files: map[string]string{".fdm.conf": fdmBox, ".fdm.lock": ""}, status: 75, reason: "exit status 75, temporary"},
	{name: "fdm alone", line: "fdm -a stdin fetch", files: map[string]string{".fdm.conf": fdmBroken}, copies: 0, warned: true},
	{name: "dovecot-lda", line: dovecotLine, files: map[string]string{"etc/dovecot/dovecot.conf": dovecot}, copies: 1},
	{name: "dovecot-lda, quota", line: dovecotLine, files: map[string]string{"etc/dovecot/dovecot.conf": overQuota}, status: 75, reason: "exit status 75, temporary"},
	{name: "dovecot-lda -e, quota", line: "/usr/lib/dovecot/dovecot-lda -f %F -e", files: map[string]string{"etc/dovecot/dovecot.conf": overQuota}, reason: "failed: exit status 77", warned: true},
	{name: "putmail", line: `putmail -f %F "maildir:$HOME/Maildir"`, copies: 1},
	{name: "putmail, not writable", line: `putmail -f %F "mbox:/proc/nowhere/box"`, status: 75, reason: "exit status 69, service unavailable", warned: true},
	{name: "mda", line: "mda -f %F -- %T", copies: 1},
	{name: "mdeliver", line: `mdeliver "$HOME/Maildir"`, before: maildir, copies: 1},
	{name: "mdeliver, no maildir", line: `mdeliver "$HOME/Maildir"`, status: 75, reason: "exit status 2"},
	{name: "safecat", line: safecatLine, before: maildir, copies: 1},
	{name: "safecat, no maildir", line: safecatLine, status: 75, reason: "exit status 111, temporary"},
	{name: "spamc -e, no scanner", line: "spamc -x -e procmail -f %F -d %T", status: 75, reason: "exit status 69, service unavailable"},
	{name: "spamc, no scanner", line: "spamc | procmail -f %F -d %T", copies: 1},
	{name: "rspamc, no scanner", line: "rspamc --mime | procmail -f %F -d %T", copies: 1},
	{name: "rspamc --exec, no scanner", line: `rspamc --mime --exec "procmail -d joe"`, status: 75, reason: "exit status 1", copies: 1, warned: true},
	{name: "no filter", line: "nosuch | procmail -f %F -d %T", status: 75, reason: "exit status ", warned: true},
}

// Each agent is run as the user joe in a room with an empty /var/mail, in which the packages that
// test.sh has unpacked are installed.
func TestAgents(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can lay packages over the system's directories")
	}
	stage.Needs(t, "procmail")
	root := stage.Debian(t, "usr/bin/rspamc")
	lda := filepath.Join(filepath.Dir(root), "hosts", "dovecot")
	if !stage.Exists(filepath.Join(lda, "usr/lib/dovecot/dovecot-lda")) {
		stage.Missing(t, "dovecot-lda is not unpacked: ./test.sh does it")
	}
	for _, a := range agents {
		t.Run(strings.ReplaceAll(a.name, ",", ""), func(t *testing.T) {
			t.Parallel()
			me := stage.NewPerson(t)
			me.Write(".config/esmtpq/config.yaml", "mda: '"+strings.ReplaceAll(a.line, "'", "''")+"'\nidentities:\n  - name: me@example.org\n    host: localhost\n")
			for name, text := range a.files {
				me.Write(name, text)
			}
			me.Setenv("USER=joe")
			me.Setenv("LOGNAME=joe")
			script := a.before + "\nsendmail -i -f list@example.net joe <mail || exit 99\ndeliver; s=$?\ncp -r /var/mail var.mail\nexit $s"
			me.Write("mail", "From: ann@example.net\nSubject: hello\n\ntext\n")
			r := stage.Finish(t, me.RoomOfOwn(agentRoom(root, lda), "unshare", "--user", "--map-user=1000", "--map-group=1000", "sh", "-c", script), "")
			if r.Code != a.status || !strings.Contains(r.Stderr, a.reason) {
				t.Errorf("exit status %d, want %d and %q: %s%s", r.Code, a.status, a.reason, r.Stdout, r.Stderr)
			}
			if n := filed(t, me); n != a.copies {
				t.Errorf("%d copies were filed, want %d: %s%s", n, a.copies, r.Stdout, r.Stderr)
			}
		})
	}
}

// agentRoom is the script that installs the packages unpacked below root, and Dovecot below lda.
func agentRoom(root, lda string) string {
	return strings.NewReplacer("ROOT", root, "LDA", lda).Replace(`
over() { mount -t overlay overlay -o "lowerdir=$1" "$2"; }
mkdir -p "$HOME/etc"
over "$HOME/etc:/etc" /etc
echo "joe:x:1000:1000:Joe:$HOME:/bin/sh" >>"$HOME/passwd"
mount --bind "$HOME/passwd" /etc/passwd
over ROOT/usr/lib:LDA/usr/lib:/usr/lib /usr/lib
over ROOT/usr/sbin:/usr/sbin /usr/sbin
over ROOT/usr/bin:LDA/usr/bin:/usr/bin /usr/bin
mount -t tmpfs tmpfs /var/mail
export LD_LIBRARY_PATH="$(echo ROOT/lib/*-linux-gnu):/usr/lib/rspamd"
cd "$HOME"`)
}

// filed counts the copies of the mail in the home, and checks that each tells its sender.
func filed(t *testing.T, me *stage.Person) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(me.Home, func(file string, e os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == ".esmtp_queue" || e.Name() == "bin"):
			return filepath.SkipDir
		case !e.Type().IsRegular() || file == me.Path("mail") || strings.HasPrefix(e.Name(), "dovecot"):
			return nil
		}
		text := stage.Read(t, file)
		if n += strings.Count(text, "\nSubject: hello\n"); strings.Contains(text, "\nSubject: hello\n") && !strings.Contains(text, "Return-Path: <list@example.net>\n") {
			t.Errorf("%s does not tell the sender:\n%s", file, text)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

// docs/agents.md recommends the lines that are tested, and no other.
func TestAgentsPage(t *testing.T) {
	page := stage.Read(t, stage.Source(t, "docs/agents.md"))
	recommended := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^    mda: (.*)$`).FindAllStringSubmatch(page, -1) {
		recommended[m[1]] = true
	}
	tested := map[string]bool{}
	for _, a := range agents {
		tested[a.line] = true
		if a.warned && recommended[a.line] {
			t.Errorf("not to be recommended: %s", a.line)
		}
	}
	for line := range recommended {
		if !tested[line] {
			t.Errorf("not tested: %s", line)
		}
	}
	if len(recommended) < 10 {
		t.Errorf("%d lines only", len(recommended))
	}
}
