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

// BackgroundFlag makes deliver the background process that sendmail starts. The delay follows the
// flag; descriptor 3 is the lock of the sleeper.
const BackgroundFlag = "--background"

// WakeupFD is the descriptor of the sleeper's lock in the background process.
const WakeupFD = 3

// StartSleeper sees to the delivery of a message that is in the queue: the watcher learns of it, or
// else there is a background process that waits for more mail and then delivers, unless one is waiting
// already. If it cannot be started, that is no reason to refuse a durable message: a later deliver
// sends it.
func StartSleeper(q *spool.Queue, home string, delay time.Duration) {
	if ownConfiguration(home) || !q.Poke(delay) {
		startSleeper(q, home, delay)
	}
}

// ownConfiguration reports whether our environment names a configuration, which the watcher's need
// not.
func ownConfiguration(home string) bool {
	dir := os.Getenv("XDG_CONFIG_HOME")
	return os.Getenv("ESMTPQ_CONFIG") != "" || dir != "" && dir != filepath.Join(home, ".config")
}

func startSleeper(q *spool.Queue, home string, delay time.Duration) {
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
	// It has a session of its own and none of the caller's files: a caller that reads our output
	// to its end must not wait for it.
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
// was found and without relative paths.
func childEnv(home string) []string {
	env := process.Setenv(os.Environ(), "HOME", home)
	// If a delivery agent has called us, its run must neither end this process nor wait for it.
	env = process.Unsetenv(env, inherit.MarkName)
	if file := os.Getenv("ESMTPQ_CONFIG"); file != "" {
		if abs, err := filepath.Abs(file); err == nil {
			env = process.Setenv(env, "ESMTPQ_CONFIG", abs)
		}
	}
	return env
}
