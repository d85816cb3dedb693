package stage

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Peak is Finish, and returns the most memory that the program had, in MiB. It is looked up while the
// program runs: what the system says of a process that has ended includes its parent, which shares
// its memory with it until the program is loaded (Linux), and a test with the race detector has much.
func Peak(t testing.TB, cmd *exec.Cmd, stdin string) (Result, int) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pid")
	cmd.Args = append([]string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, file, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = shell
	stop, peak := make(chan struct{}), make(chan int)
	go func() {
		most := 0
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(time.Millisecond):
				most = max(most, highWater(file))
			}
		}
	}()
	r := Finish(t, cmd, stdin)
	close(stop)
	most := <-peak
	if most == 0 {
		t.Error("the memory of the program was never seen")
	}
	return r, most >> 10
}

// highWater returns the most memory of a running program, in KiB, by the file with its number; 0 if it
// does not run.
func highWater(file string) (kib int) {
	pid, err := os.ReadFile(file)
	if err != nil || len(pid) == 0 {
		return 0
	}
	f, err := os.Open("/proc/" + strings.TrimSpace(string(pid)) + "/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if lines.Text() == "Name:\tsh" {
			return 0
		}
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kib); n == 1 {
			return kib
		}
	}
	return 0
}
