package clients

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// The smart host behind ssh: a real OpenSSH server on loopback, which only forwards.

// newSSHServer starts sshd for the length of the test and makes the person's ssh know it
// as "gateway" by the configuration file that it returns.
func newSSHServer(p *stage.Person) (config string) {
	t := p.T
	t.Helper()
	stage.Needs(t, "ssh", "ssh-keygen")
	sshd := findSSHD(t)
	for _, name := range []string{"host", "user"} {
		p.Run("", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", p.Path(name+"_key"))
	}
	public, err := os.ReadFile(p.Path("user_key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	p.Write("authorized_keys", string(public))
	port := stage.FreePort(t)
	p.Write("sshd_config", fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\n"+
		"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nPrintMotd no\n",
		port, p.Path("host_key"), p.Path("authorized_keys")))

	cmd := runSSHD(p, sshd, "-D", "-e", "-f", p.Path("sshd_config"))
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	stage.AwaitLine(t, bufio.NewScanner(log), "Server listening")

	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	p.Write("ssh_config", fmt.Sprintf("Host gateway\nHostName 127.0.0.1\nPort %s\nUser %s\nIdentityFile %s\nIdentitiesOnly yes\n"+
		"IdentityAgent none\nBatchMode yes\nStrictHostKeyChecking no\nUserKnownHostsFile %s\nLogLevel ERROR\n",
		port, me.Username, p.Path("user_key"), p.Path("known_hosts")))
	config = p.Path("ssh_config")
	if r := p.Try("", "ssh", "-F", config, "gateway", "exit 0"); r.Code != 0 {
		t.Fatalf("ssh to the test's sshd: %+v", r)
	}
	return config
}

func findSSHD(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("/usr/sbin/sshd"); err == nil {
		return path
	}
	return filepath.Join(stage.Debian(t, "usr/sbin/sshd"), "usr/sbin/sshd")
}

// runSSHD prepares the server. Root's server needs a directory and a user of its own; if the
// machine has none because no ssh server is installed, they are made in a namespace.
func runSSHD(p *stage.Person, path string, args ...string) *exec.Cmd {
	p.T.Helper()
	if root, ok := strings.CutSuffix(path, "/usr/sbin/sshd"); ok && root != "" {
		args = append([]string{"LD_LIBRARY_PATH=" + stage.UnpackedLibraries(root), path}, args...)
		path = "/usr/bin/env"
	}
	if _, err := user.Lookup("sshd"); os.Geteuid() != 0 || err == nil && isDir("/run/sshd") {
		return p.Command(path, args...)
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		p.T.Fatal(err)
	}
	p.Write("passwd", string(passwd)+"sshd:x:64991:65534::/run/sshd:/usr/sbin/nologin\n")
	setup := fmt.Sprintf(`chmod 644 %[1]s && mount --bind %[1]s /etc/passwd && mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "$0" "$@"`, p.Path("passwd"))
	return p.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", setup, path}, args...)...)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// The line that people have in their esmtprc.
func TestPreconnectSSH(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t)
	config := newSSHServer(me)
	local := stage.FreePort(t)
	me.Write(".esmtprc", fmt.Sprintf("identity = me@example.org\nhostname = localhost:%s\n"+
		"preconnect = \"ssh -F %s -f -L %s:localhost:%s gateway 'sleep 5'\"\n", local, config, local, host.Port))
	me.Run(scripted+stage.Awkward, "sendmail", "-i", "friend@example.net")
	me.Deliver()
	host.One(t).Says(t, stage.Awkward)
}

// After a preconnect that fails the mail waits, with the command's words as the reason.
func TestPreconnectFails(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.Addr,
		`preconnect = "echo 'no route to gateway' >&2; exit 255"`)
	me.Waits("no route to gateway")
	if len(host.Received()) != 0 {
		t.Error("the mail was sent although preconnect failed")
	}
}

// preconnect reads from /dev/null, so it cannot take the mail.
func TestPreconnectReads(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.Addr, `preconnect = "cat >/dev/null"`)
	me.Run(scripted+stage.Awkward, "sendmail", "-i", "friend@example.net")
	me.Deliver()
	host.One(t).Says(t, stage.Awkward)
}

// The modern form: no local port at all.
func TestTunnelSSH(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t)
	config := newSSHServer(me)
	me.Write(".config/esmtpq/config.yaml", fmt.Sprintf(
		"identities:\n  - name: me@example.org\n    host: localhost\n    port: %s\n    tunnel: ssh -F %s gateway\n", host.Port, config))
	for range 3 {
		me.Run(scripted+stage.Awkward, "sendmail", "-i", "friend@example.net")
	}
	me.Deliver()
	mails := host.Received()
	if len(mails) != 3 {
		t.Fatalf("%d mails arrived, want 3", len(mails))
	}
	for _, mail := range mails {
		mail.Says(t, stage.Awkward)
		if mail.Session != 1 {
			t.Errorf("a mail came over connection %d", mail.Session)
		}
	}
}

// If a tunnel cannot be opened the mail waits, with ssh's words as the reason.
func TestTunnelFails(t *testing.T) {
	stage.Needs(t, "ssh")
	me := stage.NewPerson(t)
	_, port, _ := net.SplitHostPort(stage.DeadAddress(t))
	me.Write("ssh_config", "Host gateway\nHostName 127.0.0.1\nPort "+port+"\nBatchMode yes\n")
	me.Write(".config/esmtpq/config.yaml",
		"identities:\n  - name: me@example.org\n    host: localhost\n    port: 25\n    tunnel: ssh -F "+me.Path("ssh_config")+" gateway\n")
	me.Waits("Connection refused")
}
