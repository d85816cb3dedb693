package spool

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// On btrfs, several entries are recorded as sent by the memory: they are known by their birth, and a
// copy of one is not taken for it.
func TestRecordedTogetherByTheMemory(t *testing.T) {
	asBtrfs := func(q *Queue) *Queue {
		q.asked, q.kind = true, unix.BTRFS_SUPER_MAGIC
		return q
	}
	q := asBtrfs(newQueue(t))
	var all []Attempt
	var ids []string
	for range batchWorth {
		ids = append(ids, submit(t, q, "a@example.com"))
		e, err := q.OpenEntry(ids[len(ids)-1])
		if err != nil {
			t.Fatal(err)
		}
		if e.msg.birth == 0 {
			t.Skip("this file system does not tell when a file was made")
		}
		all = append(all, attempt(e, taken)...)
	}
	partly := submit(t, q, "a@example.com", "b@example.com")
	e, err := q.OpenEntry(partly)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, attempt(e, taken, later)...)
	backup := t.TempDir() + "/backup"
	if out, err := exec.Command("cp", "-a", q.path(ids[0]), backup).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, err := range q.RecordAll(all, time.Now()) {
		if err != nil {
			t.Error(err)
		}
	}
	if q.memory.dirty {
		t.Error("a record is not synced")
	}
	for _, a := range all { // the run dies
		a.Entry.Close()
	}
	next := asBtrfs(again(t, q))
	for _, id := range ids {
		if m, err := next.Read(id); err != nil || !m.Served() || m.Held {
			t.Errorf("%+v, %v", m, err)
		}
	}
	if m := read(t, next, partly); letters(m) != "rd" || m.Held {
		t.Errorf("%+v", m)
	}
	if e, err = next.OpenEntry(ids[0]); err != nil || !e.msg.Served() {
		t.Fatalf("%+v, %v", e, err)
	}
	if err := e.Remove(); err != nil {
		t.Error(err)
	}
	if err := os.Rename(backup, q.path(ids[0])); err != nil {
		if out, err := exec.Command("cp", "-a", backup, q.path(ids[0])).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, reader := range []*Queue{next, asBtrfs(again(t, q))} {
		if m, err := reader.Read(ids[0]); err != nil || m.Served() || !m.Held {
			t.Errorf("put back: %+v, %v", m, err)
		}
	}
}
