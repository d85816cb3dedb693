//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A group is a control group for the processes of one program. Only it shows what daemons and
// their children take. The price is a look at /proc now and then.
type group struct {
	dir  string
	done chan struct{} // ends the watch
	seen chan memory   // what it saw
}

// memory is what processes had at most, in KiB.
type memory struct {
	one int64 // of any one process
	all int64 // together, with shared memory counted for each
}

// hierarchies are where control groups may be: the first with CPU time, version 1 and 2.
var hierarchies = []string{"/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"}

// newGroup makes a group. It returns nil if the machine does not allow that.
func newGroup(name string) *group {
	for _, h := range hierarchies {
		dir := filepath.Join(h, fmt.Sprintf("esmtpq-bench-%d-%s", time.Now().UnixNano(), name))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if g := (&group{dir: dir}); exists(filepath.Join(dir, "cgroup.procs")) && g.cpu() >= 0 {
			return g
		}
		os.Remove(dir)
	}
	return nil
}

// path is the directory of a group; "" for none.
func (g *group) path() string {
	if g == nil {
		return ""
	}
	return g.dir
}

// remove removes a group whose processes have ended.
func (g *group) remove() {
	if g != nil {
		os.Remove(g.dir)
	}
}

// cpu returns the seconds of CPU time that the processes of the group have taken; a negative
// number if they are not known.
func (g *group) cpu() float64 {
	if text, err := os.ReadFile(filepath.Join(g.dir, "cpuacct.usage")); err == nil {
		return number(string(text)) / 1e9
	}
	text, _ := os.ReadFile(filepath.Join(g.dir, "cpu.stat"))
	_, rest, _ := strings.Cut(string(text), "usage_usec ")
	used, _, _ := strings.Cut(rest, "\n")
	return number(used) / 1e6
}

func number(text string) float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return -1
	}
	return f
}

// watch begins to look at the memory of the group's processes.
func (g *group) watch() {
	g.done, g.seen = make(chan struct{}), make(chan memory)
	go func() {
		var most memory
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			now := g.memory()
			most = memory{max(most.one, now.one), max(most.all, now.all)}
			select {
			case <-tick.C:
			case <-g.done:
				g.seen <- most
				return
			}
		}
	}()
}

// taking begins to observe the group's processes. It returns a function that returns what they
// took: seconds of CPU time, KiB of the largest process and of all together.
func (g *group) taking() func() (cpu float64, one, all int64) {
	if g == nil {
		return func() (float64, int64, int64) { return 0, 0, 0 }
	}
	before := g.cpu()
	g.watch()
	return func() (float64, int64, int64) {
		close(g.done)
		most := <-g.seen
		return g.cpu() - before, most.one, most.all
	}
}

// memory looks at all processes of the group, once.
func (g *group) memory() (m memory) {
	text, _ := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	for pid := range strings.FieldsSeq(string(text)) {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil || strings.HasPrefix(string(status), "Name:\tonce\n") {
			continue // it has ended, or is ours
		}
		peak, now := statusKiB(string(status), "VmHWM"), statusKiB(string(status), "VmRSS")
		m.one, m.all = max(m.one, peak), m.all+now
	}
	return m
}

// statusKiB returns a value of /proc/PID/status; 0 if it is not there.
func statusKiB(status, key string) int64 {
	_, rest, _ := strings.Cut(status, "\n"+key+":")
	value, _, _ := strings.Cut(rest, "kB")
	return int64(max(number(value), 0))
}
