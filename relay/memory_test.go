package relay

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// Two runs that know a host from before do not undo what the other learns of it meanwhile.
func TestTwoRunsLearn(t *testing.T) {
	dir := StateAt(t.TempDir())
	run := func() *memory { return &memory{state: dir, key: "mx"} }
	first := run()
	first.learn("print", func(k *known) { k.Drains, k.Lost = true, 1 })
	second := run()
	second.recall("print")
	first.learn("print", func(k *known) { k.NoChunks, k.Lost = "refused", 0 })
	first.learn("print", func(k *known) { k.Recipients = 100 })
	second.learn("print", func(k *known) { k.Rides = true })
	for name, m := range map[string]*memory{"the second run": second, "a later one": run()} {
		k := m.recall("print")
		if k.NoChunks != "refused" || k.Recipients != 100 || !k.Rides || !k.Drains || k.Lost != 0 {
			t.Errorf("%s knows %+v", name, k)
		}
	}
	// What is known of the host as it was before is not mixed with what it is now.
	second.learn("other", func(k *known) { k.Steady = true })
	if k := run().recall("other"); k.NoChunks != "" || !k.Steady {
		t.Errorf("of the changed host is known %+v", k)
	}
}

// What cannot be written down is known for the run all the same.
func TestMemoryWithoutADirectory(t *testing.T) {
	m := &memory{state: StateAt(t.TempDir() + "/no/such"), key: "mx"}
	m.learn("print", func(k *known) { k.Rides = true })
	m.learn("print", func(k *known) { k.Recipients = 100 })
	if k := m.recall("print"); !k.Rides || k.Recipients != 100 {
		t.Errorf("%+v", k)
	}
}

// Processes and goroutines that write the files at the same time lose nothing of each other's.
func TestStateOfManyWriters(t *testing.T) {
	const writers, facts = 3, 8
	if dir := os.Getenv("ESMTPQ_TEST_STATE"); dir != "" {
		lockTime = time.Minute // however busy the machine is
		for n := range facts {
			m := &memory{state: StateAt(dir), key: fmt.Sprintf("host%d.%s", n, os.Getenv("ESMTPQ_TEST_NAME"))}
			m.learn("print", func(k *known) { k.Rides = true })
		}
		return
	}
	dir := t.TempDir() + "/state"
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestStateOfManyWriters$")
			cmd.Env = append(os.Environ(), "ESMTPQ_TEST_STATE="+dir, fmt.Sprintf("ESMTPQ_TEST_NAME=%d", i))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	if got := len((&memory{state: StateAt(dir)}).load()); got != writers*facts {
		t.Errorf("of %d facts are left %d", writers*facts, got)
	}
	files, err := os.ReadDir(dir)
	if i := slices.IndexFunc(files, func(f os.DirEntry) bool { return f.Name() != memoryFile }); err != nil || i >= 0 {
		t.Errorf("%v, %v is left", err, files)
	}
}

// A lock that somebody keeps does not keep the mail waiting.
func TestStateLocked(t *testing.T) {
	dir := StateAt(t.TempDir())
	dir.lock() // and never lets go
	stateMu.Unlock()
	start := time.Now()
	m := &memory{state: dir, key: "mx"}
	m.learn("print", func(k *known) { k.Rides = true })
	if took := time.Since(start); took > 5*lockTime || !m.recall("print").Rides {
		t.Errorf("%v: %+v", took, m.run)
	}
}
