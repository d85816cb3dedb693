package tunnel

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A port that another user has taken is not used, and one of our own is.
func TestForwardedPortOfAnotherUser(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("only root on Linux can be two users")
	}
	const other = 65534
	const python = "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skip("no python3")
	}
	for _, address := range []string{"127.0.0.1", "0.0.0.0", "::1", "::"} {
		for _, uid := range []uint32{other, 0} {
			if uid == 0 && address != "127.0.0.1" {
				continue
			}
			dialled := map[string]string{"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}[address]
			if dialled == "" {
				dialled = address
			}
			_, port, _ := net.SplitHostPort(unusedAddress(t))
			cmd := exec.Command(python, "-c", `import socket, sys
s = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, dualstack_ipv6=sys.argv[1] == "::")
c, _ = s.accept()
c.sendall(b"220 mx\\r\\n")
c.recv(1)`, address, port)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			f := &Forward{Line: "true", To: Endpoint{Host: dialled, Port: port}, Mark: "owner test " + strconv.Itoa(os.Getpid()), Limit: patience, Dialing: patience, Patience: patience}
			conn, err := f.Dial(t.Context())
			switch {
			case uid == 0 && err != nil:
				t.Errorf("%s, our own: %v", address, err)
			case uid == other && (err == nil || !strings.Contains(err.Error(), "is another user's (uid 65534)")):
				t.Errorf("%s, another's: %v", address, err)
			}
			if err == nil {
				conn.SetDeadline(time.Now().Add(patience))
				if _, err := conn.Read(make([]byte, 10)); err != nil {
					t.Error(err)
				}
				conn.Close()
			}
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
}

// A connection comes from the address, and by the version of IP, that are configured.
func TestSourceAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	conn, err := (&Endpoint{Host: "localhost", Port: port, Source: "127.0.0.7", Family: "4"}).Dial(t.Context())
	if err != nil {
		if runtime.GOOS != "linux" {
			t.Skip("127.0.0.1 is the only loopback address here")
		}
		t.Fatal(err)
	}
	defer conn.Close()
	if host, _, _ := net.SplitHostPort(conn.LocalAddr().String()); host != "127.0.0.7" {
		t.Error(host)
	}
	if conn, err := (&Endpoint{Host: "127.0.0.1", Port: port, Family: "6"}).Dial(t.Context()); err == nil {
		conn.Close()
		t.Error("127.0.0.1 was reached by IPv6")
	}
}
