package spool

import (
	"os"
	"testing"
	"time"
)

// Recipients of a delivery, and what became of them.
func TestCompletedBy(t *testing.T) {
	for _, c := range []struct {
		letters string // before
		indexes []int
		reports []Report
		want    bool
	}{
		{"-", []int{0}, []Report{relayed}, true},
		{"s", []int{0}, []Report{busy}, false},
		{"rs", []int{1}, []Report{relayed}, true},
		{"-s", []int{1}, []Report{relayed}, false},
		{"fs", []int{1}, []Report{relayed}, false},
		{"srsl", []int{0, 2}, []Report{relayed, relayed}, true},
		{"srsl", []int{0, 2}, []Report{relayed, unknownUser}, false},
		{"rl", []int{0, 1}, []Report{busy, busy}, true}, // what is done stays done
	} {
		e := &Entry{msg: &Message{}}
		for _, letter := range c.letters {
			e.msg.Progress = append(e.msg.Progress, Progress{State: State(letter)})
		}
		if got := e.completedBy(c.indexes, c.reports); got != c.want {
			t.Errorf("%s, %v: %v", c.letters, c.indexes, got)
		}
	}
}

// relayedAll opens entries and records that all their recipients are served.
func relayedAll(t *testing.T, q *Queue, ids []string) []Attempt {
	t.Helper()
	var all []Attempt
	for _, id := range ids {
		e, err := q.OpenEntry(id)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		all = append(all, Attempt{Entry: e, Recipients: []int{0}, Reports: []Report{relayed}})
	}
	for i, err := range q.RecordAll(all, time.Now()) {
		if err != nil || !all[i].Entry.Served() {
			t.Errorf("message %d: recorded %v, %v", i, all[i].Entry.Served(), err)
		}
	}
	return all
}

// An entry that cannot get its last name is recorded in its envelope.
func TestBatchWithANameTaken(t *testing.T) {
	q := newQueue(t)
	var ids []string
	for range batchWorth + 1 {
		ids = append(ids, submit(t, q, "a@example.com"))
	}
	if err := os.MkdirAll(q.Dir+"/"+sentPrefix+ids[1]+"/in the way", 0o700); err != nil {
		t.Fatal(err)
	}
	for i, a := range relayedAll(t, q, ids) {
		if renamed := a.Entry.name != ids[i]; renamed != (i != 1) {
			t.Errorf("message %d: renamed %v", i, renamed)
		}
	}
	if got := letters(read(t, q, ids[1])); got != "r" {
		t.Errorf("the one that keeps its name: %q", got)
	}
}

// A few entries are recorded in their envelopes, so that the names in the queue directory stay.
func TestFewAreRecordedEach(t *testing.T) {
	q := newQueue(t)
	var ids []string
	for range batchWorth - 1 {
		ids = append(ids, submit(t, q, "a@example.com"))
	}
	relayedAll(t, q, ids)
	wantNames(t, q.Dir, ids...)
}
