package helper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run runs a shell line that must be able to start.
func run(t *testing.T, c *Command) *Exit {
	t.Helper()
	exit, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return exit
}

func TestHowACommandEnds(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"exit 0", ""},
		{"exit 3", "x: exit status 3"},
		{"echo first; echo 'no route' >&2; exit 255", "x: exit status 255: first; no route"},
		{"printf 'a\\r\\n\\nb\\r\\n' >&2; exit 1", "x: exit status 1: a; b"},
		{"kill -KILL $$", "x: ended by signal: killed"},
		{"cat; test -c /dev/stdin", ""}, // standard input exists, is a device, and is empty
		{"nosuchcommandanywhere 2>/dev/null", "x: exit status 127"},
	} {
		err := run(t, Shell(test.line)).Err("x")
		if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
			t.Errorf("%q: %s, want %q", test.line, got, test.want)
		}
	}
}

func TestParametersAreNoPartOfTheLine(t *testing.T) {
	if exit := run(t, Shell(`printf '%s\n' "$#" "$@"`, "a b", "$(id)", "")); exit.Output != "3\na b\n$(id)" {
		t.Errorf("printed %q", exit.Output)
	}
}

func TestCannotBeStarted(t *testing.T) {
	if _, err := (&Command{Argv: []string{"./no-such-command"}, Stdin: strings.NewReader("x")}).Run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("not there: %v", err)
	}
	cause := errors.New("no more")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := Shell("exit 0").Run(ctx); err != cause {
		t.Errorf("after its time: %v", err)
	}
}

func TestWords(t *testing.T) {
	for output, want := range map[string]string{
		"": "", "a": "a", "a\nb": "a; b", "a\nb\nc": "b; c", strings.Repeat("x", 900): strings.Repeat("x", maxWords),
	} {
		if got := (&Exit{Output: output}).Words(); got != want {
			t.Errorf("%q: %q, want %q", output, got, want)
		}
	}
}

