package deliver

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/queue/spool"
)

// ends are the signals that ask a process to end. They are taken even where the caller ignored
// them: mutt and cron do, for themselves.
var ends = [...]os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM}

// interruptible returns a context that ends with the first of these signals.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), ends[:]...)
}

// outlive keeps the process from being killed by a write: to a file that has grown too large, or
// to a reader of ours that has gone away. The signals are taken rather than ignored: what a
// delivery runs would inherit that.
func outlive() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGXFSZ, syscall.SIGPIPE)
}

// sleep is the first half of the background process that sendmail leaves behind. It returns the
// lock, to be closed before the queue is looked at: whoever finds it taken relies on being seen.
// It is nil where another one sleeps. A signal ends the sleep, and the run begins: at the end of a
// session or of a job, the mail that was slept for still goes out. The next signal ends the run,
// by ctx.
func sleep(q *spool.Queue, delay time.Duration) (ctx context.Context, stop func(), lock *os.File, err error) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, ends[:]...)
	defer signal.Stop(asked) // not before they are taken for ctx
	if lock, err = wakeupLock(q); lock == nil {
		return nil, nil, nil, err
	}
	select {
	case <-time.After(delay):
	case <-asked:
	}
	ctx, stop = interruptible()
	return ctx, stop, lock, nil
}

// wakeupLock returns the lock of the one sleeper: the one that the submission has handed over, or a
// new one.
func wakeupLock(q *spool.Queue) (*os.File, error) {
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
	return lock, nil
}
