package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

const gitconfig = `[user]
	name = Me Mysélf
	email = me@example.org
[init]
	defaultBranch = main
[sendemail]
	confirm = never
	suppresscc = all
`

// needsSendEmail skips where git has no send-email.
func needsSendEmail(t *testing.T) {
	t.Helper()
	stage.Needs(t, "git")
	if r := stage.NewPerson(t).Try("", "git", "send-email", "-h"); strings.Contains(r.Stderr, "is not a git command") {
		stage.Missing(t, "git send-email is not installed: ./test.sh installs it, or says what to install")
	}
}

// A series of 20 patches arrives complete, in order, once, over one connection; the patches apply
// and make the same tree.
func TestGitSeries(t *testing.T) {
	needsSendEmail(t)
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	patches := patchSeries(me, 20)
	git(me, "config", "--global", "sendemail.smtpServer", me.Path("bin/sendmail"))
	git(me, append([]string{"-C", "repo", "send-email", "--quiet", "--to=list@example.net", "--cc=maintainer@example.net"}, patches...)...)
	me.Deliver()

	mails := host.Received()
	if len(mails) != len(patches) {
		t.Fatalf("%d mails arrived, want %d", len(mails), len(patches))
	}
	git(me, "clone", "-q", "repo", "copy")
	git(me, "-C", "copy", "reset", "-q", "--hard", "start")
	for i, mail := range mails {
		if mail.Session != 1 {
			t.Errorf("mail %d came over connection %d", i+1, mail.Session)
		}
		if subject := fmt.Sprintf("[PATCH %02d/20]", i+1); !strings.Contains(mail.Content, subject) {
			t.Errorf("mail %d is not %s", i+1, subject)
		}
		mail.Is(t, "me@example.org", "list@example.net", "maintainer@example.net")
		mail.WellFormed(t)
		endsLike(mail, t, me, patches[i])
		me.Run(stage.Lines(t, mail.Content), "git", "-C", "copy", "am", "-q")
	}
	if want, got := git(me, "-C", "repo", "rev-parse", "main^{tree}"), git(me, "-C", "copy", "rev-parse", "HEAD^{tree}"); want != got {
		t.Errorf("the mails made the tree %swant %s", got, want)
	}
}

// The server is a command line with options.
func TestGitSendmailCommand(t *testing.T) {
	needsSendEmail(t)
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	patches := patchSeries(me, 1)
	git(me, "-C", "repo", "send-email", "--quiet", "--to=list@example.net", "--bcc=hidden@example.net", "--envelope-sender=auto",
		"--sendmail-cmd=~/bin/sendmail -oem", patches[0])
	me.Deliver()
	mail := host.One(t)
	mail.Is(t, "me@example.org", "list@example.net", "hidden@example.net")
	endsLike(mail, t, me, patches[0])
	mail.WellFormed(t)
}

// git reports a refusal: nothing may look as if it had been sent.
func TestGitRefused(t *testing.T) {
	needsSendEmail(t)
	me := stage.NewPerson(t) // who has no configuration
	patches := patchSeries(me, 2)
	r := me.Try("", "git", append([]string{"-C", "repo", "send-email", "--quiet", "--to=list@example.net", "--smtp-server=" + me.Path("bin/sendmail")}, patches...)...)
	if r.Code != 78 {
		t.Errorf("git ended with %d, want sendmail's 78; it said %s", r.Code, r.Stderr)
	}
}

func git(p *stage.Person, args ...string) string {
	p.T.Helper()
	return p.Run("", "git", args...)
}

// patchSeries makes a repository with n commits after the tag start and returns the
// patch files.
func patchSeries(p *stage.Person, n int) []string {
	p.T.Helper()
	p.Write(".gitconfig", gitconfig)
	git(p, "init", "-q", "repo")
	p.Write("repo/file", "start\n")
	commit(p, "start")
	git(p, "-C", "repo", "tag", "start")
	for i := range n {
		p.Write("repo/file", fmt.Sprintf("%s\nwith a change in %d\n", stage.Awkward, i+1))
		commit(p, fmt.Sprintf("Ändere Teil %d\n\nA body.\n..\nFrom the mailing list.", i+1))
	}
	list := git(p, "-C", "repo", "format-patch", "-q", "-o", "../patches", "start")
	if list != "" {
		p.T.Fatal(list)
	}
	patches, err := filepath.Glob(p.Path("patches/*.patch"))
	if err != nil || len(patches) != n {
		p.T.Fatalf("%d patches, want %d (%v)", len(patches), n, err)
	}
	return patches
}

func commit(p *stage.Person, message string) {
	p.T.Helper()
	git(p, "-C", "repo", "add", "file")
	git(p, "-C", "repo", "commit", "-q", "-m", message)
}

// endsLike checks that the body is that of the patch file, byte for byte.
func endsLike(tr stage.Transaction, t *testing.T, p *stage.Person, patch string) {
	t.Helper()
	content, err := os.ReadFile(patch)
	if err != nil {
		t.Fatal(err)
	}
	_, want := stage.SplitMail(t, string(content))
	_, got := stage.SplitMail(t, stage.Lines(t, tr.Content))
	stage.Same(t, got, want)
}
