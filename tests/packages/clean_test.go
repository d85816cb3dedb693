package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// cleanRoot is a Debian system with nothing in it, in which commands run as its root.
type cleanRoot struct {
	t    testing.TB
	path string
}

// newCleanRoot makes a system of a release from the site that this machine's packages are from.
func newCleanRoot(t testing.TB, release string) *cleanRoot {
	t.Helper()
	stage.Needs(t, "debootstrap", "unshare", "chroot")
	root := &cleanRoot{t: t, path: filepath.Join(t.TempDir(), "root")}
	if err := stage.Bootstrap(release, root.path); err != nil {
		t.Fatal(err)
	}
	root.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n") // no daemon is started
	root.write("/etc/resolv.conf", stage.Read(t, "/etc/resolv.conf"))
	root.write("/etc/hosts", stage.Read(t, "/etc/hosts"))
	return root
}

func (r *cleanRoot) write(path, content string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.path, path), []byte(content), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

// try runs a shell line, in ten minutes at most, in namespaces that end with it.
func (r *cleanRoot) try(line string) (string, error) {
	cmd := exec.Command("timeout", "600", "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
		`mount -t proc proc "$1/proc" && mount --bind /dev/null "$1/dev/null" && exec chroot "$1" /bin/sh -ec "$2"`, "sh", r.path, line)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "HOME=/root", "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	text, err := cmd.CombinedOutput()
	return string(text), err
}

func (r *cleanRoot) run(line string) string {
	r.t.Helper()
	text, err := r.try(line)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", line, err, text)
	}
	return text
}

// is reports whether a package is installed.
func (r *cleanRoot) is(name string) bool {
	text, err := r.try("dpkg-query -W -f '${db:Status-Abbrev}' " + name)
	return err == nil && strings.HasPrefix(text, "ii")
}

func (r *cleanRoot) wantInstalled(names string, want bool) {
	r.t.Helper()
	for _, name := range strings.Fields(names) {
		if r.is(name) != want {
			r.t.Errorf("%s is installed: %t", name, !want)
		}
	}
}

// wantLinks checks whose the names of a mail system are.
func (r *cleanRoot) wantLinks(ours bool) {
	r.t.Helper()
	for _, name := range []string{"/usr/sbin/sendmail", "/usr/bin/mailq"} {
		target, err := r.try("readlink -f " + name)
		if got := err == nil && strings.TrimSpace(target) == "/usr/bin/esmtpq"; got != ours {
			r.t.Errorf("%s leads to %s", name, target)
		}
	}
}

func TestCleanRoots(t *testing.T) {
	if !stage.Long() {
		t.Skip("-long makes clean Debian systems")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root makes Debian systems")
	}
	dir := packages(t)
	for _, release := range []string{"bookworm", "trixie"} {
		t.Run(release, func(t *testing.T) { cleanRun(t, newCleanRoot(t, release), dir) })
	}
}

func cleanRun(t *testing.T, root *cleanRoot, dir string) {
	for _, pattern := range []string{"esmtpq_1.2.3_*.deb", "esmtpq-mta_1.2.3_all.deb"} {
		deb := one(t, dir, pattern)
		name, _, _ := strings.Cut(filepath.Base(deb), "_")
		root.write("/root/"+name+".deb", stage.Read(t, deb))
	}
	root.run("apt-get update -qq")
	const apt, both = "apt-get install -y -qq ", "/root/esmtpq.deb /root/esmtpq-mta.deb"

	root.run(apt + "--no-install-recommends /root/esmtpq.deb")
	wants(t, root.run("esmtpq version; /usr/lib/esmtpq/mailq"), "1.2.3", "Mail queue is empty")
	root.wantLinks(false)

	root.run(apt + both)
	root.wantLinks(true)
	root.run(apt + "cron bsd-mailx")
	root.wantInstalled("cron bsd-mailx esmtpq-mta", true)
	root.wantInstalled("exim4-base postfix", false)
	wants(t, root.run(`mkdir -p /root/.config/esmtpq && cd /root/.config/esmtpq && (umask 077 &&
		printf 'identities:\n  - {name: me@example.org, host: 127.0.0.1, port: 9, tls: off}\n' >config.yaml) &&
		echo hello | ESMTPQ_DELAY=never mail -s greetings friend@example.net && mailq`), "friend@example.net")

	for _, other := range []string{"exim4-daemon-light", "postfix", "msmtp-mta", "nullmailer"} {
		root.run(apt + "--no-install-recommends " + other)
		root.wantInstalled(other, true)
		root.wantInstalled("esmtpq-mta", false)
		root.wantInstalled("esmtpq", true)
		root.wantLinks(false)
		root.run(apt + both)
		root.wantInstalled(other, false)
		root.wantLinks(true)
		root.run(fmt.Sprintf("apt-get purge -y -qq %s; apt-get autoremove --purge -y -qq", other))
		root.wantLinks(true)
	}
	wants(t, root.run("mailq"), "friend@example.net")

	root.run("apt-get purge -y -qq esmtpq esmtpq-mta")
	if left := root.run("find / -xdev -name '*esmtp*' ! -path '/root/*' ! -path '/proc/*' ! -path '/var/cache/apt/*' ! -path '/var/lib/apt/*'"); left != "" {
		t.Errorf("purge leaves\n%s", left)
	}
	wants(t, root.run("ls /root/.esmtp_queue /root/.config/esmtpq"), "config.yaml") // what is the person's stays
}
