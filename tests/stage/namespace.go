package stage

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// RoomOfOwn prepares a command in a mount namespace in which the password file names the person's
// home and the shell lines have been run. If even that takes root, the test is skipped.
func (p *Person) RoomOfOwn(lines, name string, args ...string) *exec.Cmd {
	p.T.Helper()
	Needs(p.T, "unshare", "mount")
	enter := []string{"--mount", "--propagation", "private"}
	if os.Geteuid() != 0 {
		enter = append(enter, "--user", "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(enter, "true")...).CombinedOutput(); err != nil {
		p.T.Skipf("no namespace to be had here: %s", out)
	}
	p.Write("passwd", fmt.Sprintf("root:x:0:0:Me Myself,,,:%s:/bin/sh\n", p.Home))
	script := fmt.Sprintf("set -e\nchmod 644 '%[1]s'\nmount --bind '%[1]s' /etc/passwd\n%[2]s\nexec \"$@\"",
		p.Path("passwd"), lines)
	return p.Command("unshare", append(append(enter, "sh", "-c", script, "sh", name), args...)...)
}

// The password file of a namespace; %s is the person's home.
const passwd = `root:x:0:0:root:%s:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
sshd:x:64991:65534::/run/sshd:/usr/sbin/nologin
postfix:x:64992:64992::/nonexistent:/usr/sbin/nologin
`

const group = `root:x:0:
daemon:x:1:
nogroup:x:65534:
crontab:x:64990:
postfix:x:64992:
postdrop:x:64993:
`

// The script that makes a namespace from a directory, that of our program, and that of the
// unpacked packages.
const setup = `set -e
over() { mount -t overlay overlay -o "lowerdir=$1" "$2"; }
mkdir -p %[1]s/sbin %[1]s/work
chmod -R go+rX %[1]s
ln -sf %[2]s/sendmail %[1]s/sbin/sendmail
over %[1]s/sbin:%[3]s/usr/sbin:/usr/sbin /usr/sbin
over %[3]s/usr/bin:/usr/bin /usr/bin
over %[3]s/usr/lib:/usr/lib /usr/lib
over %[1]s/etc:%[3]s/etc:/etc /etc
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
mkdir -p %[1]s/spool/cron/crontabs
mount -t overlay overlay -o \
	"lowerdir=%[3]s/var/spool:/var/spool,upperdir=%[1]s/spool,workdir=%[1]s/work" /var/spool
`

// A Namespace is a view of the machine in which the packages that test.sh unpacked are
// installed, /usr/sbin/sendmail is ours, and root's home is the person's.
type Namespace struct {
	person *Person
	setup  string
}

// NewNamespace prepares a namespace with the packages that are unpacked below root. Only the user
// root can make it: otherwise the test is skipped.
func (p *Person) NewNamespace(root string) *Namespace {
	p.T.Helper()
	if os.Geteuid() != 0 {
		p.T.Skip("only root can make the namespace in which a daemon is tested")
	}
	Needs(p.T, "unshare", "mount")
	ns := &Namespace{person: p}
	p.Write("namespace/etc/passwd", fmt.Sprintf(passwd, p.Home))
	p.Write("namespace/etc/group", group)
	ns.setup = fmt.Sprintf(setup, p.Path("namespace"), BinDir(p.T), root)
	return ns
}

// Script adds shell lines that the namespace runs.
func (ns *Namespace) Script(lines string) { ns.setup += lines }

// Command prepares the process of the namespace, with the environment of a daemon.
func (ns *Namespace) Command() *exec.Cmd {
	cmd := ns.person.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
		"sh", "-c", ns.setup)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "ESMTPQ_DELAY=0s"}
	return cmd
}

// Start starts what Command has prepared. It runs until the test ends, and with it ends every
// process in the namespace.
func (ns *Namespace) Start(cmd *exec.Cmd) {
	t := ns.person.T
	t.Helper()
	output, err := os.Create(ns.person.Path("namespace.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ns.end(cmd)
		output.Close()
		if said, _ := os.ReadFile(output.Name()); t.Failed() {
			t.Logf("in the namespace:\n%s", said)
		}
	})
}

// end ends the first process of the namespace, which ends all of them. A process that changes its
// user, as a daemon does, no longer dies with its parent.
func (ns *Namespace) end(cmd *exec.Cmd) {
	pid := cmd.Process.Pid
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			syscall.Kill(n, syscall.SIGKILL)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
}
