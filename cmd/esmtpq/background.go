package main

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"esmtpq/queue"
)

// backgroundFlag makes deliver the process that sendmail leaves behind. It is
// followed by the delay; descriptor 3 is the lock of the sleeper.
const backgroundFlag = "--background"

// wakeupFD is the descriptor of the sleeper's lock in the background process.
const wakeupFD = 3

// startSleeper starts the background process that waits a while for more mail and then
// delivers, unless there is one that still waits. That it cannot be started is no
// reason to refuse a message that is durable: a later deliver sends it.
func startSleeper(q *queue.Queue, home string, delay time.Duration) {
	lock, err := q.TryWakeup()
	if lock == nil || err != nil {
		return
	}
	defer lock.Close()
	self, err := os.Executable()
	if err != nil {
		return
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	closeOnExec()
	// Its own session, and nothing of the caller's: who reads our output to its end must not wait for it.
	child, err := os.StartProcess(self, []string{"deliver", backgroundFlag, delay.String()}, &os.ProcAttr{
		Dir:   "/",
		Env:   childEnv(home),
		Files: []*os.File{null, null, null, lock},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err == nil {
		child.Release()
	}
}

// childEnv returns the environment of the background process: ours, with the home directory that was found, and
// no path in it that depends on where we are.
func childEnv(home string) []string {
	env := setenv(os.Environ(), "HOME", home)
	if file := os.Getenv("ESMTPQ_CONFIG"); file != "" {
		if abs, err := filepath.Abs(file); err == nil {
			env = setenv(env, "ESMTPQ_CONFIG", abs)
		}
	}
	return env
}

// setenv returns env with one variable set.
func setenv(env []string, name, value string) []string {
	out := make([]string, 0, len(env)+1)
	for _, e := range env {
		if len(e) <= len(name) || e[len(name)] != '=' || e[:len(name)] != name {
			out = append(out, e)
		}
	}
	return append(out, name+"="+value)
}

// sleep is the first half of the background process. It returns the lock, to be closed before the queue
// is looked at: whoever finds it taken relies on being seen.
func sleep(q *queue.Queue, delay time.Duration) (*os.File, error) {
	lock := os.NewFile(wakeupFD, "wakeup lock")
	if !q.IsWakeup(lock) {
		// Typed by hand: descriptor 3 is something else, and stays as it is.
		runtime.SetFinalizer(lock, nil)
		var err error
		if lock, err = q.TryWakeup(); lock == nil {
			return nil, err
		}
	}
	syscall.CloseOnExec(int(lock.Fd()))
	time.Sleep(delay)
	return lock, nil
}
