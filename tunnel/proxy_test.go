package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A proxyServer is a real proxy on loopback, for one test.
type proxyServer struct {
	kind  string
	start func(t *testing.T, port string) *exec.Cmd
	// The reasons for a port that nobody listens at, for a name that is not known, and for port 25, which
	// is forbidden; "" where it cannot tell or forbid.
	refused, unknown, forbidden string
}

var proxies = map[string]proxyServer{
	"microsocks": {
		kind: SOCKS5,
		start: func(t *testing.T, port string) *exec.Cmd {
			return exec.Command(carrier(t, "microsocks"), "-i", "127.0.0.1", "-p", port)
		},
		refused: "cannot connect to %s: connection refused",
		unknown: "cannot connect to %s and does not say why; it may not know the name",
	},
	"danted": {
		kind: SOCKS5,
		start: func(t *testing.T, port string) *exec.Cmd {
			return exec.Command(carrier(t, "danted"), "-f", config(t, "logoutput: stderr\ninternal: 127.0.0.1 port = "+port+`
external: lo
socksmethod: none
clientmethod: none
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks block { from: 0.0.0.0/0 to: 0.0.0.0/0 port = 25 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
`))
		},
		refused:   "cannot connect to %s: connection refused",
		unknown:   "cannot connect to %s: host unreachable",
		forbidden: "does not allow connections to %s",
	},
	"ssh": {
		kind: SOCKS5,
		start: func(t *testing.T, port string) *exec.Cmd {
			return exec.Command("ssh", "-F", startSSHServer(t).ClientConfig, "-N", "-D", "127.0.0.1:"+port, "gateway")
		},
		refused: "closed the connection without an answer: it cannot connect to %s, or is no SOCKS5 proxy",
		unknown: "closed the connection without an answer: it cannot connect to %s, or is no SOCKS5 proxy",
	},
	"tinyproxy": {
		kind: HTTP,
		start: func(t *testing.T, port string) *exec.Cmd {
			return exec.Command(carrier(t, "tinyproxy"), "-d", "-c", config(t, "Listen 127.0.0.1\nPort "+port+"\nMaxClients 10\n"))
		},
		refused: "cannot connect to %s: 500 Unable to connect",
		unknown: "cannot connect to %s: 500 Unable to connect",
	},
	"squid": {
		kind:      HTTP,
		start:     startSquid,
		refused:   "cannot connect to %s: 503 Service Unavailable (ERR_CONNECT_FAIL 111)",
		unknown:   "cannot connect to %s: 50",
		forbidden: "forbids a connection to %s: it may have to be told to allow port 25: 403 Forbidden (ERR_ACCESS_DENIED 0)",
	},
}

// startSquid prepares squid, which needs files beside its program.
func startSquid(t *testing.T, port string) *exec.Cmd {
	root := filepath.Join(filepath.Dir(unpackedRoot(t)), "hosts/squid")
	if _, err := os.Stat(root); err != nil {
		unavailable(t, "squid is not unpacked: ./test.sh does it")
	}
	libraries, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
	t.Setenv("LD_LIBRARY_PATH", strings.Join(libraries, ":"))
	t.Cleanup(func() { // it is killed
		left, _ := filepath.Glob("/dev/shm/esmtpq" + port + "-*")
		for _, path := range left {
			os.Remove(path)
		}
	})
	share := filepath.Join(root, "usr/share/squid")
	cmd := exec.Command(filepath.Join(root, "usr/sbin/squid"), "-N", "-n", "esmtpq"+port, "-f", config(t, "http_port 127.0.0.1:"+port+`
acl smtp port 25
http_access deny smtp
http_access allow all
pid_filename none
cache_log /dev/null
access_log none
cache_store_log none
cache deny all
error_directory `+share+`/errors/templates
icon_directory `+share+`/icons
mime_table `+share+`/mime.conf
unlinkd_program /bin/true
logfile_daemon /bin/true
pinger_enable off
dns_nameservers 127.0.0.1
dns_timeout 1 second
visible_hostname squid.test
cache_effective_user nobody
shutdown_lifetime 0 seconds
`))
	cmd.Dir = "/"
	return cmd
}

