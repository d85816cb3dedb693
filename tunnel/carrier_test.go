package tunnel

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/tunnel/command"
)

// carrier returns the path of a program, installed or unpacked by test.sh.
func carrier(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	root := unpackedRoot(t)
	for _, dir := range []string{"usr/bin", "bin", "usr/sbin"} {
		path := filepath.Join(root, dir, name)
		if _, err := os.Stat(path); err == nil {
			libraries, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
			t.Setenv("LD_LIBRARY_PATH", strings.Join(libraries, ":"))
			return path
		}
	}
	unavailable(t, name+" is neither installed nor unpacked: ./test.sh does it")
	return ""
}

// closingHost greets, and closes the connection after the first line.
func closingHost(t *testing.T) (port string) {
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
			io.WriteString(conn, "220 mail.test\n")
			bufio.NewReader(conn).ReadString('\n')
			conn.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// The end of a connection is noticed at once through carriers that let it be seen.
func TestCarrierShowsTheEnd(t *testing.T) {
	for _, line := range []string{"ncat %h %p", "socat - TCP:%h:%p", "nc.traditional %h %p"} {
		t.Run(strings.Fields(line)[0], func(t *testing.T) {
			name, args, _ := strings.Cut(line, " ")
			c, err := command.Parse(carrier(t, name) + " " + args)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := Dial(t.Context(), c, "127.0.0.1", closingHost(t), Memory{})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(8 * time.Second))
			io.WriteString(conn, "QUIT\n")
			if got, err := io.ReadAll(conn); string(got) != "220 mail.test\n" || err != nil {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

// What is wrong is in the error, whatever the carrier says and exits with.
func TestCarrierFailures(t *testing.T) {
	_, closed, _ := net.SplitHostPort(unusedAddress(t))
	for _, test := range []struct{ line, want string }{
		{"nc.openbsd %h %p", "nc.openbsd: exit status 1, and said nothing; to see why, type: "},
		{"nc.traditional %h %p", "Connection refused"},
		{"ncat %h %p", "Connection refused"},
		{"socat - TCP:%h:%p", "Connection refused"},
	} {
		t.Run(strings.Fields(test.line)[0], func(t *testing.T) {
			name, args, _ := strings.Cut(test.line, " ")
			c, err := command.Parse(carrier(t, name) + " " + args)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := Dial(t.Context(), c, "127.0.0.1", closed, Memory{})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			_, err = conn.Read(make([]byte, 1))
			if exit, ok := errors.AsType[*ExitError](err); !ok || exit.Status != 1 || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
