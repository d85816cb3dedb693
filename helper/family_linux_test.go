package helper

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// forms are ways in which programs get away from the process group of the shell that called them.
var forms = []struct {
	name, line string
	mark       bool // only with a mark
}{
	{"in the group", `sleep 600 & echo ready >&3; wait`, false},
	{"deaf to SIGTERM", `trap '' TERM; echo ready >&3; while :; do sleep 600; done`, false},
	{"a child that is deaf", `(trap '' TERM; sleep 600) & echo ready >&3; wait`, false},
	{"a group of its own", `timeout 600 sh -c 'echo ready >&3; sleep 600'`, false},
	{"and in a pipeline", `cat /dev/zero | timeout 600 sh -c 'echo ready >&3; sleep 600'; exit 0`, false},
	{"a group of a group", `timeout 600 timeout 600 sh -c 'trap "" TERM; echo ready >&3; while :; do sleep 600; done'`, false},
	{"orphaned", `(timeout 600 sh -c 'trap "" TERM; echo ready >&3; while :; do sleep 600; done' &); sleep 600`, false},
	{"a session of its own", `setsid sh -c 'echo ready >&3; sleep 600'; :`, false},
	{"below one", `setsid sh -c 'timeout 600 sh -c "echo ready >&3; sleep 600"; :'; :`, false},
	{"stopped", `sh -c 'echo ready >&3; kill -STOP $$; sleep 600'; :`, false},
	{"one that multiplies", `echo ready >&3; while :; do sleep 600 & sleep 0.01; done`, false},
	{"a daemon", `setsid -f sh -c 'trap "" TERM; echo ready >&3; while :; do sleep 600; done'; sleep 600`, true},
	{"a daemon's daemon", `setsid -f sh -c 'setsid -f sh -c "echo ready >&3; sleep 600"'; sleep 600`, true},
}

func TestAllThatItStartedIsEnded(t *testing.T) {
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			ready := newFIFOPath(t)
			c := Shell(`exec 3>"$OUR_FIFO"; ` + form.line)
			c.Env = []string{"OUR_FIFO=" + ready.path}
			if form.mark {
				c.Mark = "test " + strconv.Itoa(os.Getpid()) + " " + form.name
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p, err := c.Start(ctx)
			if err != nil {
				t.Fatal(err)
			}
			ready.line(t)
			cancel()
			if exit := p.Exit(); exit.Stopped != context.Canceled || len(exit.Left) > 0 {
				t.Errorf("%+v", exit)
			}
			ready.ended(t)
		})
	}
}

// A process that has made itself a daemon serves others than the command that started it.
func TestADaemonWithoutAMarkIsLeft(t *testing.T) {
	daemon := newFIFO(t)
	p, err := Shell(`setsid -f sh -c 'exec 3>"$FIFO"; echo $$ >&3; exec sleep 600'; sleep 600`).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(daemon.line(t)))
	// Its parent, setsid, is gone by then or goes now.
	for parent := readParent(t, pid); parent != 1 && parent != 0 && readSession(t, parent) == p.cmd.Process.Pid; parent = readParent(t, pid) {
		time.Sleep(time.Millisecond)
	}
	p.End()
	if !daemon.open(t) {
		t.Error("the daemon was ended")
	}
	syscall.Kill(pid, syscall.SIGKILL)
	daemon.ended(t)
}

func readParent(t *testing.T, pid int) int {
	t.Helper()
	p, ok := readProc(pid)
	if !ok {
		t.Fatalf("process %d is gone", pid)
	}
	return p.parent
}

func readSession(t *testing.T, pid int) int {
	t.Helper()
	p, _ := readProc(pid)
	return p.session
}

// The end of one command affects no other command, and nothing else that we have started.
func TestOthersAreLeftAlone(t *testing.T) {
	other := exec.Command("sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	var ps []*Process
	for _, mark := range []string{"test A1", "test A1 bob", "test A10", ""} {
		c := Shell("timeout 600 sleep 600; exit 0")
		c.Mark = mark
		p, err := c.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	ps[0].End()
	for _, p := range ps[1:] {
		if living := (&family{root: p.cmd.Process.Pid, exited: p.exited}).living(); len(living) == 0 {
			t.Errorf("%q was ended, too", p.c.Mark)
		}
		p.End()
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Error(err)
	}
}

// The command of a run that was killed is found by its mark.
func TestEndMarked(t *testing.T) {
	gone := newFIFO(t)
	mark := "test " + strconv.Itoa(os.Getpid()) + " left"
	c := Shell(`exec 3>"$FIFO"; setsid -f timeout 600 sh -c 'echo ready >&3; sleep 600'`)
	c.Mark = mark
	run(t, c)
	gone.line(t)
	if marks := Marks(); !marks[mark] {
		t.Errorf("marks: %v", marks)
	}
	if err := EndMarked(mark[:len(mark)-1]); err != nil || !gone.open(t) {
		t.Errorf("a part of a mark: %v", err)
	}
	if err := EndMarked(mark); err != nil {
		t.Error(err)
	}
	gone.ended(t)
	if marks := Marks(); marks[mark] {
		t.Errorf("marks: %v", marks)
	}
	if err := EndMarked(mark); err != nil {
		t.Errorf("where nothing has it: %v", err)
	}
	if EndMarked("") == nil {
		t.Error("no mark is one")
	}
}

// Once the program is reaped, another process may have its number.
func TestANumberThatIsAnothersNow(t *testing.T) {
	stranger := exec.Command("sleep", "600")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait()
	defer stranger.Process.Kill()
	exited := make(chan struct{})
	close(exited)
	f := &family{root: stranger.Process.Pid, exited: exited}
	if living := f.living(); len(living) > 0 {
		t.Errorf("taken for its own: %v", living)
	}
}

func TestReadProc(t *testing.T) {
	p, ok := readProc(os.Getpid())
	if !ok || p.parent != os.Getppid() || p.dead || p.start == "" {
		t.Errorf("%+v, %t", p, ok)
	}
	if sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0); errno == 0 && p.session != int(sid) {
		t.Errorf("session %d, not %d", p.session, sid)
	}
	if _, ok := readProc(1 << 30); ok {
		t.Error("a process that cannot be")
	}
}
