package submit

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/process"
	"esmtpq/helper/inherit"
	"esmtpq/queue/spool"
)

// BackgroundFlag makes deliver the process that sendmail leaves behind. It is
// followed by the delay; descriptor 3 is the lock of the sleeper.
const BackgroundFlag = "--background"

// WakeupFD is the descriptor of the sleeper's lock in the background process.
const WakeupFD = 3

// StartSleeper starts the background process that waits a while for more mail and then
// delivers, unless there is one that still waits. That it cannot be started is no
// reason to refuse a message that is durable: a later deliver sends it.
func StartSleeper(q *spool.Queue, home string, delay time.Duration) {
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
	inherit.Nothing()
	// Its own session, and nothing of the caller's: who reads our output to its end must not wait
	// for it.
	child, err := os.StartProcess(self, []string{"deliver", BackgroundFlag, delay.String()}, &os.ProcAttr{
		Dir:   "/",
		Env:   childEnv(home),
		Files: []*os.File{null, null, null, lock},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err == nil {
		child.Release()
	}
}

// childEnv returns the environment of the background process: ours, with the home directory that
// was found, and no path in it that depends on where we are.
func childEnv(home string) []string {
	env := process.Setenv(os.Environ(), "HOME", home)
	// Where a delivery agent has called us, it is not for that run to end this one, nor to wait for it.
	env = process.Unsetenv(env, inherit.MarkName)
	if file := os.Getenv("ESMTPQ_CONFIG"); file != "" {
		if abs, err := filepath.Abs(file); err == nil {
			env = process.Setenv(env, "ESMTPQ_CONFIG", abs)
		}
	}
	return env
}
