package deliver_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sleeper returns the background process that a submission has started.
func (p *person) sleeper() int {
	p.t.Helper()
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		args, _ := os.ReadFile(dir + "/cmdline")
		env, _ := os.ReadFile(dir + "/environ")
		if bytes.HasPrefix(args, []byte("deliver\x00--background\x00")) && strings.Contains(string(env), "HOME="+p.home+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			return pid
		}
	}
	return 0
}

// awaken sends a signal to the sleeper once it sleeps.
func (p *person) awaken(sig syscall.Signal) (pid int) {
	p.t.Helper()
	if pid = p.sleeper(); pid == 0 {
		p.t.Fatal("nobody sleeps")
	}
	p.t.Cleanup(func() {
		if p.sleeper() == pid {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	for end := time.Now().Add(hangs); !asleep(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal("it never sleeps")
		}
	}
	if err := syscall.Kill(pid, sig); err != nil {
		p.t.Fatal(err)
	}
	return pid
}

// asleep reports whether a sleeper has taken its signals: the lock that it was handed is made
// close-on-exec after that.
func asleep(pid int) bool {
	info, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/fdinfo/3")
	return err == nil && strings.Contains(string(info), "flags:\t02")
}

// gone waits for the end of a process.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(hangs); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it does not end")
		}
	}
}

// The end of a session or of a job ends the sleep, not the delivery.
func TestSignalToSleeper(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("no /proc to find the sleeper in")
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			h := newHost(t, true)
			me := newPerson(t, h.addr)
			me.env = append(me.env, "ESMTPQ_DELAY=1h")
			me.run(0, mail, "sendmail", "friend@example.net")
			me.run(0, mail, "sendmail", "other@example.net")
			pid := me.awaken(sig)
			h.ends(t)
			close(h.answer)
			h.ends(t)
			gone(t, pid)
			if n := h.arrived(); n != 2 {
				t.Errorf("%d of 2 have arrived", n)
			}
		})
	}
}

// A second signal ends the delivery, at once if no reply to the end of a message is due.
func TestSecondSignalToSleeper(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("no /proc to find the sleeper in")
	}
	silent := newSilent(t)
	me := newPerson(t, silent.addr)
	me.env = append(me.env, "ESMTPQ_DELAY=1h")
	me.run(0, mail, "sendmail", "friend@example.net")
	pid := me.awaken(syscall.SIGTERM)
	silent.connects(t)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	gone(t, pid)
	if out := me.run(0, "", "mailq", "--count"); out != "1\n" {
		t.Errorf("%s messages are left", out)
	}
}

// A signal that comes as early as the lock is taken does not end the process, which would leave
// the mail to nobody: submissions rely on whoever has the lock.
func TestSignalBeforeTheSleep(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil && os.Getenv("CI") == "" {
		t.Skip("no strace")
	}
	h := newHost(t, true)
	close(h.answer)
	me := newPerson(t, h.addr)
	me.run(0, mail, "sendmail", "friend@example.net")
	lock := me.home + "/.esmtp_queue/.wakeup"
	// The process takes the lock, and its next step is a second away.
	sleeper := me.command("", "sh", "-c", "exec strace -f -qq -o trace -e trace=flock -e inject=flock:delay_exit=1000000:when=1 "+
		"deliver --background 1h")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer sleeper.Wait()
	defer sleeper.Process.Kill()
	for end := time.Now().Add(hangs); !locked(lock); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never takes the lock")
		}
	}
	pid := me.sleeper()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	h.ends(t)
	gone(t, pid)
}

// locked reports whether a process has the lock of a file.
func locked(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == syscall.EWOULDBLOCK
}
