package tunnel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/tunnel/command"
)

// An sshServer is a real OpenSSH server for one test: keys of its own, no privileges, on
// a loopback port, and a client configuration in which it is the host "gateway".
type sshServer struct {
	// ClientConfig is the file for ssh's -F. It knows "gateway", and
	// "stranger": the same server with a host key that is not known.
	ClientConfig string
	log          string // what it says
}

// startSSHServer starts a server that ends with the test. If there is no OpenSSH, or the present
// user cannot log in, the test is skipped; in CI it fails.
//
// The test listens and starts an `sshd -i` for each connection, so that there is no
// moment between choosing a port and listening at it.
func startSSHServer(t *testing.T) *sshServer {
	t.Helper()
	dir := t.TempDir()
	sshd := findSSHD(t, dir)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, key := range []string{"host", "other", "user"} {
		keygen := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file(key))
		if out, err := keygen.CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())

	write := func(name, format string, args ...any) {
		t.Helper()
		if err := os.WriteFile(file(name), fmt.Appendf(nil, format, args...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sshd_config", "HostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\n"+
		"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nLogLevel VERBOSE\n",
		file("host"), file("user.pub"))
	hostKey, otherKey := read(t, file("host.pub")), read(t, file("other.pub"))
	write("known_hosts", "gateway %sstranger %s", hostKey, otherKey)
	write("ssh_config", "Host gateway\nHostKeyAlias gateway\nHost stranger\nHostKeyAlias stranger\nHost *\nHostName 127.0.0.1\nPort %s\nUser %s\nIdentityFile %s\n"+
		"IdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile %s\nGlobalKnownHostsFile none\n"+
		"StrictHostKeyChecking yes\nExitOnForwardFailure yes\nConnectTimeout 20\n",
		port, me.Username, file("user"), file("known_hosts"))

	log, err := os.Create(file("log"))
	if err != nil {
		t.Fatal(err)
	}
	var sessions sync.WaitGroup
	sessions.Go(func() { serveSSH(l, &sessions, log, append(sshd, "-i", "-e", "-f", file("sshd_config"))...) })
	t.Cleanup(func() {
		l.Close()
		sessions.Wait()
		log.Close()
		if t.Failed() {
			t.Logf("sshd said:\n%s", read(t, file("log")))
		}
	})
	login := exec.Command("ssh", "-F", file("ssh_config"), "-T", "-o", "BatchMode=yes", "gateway", "exit 0")
	if out, err := login.CombinedOutput(); err != nil {
		unavailable(t, fmt.Sprintf("%s cannot log in by ssh (%v): %s", me.Username, err, out))
	}
	return &sshServer{ClientConfig: file("ssh_config"), log: file("log")}
}

// serveSSH runs argv for each connection, as inetd would, until l is closed; then it
// ends those that still run.
func serveSSH(l net.Listener, sessions *sync.WaitGroup, log *os.File, argv ...string) {
	closed := make(chan struct{})
	defer close(closed)
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		socket, err := conn.(*net.TCPConn).File()
		conn.Close()
		if err != nil {
			continue
		}
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = socket, socket, log
		err = cmd.Start()
		socket.Close()
		if err != nil {
			fmt.Fprintln(log, err)
			continue
		}
		ended := make(chan struct{})
		sessions.Go(func() {
			cmd.Wait()
			close(ended)
		})
		sessions.Go(func() {
			select {
			case <-ended:
			case <-closed:
				cmd.Process.Signal(os.Interrupt)
				select {
				case <-ended:
				case <-time.After(patience):
					cmd.Process.Kill()
				}
			}
		})
	}
}

// findSSHD returns the words that start sshd by its absolute path, which it insists on: the
// system's, or the one that test.sh has unpacked.
func findSSHD(t *testing.T, dir string) []string {
	t.Helper()
	for _, program := range []string{"ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(program); err != nil {
			unavailable(t, "OpenSSH is missing: "+err.Error())
		}
	}
	if sshd, err := exec.LookPath("/usr/sbin/sshd"); err == nil {
		if os.Geteuid() == 0 {
			// This is where Debian's sshd confines its unprivileged half, as root.
			if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return []string{sshd}
	}
	root := unpackedRoot(t)
	sshd := filepath.Join(root, "usr/sbin/sshd")
	if _, err := os.Stat(sshd); err != nil {
		unavailable(t, "sshd is neither installed nor unpacked: ./test.sh does it")
	}
	libraries, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
	words := []string{"env", "LD_LIBRARY_PATH=" + strings.Join(libraries, ":"), sshd}
	if os.Geteuid() != 0 {
		return words
	}
	// Root's sshd needs a user and a directory of its own, which are made in a namespace.
	passwd := filepath.Join(dir, "passwd")
	accounts := read(t, "/etc/passwd") + "sshd:x:64991:65534::/run/sshd:/usr/sbin/nologin\n"
	if err := os.WriteFile(passwd, []byte(accounts), 0o644); err != nil {
		t.Fatal(err)
	}
	setup := `mount --bind ` + passwd + ` /etc/passwd && mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "$0" "$@"`
	return append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", setup}, words...)
}

// unpackedRoot returns where test.sh unpacks what it does not install.
func unpackedRoot(t *testing.T) string {
	t.Helper()
	if root := os.Getenv("ESMTPQ_TEST_DEBIAN"); root != "" {
		return root
	}
	if os.Geteuid() == 0 {
		return "/var/cache/esmtpq-test/root"
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cache, "esmtpq-test/root")
}

// unavailable skips a test that this machine cannot run; in CI, the test fails.
func unavailable(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startSmartHost listens on loopback, greets everyone and echoes lines.
func startSmartHost(t *testing.T) (host, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(patience))
				io.WriteString(conn, "220 mail.test\n")
				io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		sessions.Wait()
	})
	host, port, _ = net.SplitHostPort(l.Addr().String())
	return host, port
}

