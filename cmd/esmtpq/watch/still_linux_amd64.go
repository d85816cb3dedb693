package watch

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The runtime of Go has a thread that looks after the others. Once a process is idle it wakes up every
// minute to see whether the memory should be cleaned up, and nothing turns that off. While there is
// nothing to do, it has nothing to look after: so it is kept in the handler of a signal until something
// has happened, and goes on then as if it had slept. It is sent there only while it sleeps, when it
// holds no lock of the runtime. If any of this does not come about, there is a wake-up a minute.

// stillSignal is the signal. Nobody sends it.
const stillSignal = 63

// These are shared with the handler.
var (
	keepStill uint32 // 1 while the thread is to stay
	isStill   uint32 // 1 while it is there
	sleepsAt  uint64 // the address at which it sleeps; anywhere else the handler does nothing
)

// handler stays until keepStill is 0. It runs in signal context, without a stack of Go.
//
//lint:ignore U1000 the assembly has its address
func handler()

// restorer returns from a signal.
//
//lint:ignore U1000 the assembly has its address
func restorer()

// addresses returns those of the two.
func addresses() (handler, restorer uintptr)

// sigaction is the kernel's.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	saSiginfo  = 0x4
	saRestorer = 0x04000000
	saOnStack  = 0x08000000
	saRestart  = 0x10000000
)

// A still keeps that thread still.
type still struct{ installed, useless bool }

var stillness still

const (
	stillTries = 40
	stillPause = 2 * time.Millisecond
)

// enter keeps the thread still.
func (s *still) enter() {
	if s.useless || !s.install() {
		return
	}
	last := ""
	for range stillTries {
		time.Sleep(stillPause)
		tid, at := sleeper()
		if tid == "" || tid != last {
			last = tid
			continue
		}
		if n, err := strconv.Atoi(tid); err == nil && s.send(n, at) {
			return
		}
		last = ""
	}
	s.useless = true // as in a sandbox that shows no threads
}

// install installs the handler.
func (s *still) install() bool {
	if s.installed {
		return true
	}
	a := sigaction{flags: saSiginfo | saRestorer | saOnStack | saRestart, mask: ^uint64(0)}
	a.handler, a.restorer = addresses()
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, stillSignal, uintptr(unsafe.Pointer(&a)), 0, 8, 0, 0)
	s.installed, s.useless = errno == 0, errno != 0
	return s.installed
}

// send sends a thread there, and reports whether it has come.
func (s *still) send(tid int, at uint64) bool {
	atomic.StoreUint64(&sleepsAt, at)
	atomic.StoreUint32(&keepStill, 1)
	if unix.Tgkill(os.Getpid(), tid, stillSignal) == nil {
		for range 10 {
			time.Sleep(100 * time.Microsecond)
			if atomic.LoadUint32(&isStill) == 1 {
				return true
			}
		}
	}
	s.leave()
	return false
}

// leave lets it go on.
func (s *still) leave() {
	if atomic.SwapUint32(&keepStill, 0) == 0 {
		return
	}
	const wakePrivate = 1 | 128
	unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&keepStill)), wakePrivate, 1, 0, 0, 0)
	for range 100 {
		if atomic.LoadUint32(&isStill) == 0 {
			return
		}
		runtime.Gosched()
	}
}

// sleeper returns the one thread that sleeps for a time, and at which address; "" if there is not
// exactly one.
func sleeper() (tid string, at uint64) {
	dir, err := os.Open("/proc/self/task")
	if err != nil {
		return "", 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		b, err := os.ReadFile("/proc/self/task/" + name + "/syscall")
		if err != nil {
			return "", 0
		}
		// number, six arguments, stack pointer, program counter
		f := strings.Fields(string(b))
		if len(f) != 9 || !sleeps(f) {
			continue
		}
		if tid != "" {
			return "", 0
		}
		tid = name
		at, _ = strconv.ParseUint(strings.TrimPrefix(f[8], "0x"), 16, 64)
	}
	return tid, at
}

// sleeps reports whether a system call is one that ends after a time: nanosleep, or a futex with one.
func sleeps(call []string) bool {
	switch call[0] {
	case strconv.Itoa(unix.SYS_NANOSLEEP):
		return true
	case strconv.Itoa(unix.SYS_FUTEX):
		return call[2] == "0x80" && call[4] != "0x0"
	}
	return false
}