// config returns the path of a file that servers of another user can read.
func config(t *testing.T, text string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "esmtpq-proxy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "config")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a proxy until the test ends, and returns how it is reached.
func (s *proxyServer) run(t *testing.T) *Proxy {
	t.Helper()
	_, port, _ := net.SplitHostPort(unusedAddress(t))
	cmd := s.start(t, port)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, said.String())
		}
	})
	conn, err := WaitDial(t.Context(), "tcp", "127.0.0.1:"+port, patience)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	return &Proxy{Kind: s.kind, Host: "127.0.0.1", Port: port}
}

// dialBy dials host and port by a proxy.
func dialBy(t *testing.T, p *Proxy, host, port string) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return (&Endpoint{Host: host, Port: port, Proxy: p}).Dial(ctx)
}

// Real proxies carry a session, and what they say of a failure is in the reason, with their name.
func TestProxies(t *testing.T) {
	for name, s := range proxies {
		t.Run(name, func(t *testing.T) {
			p := s.run(t)
			host, port := startSmartHost(t)
			for range 20 {
				conn, err := dialBy(t, p, host, port)
				if err != nil {
					t.Fatal(err)
				}
				converse(t, conn)
				if got := conn.RemoteAddr().String(); got != host+":"+port {
					t.Errorf("remote address %s", got)
				}
				if _, ok := conn.(socket); !ok {
					t.Error("the connection does not show whether something has come")
				}
				conn.Close()
			}
			_, closed, _ := net.SplitHostPort(unusedAddress(t))
			for _, test := range []struct{ host, port, want string }{
				{"127.0.0.1", closed, s.refused},
				{"mail.invalid", "587", s.unknown},
				{"127.0.0.1", "smtp", s.forbidden},
			} {
				if test.want == "" {
					continue
				}
				target := test.host + ":" + strings.Replace(test.port, "smtp", "25", 1)
				want := "the proxy " + p.String() + " " + fmt.Sprintf(test.want, target)
				began := time.Now()
				_, err := dialBy(t, p, test.host, test.port)
				if _, ok := errors.AsType[*ProxyError](err); !ok || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%v, want %s", err, want)
				}
				if took := time.Since(began); took > patience/2 {
					t.Errorf("%s: took %v", want, took)
				}
				if op, ok := errors.AsType[*net.OpError](err); ok {
					t.Errorf("%v looks like an error of the connection to the host", op)
				}
			}
		})
	}
}

