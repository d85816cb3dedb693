package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Where the queue is when HOME is no help, and what happens when there is no room for it.

// roomOfOwn prepares a command in a mount namespace in which the password file names the
// person's home and the shell lines of setup have been run. Where even that takes root, the
// test is skipped.
func (p *person) roomOfOwn(setup, name string, args ...string) *exec.Cmd {
	p.t.Helper()
	needs(p.t, "unshare", "mount")
	enter := []string{"--mount", "--propagation", "private"}
	if os.Geteuid() != 0 {
		enter = append(enter, "--user", "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(enter, "true")...).CombinedOutput(); err != nil {
		p.t.Skipf("no namespace to be had here: %s", out)
	}
	p.write("passwd", fmt.Sprintf("root:x:0:0:Me Myself,,,:%s:/bin/sh\n", p.home))
	script := fmt.Sprintf("set -e\nchmod 644 '%[1]s'\nmount --bind '%[1]s' /etc/passwd\n%[2]s\nexec \"$@\"", p.path("passwd"), setup)
	cmd := p.command("unshare", append(append(enter, "sh", "-c", script, "sh", name), args...)...)
	return cmd
}

// unsetenv removes a variable from a prepared command.
func unsetenv(cmd *exec.Cmd, name string) {
	var kept []string
	for _, assignment := range cmd.Env {
		if !strings.HasPrefix(assignment, name+"=") {
			kept = append(kept, assignment)
		}
	}
	cmd.Env = kept
}

// Cron and at give no HOME, su another's: the password file knows better.
func TestHomeFromPasswd(t *testing.T) {
	for _, test := range []struct{ name, home string }{
		{"unset", ""},
		{"empty", "HOME="},
		{"relative", "HOME=queue/here"},
		{"absent", "HOME=/nonexistent"},
		{"not a directory", "HOME=/etc/passwd"},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := newSmartHost(t)
			me := newPerson(t, identity(host)...)
			cmd := me.roomOfOwn("", "sendmail", "-i", "friend@example.net")
			cmd.Dir = t.TempDir()
			unsetenv(cmd, "HOME")
			if test.home != "" {
				cmd.Env = append(cmd.Env, test.home)
			}
			me.succeeds(cmd, "text\n")
			if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) != 0 {
				t.Errorf("the working directory holds %v (%v)", left, err)
			}
			me.deliver()
			host.one(t).says(t, "text\n")
		})
	}
}

// Another's home, as sudo may leave it in HOME, is not written to.
func TestHomeOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a directory of somebody else's")
	}
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	other := t.TempDir()
	if err := os.Chown(other, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	cmd := me.roomOfOwn("", "sendmail", "-i", "friend@example.net")
	cmd.Env = append(cmd.Env, "HOME="+other)
	me.succeeds(cmd, "text\n")
	if left, err := os.ReadDir(other); err != nil || len(left) != 0 {
		t.Errorf("the other's home holds %v (%v)", left, err)
	}
	me.deliver()
	host.one(t).says(t, "text\n")
}

// No home at all: that is a matter of the configuration.
func TestNoHome(t *testing.T) {
	me := newPerson(t)
	cmd := me.roomOfOwn("echo root:x:0:0::/nonexistent:/bin/sh >/etc/passwd", "sendmail", "-i", "friend@example.net")
	unsetenv(cmd, "HOME")
	r := finish(t, cmd, "text\n")
	if r.code != 78 || !oneLine(r.stderr) || !strings.Contains(r.stderr, "HOME") {
		t.Errorf("sendmail without a home: %+v", r)
	}
}

// A home that cannot be written to.
func TestReadOnlyHome(t *testing.T) {
	me := newPerson(t, "identity = me@example.org", "hostname = localhost:25")
	cmd := me.roomOfOwn(fmt.Sprintf("cd /\nmount --bind '%[1]s' '%[1]s'\nmount -o remount,bind,ro '%[1]s'", me.home), "sendmail", "-i", "friend@example.net")
	r := finish(t, cmd, "text\n")
	if r.code != 73 || !oneLine(r.stderr) || !strings.Contains(r.stderr, me.home) {
		t.Errorf("sendmail in a read-only home: %+v", r)
	}
}

// A full disk while a mail is spooled: the caller is told to try again, nothing of the mail is
// left, and what was spooled before is as it was.
func TestFullDisk(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t)
	small := t.TempDir()
	me.write("configuration", strings.Join(identity(host), "\n")+"\n")
	me.write("big", strings.Repeat("0123456789abcde\n", 64<<10)) // 1 MiB
	setup := fmt.Sprintf("mount -t tmpfs -o size=256k,mode=700 tmpfs '%s'\ncp '%s' '%s/.esmtprc'", small, me.path("configuration"), small)
	cmd := me.roomOfOwn(setup, "sh", "-c", `
export HOME=$1
echo small | sendmail -i friend@example.net || exit 1
before=$(find "$HOME" | sort)
sendmail -i friend@example.net <"$2"
code=$?
after=$(find "$HOME" | sort)
[ "$before" = "$after" ] || echo "left behind: $after, before: $before" >&2
mailq | tail -n 1
deliver || exit 1
exit $code`, "sh", small, me.path("big"))
	r := finish(t, cmd, "")
	if r.code != 75 || !oneLine(r.stderr) {
		t.Errorf("sendmail on a full disk: %+v", r)
	}
	if !strings.Contains(r.stdout, "in 1 Request.") {
		t.Errorf("mailq on a full disk: %s", r.stdout)
	}
	host.one(t).says(t, "small\n")
}

// Progress needs no room: on a disk that is full to the last octet, what is in the queue
// goes out, and once.
func TestFullDiskDelivers(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t)
	small := t.TempDir()
	me.write("configuration", strings.Join(identity(host), "\n")+"\n")
	setup := fmt.Sprintf("mount -t tmpfs -o size=256k,mode=700 tmpfs '%s'\ncp '%s' '%s/.esmtprc'", small, me.path("configuration"), small)
	cmd := me.roomOfOwn(setup, "sh", "-c", `
export HOME=$1
for name in first second third; do
	echo $name | sendmail -i friend@example.net || exit 1
done
cat /dev/zero >"$HOME/filler" 2>/dev/null
[ "$(df --output=avail "$HOME" | tail -n 1)" -eq 0 ] || exit 2
deliver && deliver && mailq`, "sh", small)
	if r := finish(t, cmd, ""); r.code != 0 || r.stderr != "" || r.stdout != "Mail queue is empty\n" {
		t.Errorf("deliver on a full disk: %+v", r)
	}
	if n := len(host.received()); n != 3 {
		t.Errorf("%d mails arrived, want 3", n)
	}
}

func oneLine(text string) bool {
	return strings.Count(text, "\n") == 1 && strings.HasSuffix(text, "\n")
}
