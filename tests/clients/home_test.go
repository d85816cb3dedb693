package clients

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// The place of the queue when HOME does not say it, and what happens when there is no space for
// it.

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

// Cron and at give no HOME, or one that does not exist: the password file is right.
func TestHomeFromPasswd(t *testing.T) {
	for _, test := range []struct{ name, home string }{
		{"unset", ""},
		{"empty", "HOME="},
		{"relative", "HOME=queue/here"},
		{"absent", "HOME=/nonexistent"},
		{"not a directory", "HOME=/etc/passwd"},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := stage.NewSmartHost(t)
			me := stage.NewPerson(t, stage.Identity(host)...)
			cmd := me.RoomOfOwn("", "sendmail", "-i", "friend@example.net")
			cmd.Dir = t.TempDir()
			unsetenv(cmd, "HOME")
			if test.home != "" {
				cmd.Env = append(cmd.Env, test.home)
			}
			me.Succeeds(cmd, "text\n")
			if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) != 0 {
				t.Errorf("the working directory holds %v (%v)", left, err)
			}
			me.Deliver()
			host.One(t).Says(t, "text\n")
		})
	}
}

// Another user's home, as sudo may leave it in HOME, is not written to; nor is another taken in
// silence, since mail may be waiting in the one that was meant.
func TestHomeOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a directory of somebody else's")
	}
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	other := t.TempDir()
	if err := os.Chown(other, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	cmd := me.RoomOfOwn("", "sendmail", "-i", "friend@example.net")
	cmd.Env = append(cmd.Env, "HOME="+other)
	r := stage.Finish(t, cmd, "text\n")
	if r.Code != 78 || !stage.OneLine(r.Stderr) || !strings.Contains(r.Stderr, "belongs to somebody else") {
		t.Errorf("sendmail: %+v", r)
	}
	if left, err := os.ReadDir(other); err != nil || len(left) != 0 {
		t.Errorf("the other's home holds %v (%v)", left, err)
	}
	if out := me.Run("", "mailq"); out != "Mail queue is empty\n" {
		t.Errorf("mailq: %s", out)
	}
}

// No home at all is an error of the configuration.
func TestNoHome(t *testing.T) {
	me := stage.NewPerson(t)
	cmd := me.RoomOfOwn("echo root:x:0:0::/nonexistent:/bin/sh >/etc/passwd", "sendmail", "-i", "friend@example.net")
	unsetenv(cmd, "HOME")
	r := stage.Finish(t, cmd, "text\n")
	if r.Code != 78 || !stage.OneLine(r.Stderr) || !strings.Contains(r.Stderr, "HOME") {
		t.Errorf("sendmail without a home: %+v", r)
	}
}

// A home that cannot be written to.
func TestReadOnlyHome(t *testing.T) {
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = localhost:25")
	cmd := me.RoomOfOwn(fmt.Sprintf("cd /\nmount --bind '%[1]s' '%[1]s'\nmount -o remount,bind,ro '%[1]s'", me.Home), "sendmail", "-i", "friend@example.net")
	r := stage.Finish(t, cmd, "text\n")
	if r.Code != 73 || !stage.OneLine(r.Stderr) || !strings.Contains(r.Stderr, me.Home) {
		t.Errorf("sendmail in a read-only home: %+v", r)
	}
}

// The disk fills while a mail is spooled: the caller is told to try again, nothing of the mail is
// left, and mail that was spooled before is unchanged.
func TestFullDisk(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t)
	small := t.TempDir()
	me.Write("configuration", strings.Join(stage.Identity(host), "\n")+"\n")
	me.Write("big", strings.Repeat("0123456789abcde\n", 64<<10)) // 1 MiB
	setup := fmt.Sprintf("mount -t tmpfs -o size=256k,mode=700 tmpfs '%s'\ncp '%s' '%s/.esmtprc'", small, me.Path("configuration"), small)
	cmd := me.RoomOfOwn(setup, "sh", "-c", `
export HOME=$1
echo small | sendmail -i friend@example.net || exit 1
before=$(find "$HOME" | sort)
sendmail -i friend@example.net <"$2"
code=$?
after=$(find "$HOME" | sort)
[ "$before" = "$after" ] || echo "left behind: $after, before: $before" >&2
mailq | tail -n 1
deliver || exit 1
exit $code`, "sh", small, me.Path("big"))
	r := stage.Finish(t, cmd, "")
	if r.Code != 75 || !stage.OneLine(r.Stderr) {
		t.Errorf("sendmail on a full disk: %+v", r)
	}
	if !strings.Contains(r.Stdout, "in 1 Request.") {
		t.Errorf("mailq on a full disk: %s", r.Stdout)
	}
	host.One(t).Says(t, "small\n")
}

// Progress needs no space: on a disk that is full to the last octet, mail in the queue goes out,
// and once.
func TestFullDiskDelivers(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t)
	small := t.TempDir()
	me.Write("configuration", strings.Join(stage.Identity(host), "\n")+"\n")
	setup := fmt.Sprintf("mount -t tmpfs -o size=256k,mode=700 tmpfs '%s'\ncp '%s' '%s/.esmtprc'", small, me.Path("configuration"), small)
	cmd := me.RoomOfOwn(setup, "sh", "-c", `
export HOME=$1
for name in first second third; do
	echo $name | sendmail -i friend@example.net || exit 1
done
cat /dev/zero >"$HOME/filler" 2>/dev/null
[ "$(df --output=avail "$HOME" | tail -n 1)" -eq 0 ] || exit 2
deliver && deliver && mailq`, "sh", small)
	if r := stage.Finish(t, cmd, ""); r.Code != 0 || r.Stderr != "" || r.Stdout != "Mail queue is empty\n" {
		t.Errorf("deliver on a full disk: %+v", r)
	}
	if n := len(host.Received()); n != 3 {
		t.Errorf("%d mails arrived, want 3", n)
	}
}
