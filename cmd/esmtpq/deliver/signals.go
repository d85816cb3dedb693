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

// ends are the signals that ask a process to end. They are taken even if the caller ignores them,
// as mutt and cron do.
var ends = [...]os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM}

// interruptible returns a context that ends with the first of these signals.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), ends[:]...)
}

// outlive prevents that a write kills the process: to a file that has grown too large, or to a
// reader that has gone away. The signals are not ignored, since the programs that a delivery runs
// would inherit that.
func outlive() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGXFSZ, syscall.SIGPIPE)
}

// opensBefore is how long before the end of the sleep sessions are opened: a slow link needs some
// seconds for that, and hosts do not wait for mail for long.
const opensBefore = 5 * time.Second

// pause waits, and reports whether it was cut short.
func pause(d time.Duration, asked <-chan os.Signal) bool {
	if d <= 0 {
		return false
	}
	select {
	case <-time.After(d):
		return false
	case <-asked:
		return true
	}
}

// takeSignals returns a channel of the signals that ask the background process to end.
func takeSignals() chan os.Signal {
	asked := make(chan os.Signal, 2)
	signal.Notify(asked, ends[:]...)
	return asked
}

// sleep is the first half of the background process that sendmail starts. A signal ends the
// sleep, and the run begins: at the end of a session or of a job, the mail still goes out. The
// next signal ends the run, by cancel. meanwhile is called some seconds before the end of the
// sleep, and once more shortly before it.
//
// It returns whether there was a signal, and a function for the end of the run.
func sleep(delay time.Duration, asked chan os.Signal, meanwhile func(), cancel context.CancelFunc) (woken bool, stop func()) {
	early := min(delay, opensBefore)
	for _, d := range [...]time.Duration{delay - early, early - early/4} {
		if pause(d, asked) {
			early, woken = 0, true
			break
		}
		meanwhile()
	}
	woken = pause(early/4, asked) || woken
	done := make(chan struct{})
	go func() {
		select {
		case <-asked:
			cancel()
		case <-done:
		}
	}()
	return woken, func() { close(done) }
}

// wakeupLock returns the lock of the one sleeper: the lock that the submission has handed over,
// or a new one.
func wakeupLock(q *spool.Queue) (*os.File, error) {
	lock := os.NewFile(submit.WakeupFD, "wakeup lock")
	if !q.IsWakeup(lock) {
		// The command was typed by hand: descriptor 3 is something else, and stays as it is.
		runtime.SetFinalizer(lock, nil)
		var err error
		if lock, err = q.TryWakeup(); lock == nil {
			return nil, err
		}
	}
	syscall.CloseOnExec(int(lock.Fd()))
	return lock, nil
}
