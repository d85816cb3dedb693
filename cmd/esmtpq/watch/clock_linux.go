package watch

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A clock waits for a time of day, and tells when the clock is set or the machine wakes: a timer of
// the kernel does both (timerfd_create(2)), at no cost while it waits.
type clock struct {
	f      *os.File
	events chan event
	armed  time.Time // the time that is waited for; zero for none
}

func newClock() (*clock, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	c := &clock{f: os.NewFile(uintptr(fd), "clock"), events: make(chan event)}
	if err := c.arm(time.Time{}); err != nil && err != errClockSet {
		c.f.Close()
		return nil, err
	}
	go c.read()
	return c, nil
}

// arm waits for a time instead of the one before; for none, if it is zero. If the clock has been set
// meanwhile, the timer is armed all the same, and that is the error.
func (c *clock) arm(t time.Time) error {
	c.armed = t
	var spec unix.ItimerSpec
	if !t.IsZero() {
		// Whole seconds are enough, and a time that has passed comes at once; 0 would disarm the timer.
		seconds := min(max(t.Unix(), 1), 1<<33) // as nanoseconds, a number of 64 bits
		if t.Nanosecond() > 0 {
			seconds++
		}
		spec.Value = unix.NsecToTimespec(seconds * int64(time.Second))
	}
	raw, err := c.f.SyscallConn()
	if err != nil {
		return err
	}
	raw.Control(func(fd uintptr) {
		err = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &spec, nil)
	})
	if errors.Is(err, unix.ECANCELED) {
		return errClockSet
	}
	return os.NewSyscallError("timerfd_settime", err)
}

// read hands on what happens.
func (c *clock) read() {
	b := make([]byte, 8)
	slept := asleep()
	for {
		_, err := c.f.Read(b)
		switch {
		case err == nil:
			c.events <- expired
		case errors.Is(err, syscall.ECANCELED):
			before := slept
			if slept = asleep(); slept-before > time.Second {
				c.events <- resumed
			} else {
				c.events <- stepped
			}
		default:
			return
		}
	}
}

// asleep returns how long the machine has slept since it was started.
func asleep() time.Duration {
	var with, without unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &with) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &without) != nil {
		return 0
	}
	return time.Duration(with.Nano() - without.Nano())
}
