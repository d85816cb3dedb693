package hosts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"esmtpq/tests/stage"
)

// A machine is a view of this one in which a host's packages are installed, with users of its
// own, as daemons of root need it. Its network is that of this machine.
type machine struct {
	t    *testing.T
	root string // directory of its unpacked packages
	dir  string
	etc  string // files here are in /etc
	cert stage.Certificate
}

// newMachine prepares a machine with these users, each in a group of its name.
func newMachine(t *testing.T, cert stage.Certificate, root string, users ...string) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start this host")
	}
	if _, err := exec.LookPath("unshare"); err != nil {
		lacking(t, "unshare is not installed")
	}
	m := &machine{t: t, root: root, dir: t.TempDir(), cert: cert}
	if root == "" { // a program that needs no packages
		m.root = filepath.Join(m.dir, "none")
		if err := os.MkdirAll(filepath.Join(m.root, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.etc = filepath.Join(m.dir, "etc")
	if err := os.Mkdir(filepath.Join(m.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	passwd := "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/sh\nmail:x:8:8:mail:/var/mail:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n"
	group := "root:x:0:\ndaemon:x:1:\ntty:x:5:\nmail:x:8:\nstaff:x:50:\nnogroup:x:65534:\n"
	for i, user := range users {
		passwd += fmt.Sprintf("%s:x:%d:%d::/nonexistent:/bin/sh\n", user, 64900+i, 64900+i)
		group += fmt.Sprintf("%s:x:%d:\n", user, 64900+i)
	}
	m.write("passwd", passwd)
	m.write("group", group)
	m.write("hosts", "127.0.0.1 localhost smarthost.test\n")
	m.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n") // nothing answers there, which shows at once
	m.write("hostname", "smarthost.test\n")
	m.write("mailname", "smarthost.test\n")
	m.write("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n")
	m.write("tls/cert.pem", stage.Read(t, cert.CertFile))
	m.write("tls/key.pem", stage.Read(t, cert.KeyFile))
	return m
}

// write writes a file below /etc.
func (m *machine) write(name, content string) {
	m.t.Helper()
	write(m.t, filepath.Join(m.etc, name), content, 0o644)
}

// link gives a program in /usr/bin another name, as the alternatives of an installed package
// would.
func (m *machine) link(name, program string) {
	m.t.Helper()
	if err := os.Symlink(program, filepath.Join(m.dir, "bin", name)); err != nil {
		m.t.Fatal(err)
	}
}

// command prepares a shell script that runs there, as root.
func (m *machine) command(script string) *exec.Cmd {
	setup := fmt.Sprintf(`set -e
for dir in sbin bin lib lib64 share; do
	layers=/usr/$dir
	for layer in %[1]s/$dir %[1]s/usr/$dir %[2]s/$dir; do
		[ -L $layer ] || [ ! -d $layer ] || layers=$layer:$layers
	done
	[ $layers = /usr/$dir ] || mount -t overlay overlay -o lowerdir=$layers /usr/$dir
done
mkdir -p %[2]s/upper %[2]s/work
mount -t overlay overlay -o lowerdir=%[2]s/etc:%[1]s/etc:/etc,upperdir=%[2]s/upper,workdir=%[2]s/work /etc
chmod 755 /etc /etc/tls
hostname smarthost.test
for dir in run var/spool var/lib var/log var/mail; do
	mkdir -p /$dir && mount -t tmpfs -o mode=755 tmpfs /$dir
done
ip link set lo up 2>/dev/null || true
cd /
`, m.root, m.dir) + script
	cmd := exec.Command("unshare", "--mount", "--uts", "--pid", "--mount-proc", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", setup)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C"}
	return cmd
}

// children returns the processes that a process has started.
func children(pid int) (pids []int) {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(list)) {
		if n, err := strconv.Atoi(child); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

func kill(pid int) { syscall.Kill(pid, syscall.SIGKILL) }
