package watch

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sys/unix"

	"esmtpq/queue/spool"
	"esmtpq/tests/stage"
)

// inside names the environment variable of the process that has a network of its own.
const inside = "ESMTPQ_TEST_NETWORK"

// inNetwork runs the test once more, in a network of its own, and reports whether this is that.
func inNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	stage.Needs(t, "ip", "nsenter", "unshare")
	args := []string{"-test.run=^" + t.Name() + "$", "-test.v"}
	if stage.Long() {
		args = append(args, "-long")
	}
	cmd := exec.Command(os.Args[0], args...)
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
	return false
}

// A link is that of the person to a network in which the smart host is.
type link struct {
	t *testing.T
	l net.Listener
}

const hostAddress = "10.77.0.2"

// newLink makes a link that is up, and a listener at its other end.
func newLink(t *testing.T) *link {
	t.Helper()
	other := exec.Command("unshare", "--net", "sleep", "3600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Process.Kill(); other.Wait() })
	there := fmt.Sprint(other.Process.Pid)
	stage.Await(t, "another network", func() bool {
		a, _ := os.Readlink("/proc/self/ns/net")
		b, _ := os.Readlink("/proc/" + there + "/ns/net")
		return b != "" && a != b
	})
	for _, line := range []string{
		"ip link set lo up",
		"ip link add v0 type veth peer name v1 netns " + there,
		"ip addr add 10.77.0.1/24 dev v0",
		"nsenter -t " + there + " -n ip addr add " + hostAddress + "/24 dev v1",
		"nsenter -t " + there + " -n ip link set v1 up",
		"ip link set v0 up",
	} {
		command(t, line)
	}
	return &link{t, listenIn(t, "/proc/"+there+"/ns/net")}
}

func command(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", line, err, out)
	}
}

// listenIn listens in another network.
func listenIn(t *testing.T, network string) net.Listener {
	t.Helper()
	var l net.Listener
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and the thread ends with the goroutine
		var fd int
		if fd, err = unix.Open(network, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(fd)
		if err = unix.Setns(fd, unix.CLONE_NEWNET); err == nil {
			l, err = net.Listen("tcp", hostAddress+":2525")
		}
	}()
	<-done
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// set takes the link up or down.
func (k *link) set(state string) {
	k.t.Helper()
	command(k.t, "ip link set v0 "+state)
}

// backoff returns why the person's identity waits; nil if it does not.
func backoff(t *testing.T, p *stage.Person) *spool.Backoff {
	t.Helper()
	q, err := spool.Open(p.Path(".esmtp_queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for _, b := range q.Backoffs() {
		return b
	}
	return nil
}

// attempts returns the most attempts that a message in the queue is charged with, and how many there are.
func attempts(t *testing.T, q *spool.Queue) (most, n int) {
	t.Helper()
	l, err := q.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range l.IDs {
		if m, err := q.Read(id); err == nil {
			most = max(most, m.Attempts)
		}
	}
	return most, len(l.IDs)
}

// What waits for the network goes out when the network comes, and not when it is due.
func TestNetworkComes(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	k := newLink(t)
	host := stage.ServeSmartHost(t, k.l)
	k.set("down")
	p := newPerson(t, host)
	p.Run(mail, "sendmail", "-odq", "friend@example.net")
	watches(p)
	stage.Await(t, "a first attempt", func() bool { return backoff(t, p) != nil })
	if b := backoff(t, p); b.Attempts != 0 || b.Renewed.IsZero() {
		t.Errorf("the first attempt over a network counts: %+v", b)
	}
	sends(p, "other")
	stage.Await(t, "a second attempt", func() bool { return backoff(t, p).Attempts == 1 })
	due := backoff(t, p).Next
	k.set("up")
	for range 2 {
		host.Next(t)
	}
	if now := time.Now(); now.After(due) {
		t.Errorf("it has gone out at %v, and was due at %v", now, due)
	}
	empty(p)
	if b := backoff(t, p); b != nil {
		t.Errorf("the identity still waits: %+v", b)
	}
}

// A portal answers in the place of the host until somebody has logged in with a browser.
func TestPortal(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	k := newLink(t)
	go func() {
		for {
			c, err := k.l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\n\r\n")
			c.Close()
		}
	}()
	p := stage.NewPerson(t, "identity = me@example.org", "hostname = "+hostAddress+":2525")
	p.Setenv("ESMTPQ_DELAY=0s")
	p.Run(mail, "sendmail", "-odq", "friend@example.net")
	watches(p)
	const words = "may want a login in a browser first"
	stage.Await(t, "a word of the portal", func() bool {
		b := backoff(t, p)
		return b != nil && strings.Contains(b.Report.Text, words)
	})
	if b := backoff(t, p); b.Attempts != 0 || time.Until(b.Next) > 30*time.Second {
		t.Errorf("%+v", b)
	}
}

// An unsteady takes its time for each message.
type unsteady struct{ *stage.Session }

func (s unsteady) Data(r io.Reader) error {
	time.Sleep(stage.Pick(8*time.Millisecond, 100*time.Millisecond))
	return s.Session.Data(r)
}

// Over a link that comes and goes, with a watcher that is killed now and then, each mail goes out
// once, and none is charged for it.
func TestLinkComesAndGoes(t *testing.T) {
	if !inNetwork(t) {
		return
	}
	k := newLink(t)
	n := stage.Pick(400, 5000)
	host := stage.ServeSmartHost(t, k.l, func(s *smtp.Server) {
		inner := s.Backend
		s.Backend = smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
			session, err := inner.NewSession(c)
			if err != nil {
				return nil, err
			}
			return unsteady{session.(*stage.Session)}, nil
		})
	})
	p := newPerson(t, host)
	p.Run("", "mailq")
	q, err := spool.OpenOrCreate(p.Path(".esmtp_queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for i := range n {
		submitTo(t, q, fmt.Sprintf("r%d@example.net", i))
	}
	w := watches(p)
	var flaps sync.WaitGroup
	stop := make(chan struct{})
	flaps.Go(func() {
		for {
			for _, state := range []string{"down", "up"} {
				exec.Command("ip", "link", "set", "v0", state).Run()
				select {
				case <-stop:
					exec.Command("ip", "link", "set", "v0", "up").Run()
					return
				case <-time.After(100*time.Millisecond + rand.N(700*time.Millisecond)):
				}
			}
		}
	})
	got := map[string]int{}
	for i := 0; len(got) < n; i++ {
		got[host.Next(t).To[0]]++
		if i%(n/3) == n/6 {
			w.kill()
			w = watches(p)
		}
		if i%(n/10) == 0 {
			if most, left := attempts(t, q); most > 0 {
				t.Errorf("of %d messages, one is charged with %d attempts", left, most)
			}
		}
	}
	close(stop)
	flaps.Wait()
	empty(p)
	for to, times := range got {
		if times != 1 {
			t.Errorf("%s got it %d times", to, times)
		}
	}
	if extra := len(host.Received()) - n; extra != 0 {
		t.Errorf("%d too many", extra)
	}
}

// submitTo puts a message into the queue.
func submitTo(t *testing.T, q *spool.Queue, to string) {
	t.Helper()
	w, err := q.NewWriter()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, strings.Replace(mail, "friend@example.net", to, 1))
	env := &spool.Envelope{From: "me@example.org", Recipients: []spool.Recipient{{Address: to}}}
	if _, err := w.Commit(env); err != nil {
		t.Fatal(err)
	}
}
