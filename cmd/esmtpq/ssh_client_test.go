package main_test

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
)

// The smart host behind ssh: a real OpenSSH server on loopback, which only forwards.

// newSSHServer starts sshd for the length of the test and makes the person's ssh know it
// as "gateway" by the configuration file that it returns.
func (p *person) newSSHServer() (config string) {
	t := p.t
	t.Helper()
	needs(t, "ssh", "ssh-keygen")
	sshd := findSSHD(t)
	for _, name := range []string{"host", "user"} {
		p.run("", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", p.path(name+"_key"))
	}
	public, err := os.ReadFile(p.path("user_key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	p.write("authorized_keys", string(public))
	port := freePort(t)
	p.write("sshd_config", fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\n"+
		"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nPrintMotd no\n",
		port, p.path("host_key"), p.path("authorized_keys")))

	cmd := p.sshd(sshd, "-D", "-e", "-f", p.path("sshd_config"))
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
	awaitLine(t, bufio.NewScanner(log), "Server listening")

	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	p.write("ssh_config", fmt.Sprintf("Host gateway\nHostName 127.0.0.1\nPort %s\nUser %s\nIdentityFile %s\nIdentitiesOnly yes\n"+
		"IdentityAgent none\nBatchMode yes\nStrictHostKeyChecking no\nUserKnownHostsFile %s\nLogLevel ERROR\n",
		port, me.Username, p.path("user_key"), p.path("known_hosts")))
	config = p.path("ssh_config")
	if r := p.try("", "ssh", "-F", config, "gateway", "exit 0"); r.code != 0 {
		t.Fatalf("ssh to the test's sshd: %+v", r)
	}
	return config
}

func findSSHD(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("/usr/sbin/sshd"); err == nil {
		return path
	}
	return filepath.Join(debianRoot(t, "usr/sbin/sshd"), "usr/sbin/sshd")
}

// sshd prepares the server. Root's needs a directory and an account of its own; where the
// machine has none because no ssh server is installed, they are made in a namespace.
func (p *person) sshd(path string, args ...string) *exec.Cmd {
	p.t.Helper()
	if root, ok := strings.CutSuffix(path, "/usr/sbin/sshd"); ok && root != "" {
		args = append([]string{"LD_LIBRARY_PATH=" + unpackedLibraries(root), path}, args...)
		path = "/usr/bin/env"
	}
	if _, err := user.Lookup("sshd"); os.Geteuid() != 0 || err == nil && isDir("/run/sshd") {
		return p.command(path, args...)
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("passwd", string(passwd)+"sshd:x:64991:65534::/run/sshd:/usr/sbin/nologin\n")
	setup := fmt.Sprintf(`chmod 644 %[1]s && mount --bind %[1]s /etc/passwd && mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "$0" "$@"`, p.path("passwd"))
	return p.command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", setup, path}, args...)...)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// awaitLine reads a program's log until a line has the text, and goes on reading so that
// the program never blocks.
func awaitLine(t *testing.T, log *bufio.Scanner, text string) {
	t.Helper()
	var said []string
	for log.Scan() {
		if said = append(said, log.Text()); strings.Contains(log.Text(), text) {
			go func() {
				for log.Scan() {
				}
			}()
			return
		}
	}
	t.Fatalf("ended without %q:\n%s", text, strings.Join(said, "\n"))
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// What people have in their esmtprc.
func TestPreconnectSSH(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t)
	config := me.newSSHServer()
	local := freePort(t)
	me.write(".esmtprc", fmt.Sprintf("identity = me@example.org\nhostname = localhost:%s\n"+
		"preconnect = \"ssh -F %s -f -L %s:localhost:%s gateway 'sleep 5'\"\n", local, config, local, host.port))
	me.run(scripted+awkward, "sendmail", "-i", "friend@example.net")
	me.deliver()
	host.one(t).says(t, awkward)
}

// A preconnect that fails parks the mail with its words as the reason.
func TestPreconnectFails(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, "identity = me@example.org", "hostname = "+host.addr,
		`preconnect = "echo 'no route to gateway' >&2; exit 255"`)
	me.waits("no route to gateway")
	if len(host.received()) != 0 {
		t.Error("the mail was sent although preconnect failed")
	}
}

// preconnect reads from /dev/null: it cannot eat the mail.
func TestPreconnectReads(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, "identity = me@example.org", "hostname = "+host.addr, `preconnect = "cat >/dev/null"`)
	me.run(scripted+awkward, "sendmail", "-i", "friend@example.net")
	me.deliver()
	host.one(t).says(t, awkward)
}

// The modern form: no local port at all.
func TestTunnelSSH(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t)
	config := me.newSSHServer()
	me.write(".config/esmtpq/config.yaml", fmt.Sprintf(
		"identities:\n  - name: me@example.org\n    host: localhost\n    port: %s\n    tunnel: ssh -F %s gateway\n", host.port, config))
	for range 3 {
		me.run(scripted+awkward, "sendmail", "-i", "friend@example.net")
	}
	me.deliver()
	mails := host.received()
	if len(mails) != 3 {
		t.Fatalf("%d mails arrived, want 3", len(mails))
	}
	for _, mail := range mails {
		mail.says(t, awkward)
		if mail.session != 1 {
			t.Errorf("a mail came over connection %d", mail.session)
		}
	}
}

// A tunnel that cannot be opened parks the mail with ssh's words as the reason.
func TestTunnelFails(t *testing.T) {
	needs(t, "ssh")
	me := newPerson(t)
	me.write("ssh_config", "Host gateway\nHostName 127.0.0.1\nPort "+freePort(t)+"\nBatchMode yes\n")
	me.write(".config/esmtpq/config.yaml",
		"identities:\n  - name: me@example.org\n    host: localhost\n    port: 25\n    tunnel: ssh -F "+me.path("ssh_config")+" gateway\n")
	me.waits("Connection refused")
}
