package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	needs(t, "git")
	if r := newPerson(t).try("", "git", "send-email", "-h"); strings.Contains(r.stderr, "is not a git command") {
		missing(t, "git send-email is not installed: ./test.sh installs it, or says what to install")
	}
}

// A series of 20 patches arrives whole, in order, once, over one connection; and what
// arrives applies and makes the same tree.
func TestGitSeries(t *testing.T) {
	needsSendEmail(t)
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	patches := me.patchSeries(20)
	me.git("config", "--global", "sendemail.smtpServer", me.path("bin/sendmail"))
	me.git(append([]string{"-C", "repo", "send-email", "--quiet", "--to=list@example.net", "--cc=maintainer@example.net"}, patches...)...)
	me.deliver()

	mails := host.received()
	if len(mails) != len(patches) {
		t.Fatalf("%d mails arrived, want %d", len(mails), len(patches))
	}
	me.git("clone", "-q", "repo", "copy")
	me.git("-C", "copy", "reset", "-q", "--hard", "start")
	for i, mail := range mails {
		if mail.session != 1 {
			t.Errorf("mail %d came over connection %d", i+1, mail.session)
		}
		if subject := fmt.Sprintf("[PATCH %02d/20]", i+1); !strings.Contains(mail.content, subject) {
			t.Errorf("mail %d is not %s", i+1, subject)
		}
		mail.is(t, "me@example.org", "list@example.net", "maintainer@example.net")
		mail.wellFormed(t)
		mail.endsLike(t, me, patches[i])
		me.run(lines(t, mail.content), "git", "-C", "copy", "am", "-q")
	}
	if want, got := me.git("-C", "repo", "rev-parse", "main^{tree}"), me.git("-C", "copy", "rev-parse", "HEAD^{tree}"); want != got {
		t.Errorf("the mails made the tree %swant %s", got, want)
	}
}

// A command of the user's, with options, in place of the server.
func TestGitSendmailCommand(t *testing.T) {
	needsSendEmail(t)
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	patches := me.patchSeries(1)
	me.git("-C", "repo", "send-email", "--quiet", "--to=list@example.net", "--bcc=hidden@example.net", "--envelope-sender=auto",
		"--sendmail-cmd=~/bin/sendmail -oem", patches[0])
	me.deliver()
	mail := host.one(t)
	mail.is(t, "me@example.org", "list@example.net", "hidden@example.net")
	mail.endsLike(t, me, patches[0])
	mail.wellFormed(t)
}

// git reports a refusal: nothing of it may look as if it had been sent.
func TestGitRefused(t *testing.T) {
	needsSendEmail(t)
	me := newPerson(t) // who has no configuration
	patches := me.patchSeries(2)
	r := me.try("", "git", append([]string{"-C", "repo", "send-email", "--quiet", "--to=list@example.net", "--smtp-server=" + me.path("bin/sendmail")}, patches...)...)
	if r.code != 78 {
		t.Errorf("git ended with %d, want sendmail's 78; it said %s", r.code, r.stderr)
	}
}

func (p *person) git(args ...string) string {
	p.t.Helper()
	return p.run("", "git", args...)
}

// patchSeries makes a repository with n commits after the tag start and returns the
// patch files.
func (p *person) patchSeries(n int) []string {
	p.t.Helper()
	p.write(".gitconfig", gitconfig)
	p.git("init", "-q", "repo")
	p.write("repo/file", "start\n")
	p.commit("start")
	p.git("-C", "repo", "tag", "start")
	for i := range n {
		p.write("repo/file", fmt.Sprintf("%s\nwith a change in %d\n", awkward, i+1))
		p.commit(fmt.Sprintf("Ändere Teil %d\n\nA body.\n..\nFrom the mailing list.", i+1))
	}
	list := p.git("-C", "repo", "format-patch", "-q", "-o", "../patches", "start")
	if list != "" {
		p.t.Fatal(list)
	}
	patches, err := filepath.Glob(p.path("patches/*.patch"))
	if err != nil || len(patches) != n {
		p.t.Fatalf("%d patches, want %d (%v)", len(patches), n, err)
	}
	return patches
}

func (p *person) commit(message string) {
	p.t.Helper()
	p.git("-C", "repo", "add", "file")
	p.git("-C", "repo", "commit", "-q", "-m", message)
}

// endsLike checks that the body is that of the patch file, byte for byte.
func (tr transaction) endsLike(t *testing.T, p *person, patch string) {
	t.Helper()
	content, err := os.ReadFile(patch)
	if err != nil {
		t.Fatal(err)
	}
	_, want := splitMail(t, string(content))
	_, got := splitMail(t, lines(t, tr.content))
	same(t, got, want)
}
