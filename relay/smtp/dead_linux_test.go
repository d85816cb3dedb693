package smtp

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside names the environment variable of the process that has a network of its own.
const inside = "ESMTPQ_TEST_DEAD_LINK"

// A link that goes dead under a content is noticed long before the limit of a write, since nothing is acknowledged any more. A
// host that lives and takes nothing has its time.
func TestDeadLink(t *testing.T) {
	if os.Getenv(inside) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDeadLink$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if os.Geteuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		out, err := cmd.CombinedOutput()
		if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
			t.Skipf("no network of its own to be had here: %v", err)
		}
		if err != nil {
			t.Errorf("%v:\n%s", err, out)
		}
		return
	}
	setLink(t, true)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, alive := range []bool{true, false} {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		host, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer host.Close()
		if !alive {
			setLink(t, false)
		}
		c := &deadlineConn{Conn: conn, limit: 6 * time.Second, dead: 2 * time.Second}
		start := time.Now()
		for err == nil {
			_, err = c.Write(make([]byte, 32<<10))
		}
		took := time.Since(start)
		if alive && (!timedOut(err) || took < c.limit) || !alive && (!errors.Is(err, errDead) || took > 5*time.Second) {
			t.Errorf("a host that lives: %v: %v after %v", alive, err, took)
		}
	}
}

// setLink brings the loopback of this process's network up, or down.
func setLink(t *testing.T, up bool) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	flags := uint16(unix.IFF_LOOPBACK)
	if up {
		flags |= unix.IFF_UP
	}
	lo.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}
