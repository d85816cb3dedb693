package main

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/queue/spool"
)

// sleep is the first half of the background process that sendmail leaves behind. It returns the
// lock, to be closed before the queue is looked at: whoever finds it taken relies on being seen.
func sleep(q *spool.Queue, delay time.Duration) (*os.File, error) {
	lock := os.NewFile(submit.WakeupFD, "wakeup lock")
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