// converse checks that conn leads to the smart host and back.
func converse(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(conn)
	if got, err := r.ReadString('\n'); err != nil || got != "220 mail.test\n" {
		t.Fatalf("greeting %q, %v", got, err)
	}
	io.WriteString(conn, "EHLO laptop\n")
	if got, err := r.ReadString('\n'); err != nil || got != "EHLO laptop\n" {
		t.Fatalf("echo %q, %v", got, err)
	}
}

func TestTunnelThroughSSH(t *testing.T) {
	server := startSSHServer(t)
	host, port := startSmartHost(t)
	for _, line := range []string{
		"ssh -F " + server.ClientConfig + " gateway",
		"ssh -F " + server.ClientConfig + " -W %h:%p gateway",
	} {
		c, err := command.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := Dial(t.Context(), c, host, port, Memory{})
		if err != nil {
			t.Fatal(err)
		}
		converse(t, conn)
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A tunnel never becomes the master of a shared connection, which would be cut for others when the
// mail is done; but it uses one that is there.
func TestTunnelBesideASharedConnection(t *testing.T) {
	server := startSSHServer(t)
	host, port := startSmartHost(t)
	control := filepath.Join(t.TempDir(), "control")
	shared := []string{"-F", server.ClientConfig, "-o", "ControlMaster=auto", "-o", "ControlPath=" + control}
	c, err := command.Parse("ssh " + strings.Join(shared, " ") + " gateway")
	if err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		conn, err := Dial(t.Context(), c, host, port, Memory{})
		if err != nil {
			t.Fatal(err)
		}
		converse(t, conn)
		return conn
	}
	conn := dial()
	if _, err := os.Stat(control); err == nil {
		t.Error("the tunnel has become the master")
	}
	conn.Close()

	master := exec.Command("ssh", append(shared, "-o", "BatchMode=yes", "gateway", "echo ready; cat")...)
	stdin, _ := master.StdinPipe()
	stdout, _ := master.StdoutPipe()
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	defer master.Wait()
	defer stdin.Close()
	said := bufio.NewReader(stdout)
	if line, err := said.ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	before := strings.Count(read(t, server.log), "Accepted publickey")
	dial().Close()
	if n := strings.Count(read(t, server.log), "Accepted publickey"); n != before {
		t.Errorf("%d logins for a connection that was there", n-before)
	}
	io.WriteString(stdin, "still here\n")
	if line, err := said.ReadString('\n'); line != "still here\n" {
		t.Errorf("the shared connection: %q, %v", line, err)
	}

	// It is named as what may have been lost, since the host says nothing of it.
	conn = dial()
	defer conn.Close()
	master.Process.Kill()
	if _, err := io.ReadAll(conn); err == nil || !strings.Contains(err.Error(), "the ssh connection that carried it has ended") && !strings.Contains(err.Error(), "ssh: exit status") {
		t.Errorf("after its end: %v", err)
	}
}

func TestTunnelThroughSSHFailures(t *testing.T) {
	server := startSSHServer(t)
	_, closedPort, _ := net.SplitHostPort(unusedAddress(t))
	for _, test := range []struct{ line, want string }{
		{"ssh -F " + server.ClientConfig + " gateway", "open failed"}, // nobody listens behind it
		{"ssh -F " + server.ClientConfig + " stranger", "the host key of stranger has changed"},
		{"ssh -F " + server.ClientConfig + " -o HostKeyAlias=unknown gateway", "Host key verification failed"},
		{"ssh -F " + server.ClientConfig + " -l nobody-at-all gateway", "Permission denied"},
		{"ssh -F none -o HostName=127.0.0.1 -p " + closedPort + " gateway", "Connection refused"},
	} {
		c, err := command.Parse(test.line)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := Dial(t.Context(), c, "127.0.0.1", closedPort, Memory{})
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		_, err = conn.Read(make([]byte, 1))
		exit, ok := errors.AsType[*ExitError](err)
		if !ok || exit.Status != 255 || !strings.Contains(exit.Output, test.want) {
			t.Errorf("%s: %v, want exit status 255 and %q", test.line, err, test.want)
		} else if cure := exit.Cure; (cure == "") != (test.want == "open failed" || test.want == "Connection refused") {
			t.Errorf("%s: cure %q", test.line, cure)
		} else if strings.HasPrefix(test.want, "the host key") && !strings.Contains(err.Error(), "ssh-keygen -f ") {
			t.Errorf("%s: %v", test.line, err)
		}
		conn.Close()
	}
}

// The line that people have had in their configuration since the time of esmtp.
func TestPreconnectWithForwardedPort(t *testing.T) {
	server := startSSHServer(t)
	host, port := startSmartHost(t)
	local := unusedAddress(t)
	_, localPort, _ := net.SplitHostPort(local)
	line := fmt.Sprintf("ssh -F %s -f -L %s:%s:%s gateway 'sleep 5'", server.ClientConfig, localPort, host, port)
	if err := Preconnect(t.Context(), line); err != nil {
		t.Fatal(err)
	}
	conn, err := WaitDial(t.Context(), "tcp", "localhost:"+localPort, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	converse(t, conn)
}

func TestPreconnectTellsWhatSSHSaid(t *testing.T) {
	server := startSSHServer(t)
	err := Preconnect(t.Context(), "ssh -F "+server.ClientConfig+" -f -L 25025:localhost:25 stranger 'sleep 5'")
	if err == nil || !strings.Contains(err.Error(), "Host key verification failed") {
		t.Errorf("got %v", err)
	}
}