// A login at the proxy: none, a wrong one, the right one.
func TestProxyLogin(t *testing.T) {
	for name, s := range map[string]proxyServer{
		"microsocks": {kind: SOCKS5, start: func(t *testing.T, port string) *exec.Cmd {
			return exec.Command(carrier(t, "microsocks"), "-i", "127.0.0.1", "-p", port, "-u", "ann", "-P", "open sesame")
		}},
		"tinyproxy": {kind: HTTP, start: func(t *testing.T, port string) *exec.Cmd {
			return exec.Command(carrier(t, "tinyproxy"), "-d", "-c",
				config(t, "Listen 127.0.0.1\nPort "+port+"\nMaxClients 10\nBasicAuth ann opensesame\n"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.run(t)
			host, port := startSmartHost(t)
			password := map[string]string{SOCKS5: "open sesame", HTTP: "opensesame"}[s.kind]
			for _, login := range []struct{ user, password, want string }{
				{"", "", "wants a login"},
				{"ann", "wrong-canary", "refuses the user name or the proxy_password"},
				{"ann", password, ""},
			} {
				p.User, p.Password = login.user, login.password
				conn, err := dialBy(t, p, host, port)
				switch {
				case login.want == "" && err == nil:
					converse(t, conn)
					conn.Close()
				case login.want == "" || err == nil || !strings.Contains(err.Error(), login.want):
					t.Errorf("%q: %v, want %q", login.user, err, login.want)
				case strings.Contains(err.Error(), "canary"):
					t.Errorf("the reason shows the password: %v", err)
				}
			}
		})
	}
}

// What is no proxy of the kind, or none at all, is named as that.
func TestNoProxy(t *testing.T) {
	_, smtp := startSmartHost(t)
	_, closed, _ := net.SplitHostPort(unusedAddress(t))
	silent, err := net.Listen("tcp", "127.0.0.1:0") // its backlog takes connections
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, quiet, _ := net.SplitHostPort(silent.Addr().String())
	web := answering(t, "HTTP/1.1 400 Bad Request\r\n\r\n")
	long := answering(t, "HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat("x", 2*maxAnswer)+"\r\n\r\n")
	for _, test := range []struct{ kind, port, want string }{
		{SOCKS5, closed, "cannot be reached: connect: connection refused; is it running?"},
		{HTTP, closed, "cannot be reached: connect: connection refused; is it running?"},
		{SOCKS5, smtp, "does not answer as a SOCKS5 proxy: check its port"},
		{HTTP, smtp, "does not answer as an HTTP proxy: check its port"},
		{SOCKS5, web, "answers in HTTP: it may have to be proxy: http://"},
		{HTTP, web, "cannot connect to mail.example.org:587: 400 Bad Request"},
		{HTTP, long, "closed the connection without an answer"},
		{SOCKS5, quiet, "did not answer within 300ms: it may wait for mail.example.org:587, or be no socks5 proxy"},
		{HTTP, quiet, "did not answer within 300ms: it may wait for mail.example.org:587, or be no http proxy"},
	} {
		limit := patience
		if test.port == quiet {
			limit = 300 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		p := &Proxy{Kind: test.kind, Host: "127.0.0.1", Port: test.port}
		_, err := (&Endpoint{Host: "mail.example.org", Port: "587", Proxy: p}).Dial(ctx)
		cancel()
		if want := "the proxy " + p.String() + " " + test.want; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// answering listens and answers the first line of each connection with a text.
func answering(t *testing.T, text string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(patience))
			bufio.NewReader(conn).Read(make([]byte, 1))
			io.WriteString(conn, text)
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// The end of a connection, and silence, before anything has come from the host name the proxy, too.
func TestProxiedBeforeTheGreeting(t *testing.T) {
	s := proxies["microsocks"]
	p := s.run(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	host, port, _ := net.SplitHostPort(l.Addr().String())
	conn, err := dialBy(t, p, host, port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	said, ok := errors.AsType[*silentError](err)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !ok || !strings.Contains(said.Said(), p.String()) {
		t.Errorf("silence: %v", err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	far.Close()
	conn.SetReadDeadline(time.Now().Add(patience))
	_, err = conn.Read(make([]byte, 1))
	if want := "the proxy " + p.String() + " closed the connection before anything came from " + host + ":" + port; err == nil || err.Error() != want {
		t.Errorf("end: %v, want %s", err, want)
	}
}

// tor refuses a private address at once, and says so.
func TestTor(t *testing.T) {
	s := proxyServer{kind: SOCKS5, start: func(t *testing.T, port string) *exec.Cmd {
		dir := t.TempDir()
		return exec.Command(carrier(t, "tor"), "-f", config(t, "SocksPort 127.0.0.1:"+port+"\nDataDirectory "+dir+"\nDisableNetwork 0\nLog notice stderr\n"),
			"--defaults-torrc", "/dev/null")
	}}
	p := s.run(t)
	_, err := dialBy(t, p, "127.0.0.1", "25")
	if want := "the proxy " + p.String() + " cannot connect to 127.0.0.1:25 and does not say why"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// A preconnect line can bring a proxy up.
func TestForwardToAProxy(t *testing.T) {
	server := startSSHServer(t)
	host, port := startSmartHost(t)
	f := newForward(t, "ssh -F %s -f -N -o ExitOnForwardFailure=yes -D %s gateway # %s %s", server.ClientConfig, host, port)
	f.To = Endpoint{Host: host, Port: port, Proxy: &Proxy{Kind: SOCKS5, Host: f.To.Host, Port: f.To.Port}}
	conn, err := f.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	converse(t, conn)
}

// A smart host at a local socket.
func TestLocalSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "smtp")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "220 mail.test\n")
		io.Copy(conn, conn)
	}()
	conn, err := (&Endpoint{Host: path}).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	converse(t, conn)
	_, err = (&Endpoint{Host: path + "none"}).Dial(t.Context())
	if want := "connect: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