// A process that it puts into the background keeps its output open, and is wanted.
func TestBackgroundIsLeftAfterStatus0(t *testing.T) {
	back := newFIFO(t)
	c := Shell(`{ read word; echo "$word" >"$FIFO"; } <"$GO" & exit 0`)
	goOn := filepath.Join(t.TempDir(), "go")
	if err := syscall.Mkfifo(goOn, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Env = []string{"GO=" + goOn}
	if exit := run(t, c); !exit.OK() {
		t.Fatalf("%+v", exit)
	}
	go os.WriteFile(goOn, []byte("alive\n"), 0)
	if got := back.line(t); got != "alive\n" {
		t.Errorf("the background wrote %q", got)
	}
	back.ended(t)
}

func TestNothingIsLeftAfterAFailureNorOfOneThatIsAlone(t *testing.T) {
	for _, c := range []*Command{Shell(`exec 3>"$FIFO"; sleep 600 & timeout 600 sleep 600 & exit 1`), {
		Argv: []string{"/bin/sh", "-c", `exec 3>"$FIFO"; sleep 600 & timeout 600 sleep 600 & exit 0`}, Alone: true,
	}} {
		gone := newFIFO(t)
		run(t, c)
		gone.ended(t)
	}
}

func TestLimit(t *testing.T) {
	gone := newFIFO(t)
	c := Shell(`exec 3>"$FIFO"; echo working; sleep 600`)
	c.Limit = 200 * time.Millisecond
	exit := run(t, c)
	if err := exit.Err("x"); !errors.Is(err, context.DeadlineExceeded) || err.Error() != "x: not finished in time and stopped: working" {
		t.Errorf("%v", err)
	}
	gone.ended(t)
}

func TestPatienceOfAStop(t *testing.T) {
	ready := newFIFO(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	p, err := Shell(`exec 3>"$FIFO"; trap 'echo tidied up; exit 75' TERM; echo ready >&3; while :; do sleep 0.05; done`).Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ready.line(t)
	cause := errors.New("the person said so")
	cancel(cause)
	if exit := p.Exit(); exit.Status != 75 || exit.Stopped != cause || !strings.HasSuffix(exit.Output, "tidied up") || exit.How() != "stopped" {
		t.Errorf("%+v", exit)
	}
	ready.ended(t)
}

func TestWhatItSaidWhileItRuns(t *testing.T) {
	ready := newFIFO(t)
	p, err := Shell(`exec 3>"$FIFO"; echo 'a question?' >&2; echo ready >&3; sleep 600`).Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ready.line(t)
	if said := p.Said(); said != "a question?" {
		t.Errorf("said %q", said)
	}
	p.End()
	if said := p.Said(); said != "a question?" {
		t.Errorf("in the end said %q", said)
	}
}

func TestInput(t *testing.T) {
	large := strings.Repeat("0123456789abcde\n", 1<<16)
	var got bytes.Buffer
	for _, test := range []struct {
		line  string
		whole bool
		want  string
	}{
		{"cat", true, large},
		{"(cat) & exit 0", false, ""}, // a shell gives /dev/null to a background process
		{"exec 4<&0; (cat <&4) & exit 0", true, large},
		{"exit 0", false, ""},
		{"exec <&-; exit 0", false, ""},
		{"head -c 16", false, large[:16]},
		{"exit 1", false, ""},
	} {
		got.Reset()
		c := Shell(test.line)
		c.Stdin, c.Stdout = strings.NewReader(large), &got
		exit := run(t, c)
		if exit.Whole != test.whole || exit.InputErr != nil || got.String() != test.want || exit.OK() == (test.line == "exit 1") {
			t.Errorf("%s: %d octets, %+v", test.line, got.Len(), exit)
		}
	}
}

// When the input breaks off, the command is gone before the pipe ends, so that it sees no end.
func TestInputThatFailsHasNoEnd(t *testing.T) {
	damage := errors.New("damaged")
	for _, line := range []string{
		`cat >/dev/null; echo end >"$OUT"`,
		`trap '' TERM HUP; cat >/dev/null; echo end >"$OUT"`,
		`exec 4<&0; (cat <&4 >/dev/null; echo end >"$OUT") & exit 0`,
		`exec 4<&0; timeout 600 sh -c 'cat <&4 >/dev/null; echo end >"$OUT"'`,
		`exec 4<&0; setsid sh -c 'cat <&4 >/dev/null; echo end >"$OUT"'; :`,
	} {
		out := filepath.Join(t.TempDir(), "out")
		c := Shell(line)
		c.Env = []string{"OUT=" + out}
		c.Stdin = io.MultiReader(strings.NewReader("text"), failing{damage})
		if exit := run(t, c); exit.InputErr != damage || exit.Whole {
			t.Errorf("%s: %+v", line, exit)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: saw an end", line)
		}
	}
}

// The same, seen from the pipe: it is open when the command is told to end.
func TestPipeIsOpenWhenTheInputFails(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	f := &feeding{pipe: w, done: make(chan struct{})}
	told := 0
	f.run(failing{io.ErrUnexpectedEOF}, func(cause error) {
		told++
		r.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if n, err := r.Read(make([]byte, 1)); cause != errInput || n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v; read %d octets, %v", cause, n, err)
		}
	})
	if told != 1 || f.whole || f.err != io.ErrUnexpectedEOF {
		t.Errorf("told %d times, %+v", told, f)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestOutputIsBounded(t *testing.T) {
	exit := run(t, Shell(`i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done; exit 1`))
	if n := len(exit.Output); n > maxOutput || n < 900 || !strings.HasPrefix(exit.Output, "line 2") || !strings.HasSuffix(exit.Output, "\nline 2999") {
		t.Errorf("%d octets: %q", n, exit.Output)
	}
	f, err := openOutput()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Write(make([]byte, maxFile))
	bound(f)
	if info, _ := f.Stat(); info.Size() != maxFile {
		t.Errorf("%d octets of a file that is not too large", info.Size())
	}
	io.WriteString(f, "more\n")
	bound(f)
	if info, _ := f.Stat(); info.Size() != 0 {
		t.Errorf("%d octets are kept of one that is", info.Size())
	}
	io.WriteString(f, "the last\n")
	if got := lastLines(f); got != "the last" {
		t.Errorf("after too much: %q", got)
	}
}

// A program that may not write a file as large as its output gets the signal for that, as
// elsewhere.
func TestOutputOverTheLimitOfFiles(t *testing.T) {
	exit := run(t, Shell(`(ulimit -f 1; head -c 100000 /dev/zero | tr '\0' x); echo; echo "$?"; exit 5`))
	if exit.Status != 5 || !strings.HasSuffix(exit.Output, "\n0") {
		t.Errorf("%+v", exit)
	}
	if exit := run(t, Shell(`ulimit -f 1; while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done`)); exit.Signal != syscall.SIGXFSZ {
		t.Errorf("%+v", exit)
	}
}

func TestItsSurroundings(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := syscall.Dup(int(file.Fd())) // a duplicate stays open on exec
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	for _, line := range []string{
		fmt.Sprintf("test ! -e /dev/fd/%d", fd),
		`test "$(pwd -P)" = "$(cd "$HOME" && pwd -P)"`,
		`test "$PWD" = "$HOME"`,
		`! (: </dev/tty) 2>/dev/null`, // no terminal to ask at
		`echo out && echo err >&2`,
		`echo out >/dev/stderr && echo more`,
	} {
		if exit := run(t, Shell(line)); !exit.OK() {
			t.Errorf("%s: %+v", line, exit)
		}
	}
	t.Setenv("HOME", dir+"/gone")
	if exit := run(t, Shell(`test "$(pwd)" = /`)); !exit.OK() {
		t.Errorf("without a home: %+v", exit)
	}
}

func TestEnvironmentWhereThereIsNone(t *testing.T) {
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, "x") // so that it is restored
		os.Unsetenv(name)
	}
	c := &Command{Argv: []string{"sh", "-c", `echo "$PATH"; echo "$HOME"; echo "$USER"; echo "$LOGNAME"; id -un`}}
	lines := strings.Split(run(t, c).Output, "\n")
	if len(lines) != 5 || lines[0] != defaultPath || !filepath.IsAbs(lines[1]) || lines[2] != lines[4] || lines[3] != lines[4] {
		t.Errorf("%q", lines)
	}
	t.Setenv("PATH", "/bin:/usr/bin")
	t.Setenv("USER", "somebody")
	if got := run(t, Shell(`echo $PATH $USER`)).Output; got != "/bin:/usr/bin somebody" {
		t.Errorf("what is there was changed: %s", got)
	}
}

func TestRuntimeDirectory(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, fmt.Sprint(os.Geteuid()))
	if got := runtimeDir(parent); got != "" {
		t.Errorf("none there: %q", got)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := runtimeDir(parent); got != dir {
		t.Errorf("ours: %q", got)
	}
	os.Chmod(dir, 0o755)
	if got := runtimeDir(parent); got != "" {
		t.Errorf("open to others: %q", got)
	}
	os.Remove(dir)
	os.Symlink(t.TempDir(), dir)
	if got := runtimeDir(parent); got != "" {
		t.Errorf("a link: %q", got)
	}
	if os.Geteuid() == 0 {
		os.Remove(dir)
		os.Mkdir(dir, 0o700)
		os.Chown(dir, 65534, 65534)
		if got := runtimeDir(parent); got != "" {
			t.Errorf("somebody else's: %q", got)
		}
	}
}

func TestOutput(t *testing.T) {
	stdout, words, err := Output(t.Context(), `echo one >&2; echo locked >&2; echo s3cret; exit 2`)
	if string(stdout) != "s3cret\n" || words != "locked" || err == nil || err.Error() != "exit status 2" {
		t.Errorf("%q, %q, %v", stdout, words, err)
	}
	stdout, words, err = Output(t.Context(), `yes s3cret | head -c 1000000`)
	if len(stdout) != maxPrinted || words != "" || err != nil {
		t.Errorf("%d octets, %q, %v", len(stdout), words, err)
	}
	stdout, _, err = Output(t.Context(), `sleep 600 & echo $!`) // an agent that keeps it open
	var pid int
	fmt.Sscan(string(stdout), &pid)
	if err != nil || pid == 0 || syscall.Kill(pid, syscall.SIGKILL) != nil {
		t.Errorf("%q, %v: the agent is gone", stdout, err)
	}
}

func TestNoZombies(t *testing.T) {
	before := runtimeZombies(t)
	for range 3 {
		run(t, Shell("sleep 600 & exit 1"))
		run(t, Shell("exit 0"))
	}
	if n := runtimeZombies(t); n > before {
		t.Errorf("%d zombies, %d before", n, before)
	}
}

// runtimeZombies counts the dead children of this process.
func runtimeZombies(t *testing.T) (n int) {
	t.Helper()
	out, err := exec.Command("ps", "-o", "stat=", "--ppid", fmt.Sprint(os.Getpid())).Output()
	if err != nil {
		t.Skip("no ps:", err)
	}
	return strings.Count(string(out), "Z")
}

// What a command prints in a loop does not fill the memory.
func TestOutputWithoutEnd(t *testing.T) {
	c := Shell("exec yes")
	c.Limit = time.Second
	p, err := c.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	largest := int64(0)
	for {
		select {
		case <-p.Done():
			if largest > 256<<20 {
				t.Errorf("%d octets of output were kept", largest)
			}
			return
		default:
			if info, err := p.output.Stat(); err == nil {
				largest = max(largest, info.Size())
			}
		}
	}
}
