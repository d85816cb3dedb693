package queue

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"esmtpq/queue/spool"
)

// The due index says until when there is nothing to do about each entry that queue runs have left
// in the queue. With it, a background run opens only the entries that are due, and not 100 000
// that wait for a host. It is a cache, and an error in it delays mail by dueIndexTrust at most. A
// run that a person asks for opens everything, and so do all runs without the file, which may be
// deleted at any time.
//
// It is not used after an owner's command has changed an entry (spool.ForgetEdited), after the
// configuration has changed, or if the clock has been set back.
const (
	dueIndexFile = spool.DueIndexFile

	dueIndexVersion = 3
	// dueIndexTrust is how long an index is believed.
	dueIndexTrust = retryCeiling
	// dueIndexWorth is how many entries are worth an index: fewer are read faster than the index.
	dueIndexWorth = 256
	// maxDueIndex bounds the size of an index, in octets.
	maxDueIndex = 32 << 20
)

// A wait says until when there is nothing to do about an entry, and why.
type wait struct {
	until uint32 // Unix time
	why   int16  // the identity it waits for, in dueIndex.destinations; or one of these
	again bool   // it has failed by itself before
}

const (
	waitsOwner   int16 = -1 // held or failed: nothing is to be tried
	waitsItsTime int16 = -2 // its own next attempt is not due
	waitsRelease int16 = -3 // it is not to be sent before a time
)

// A dueLine is about one entry. There may be very many.
type dueLine struct {
	id uint64 // the queue ID as a number
	wait
}

// A dueIndex is the index as it was read.
type dueIndex struct {
	destinations []string
	lines        []dueLine     // by ID
	disposition  []disposition // of each, in this run
}

// A disposition is the decision of a run about an entry of the index.
type disposition byte

const (
	notThere disposition = iota // it was not in the queue
	waitsOn                     // it is in the queue, and its line holds
	over                        // it was opened to be changed
)

// dueIndexHead is the first line of the file. The records follow: the queue ID as a number, the
// seconds from Written until the end of the wait, the reason, and 1 for again; 8, 4, 2 and 2
// octets, big-endian.
type dueIndexHead struct {
	Version      int      `json:"version"`
	Written      int64    `json:"written"` // Unix time
	Setup        string   `json:"setup"`   // what routes and limits depend on
	Destinations []string `json:"destinations"`
	SHA256       string   `json:"sha256"` // of the records
}

const dueIndexRecord = 16

// readDueIndex returns the index, or an empty one if there is none that can be used.
func readDueIndex(q *spool.Queue, setup string, now time.Time) *dueIndex {
	x := &dueIndex{}
	f, err := q.OpenCache(dueIndexFile)
	if err != nil {
		return x
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() > maxDueIndex {
		return x
	}
	b := make([]byte, st.Size())
	n, err := io.ReadFull(f, b)
	if err != nil || !x.decode(b[:n], setup, now) {
		return &dueIndex{}
	}
	return x
}

// decode reads the file, and reports whether it may be used now.
func (x *dueIndex) decode(b []byte, setup string, now time.Time) bool {
	line, records, ok := bytes.Cut(b, []byte("\n"))
	var head dueIndexHead
	if !ok || json.Unmarshal(line, &head) != nil || head.Version != dueIndexVersion || head.Setup != setup {
		return false
	}
	age := now.Unix() - head.Written
	sum := sha256.Sum256(records)
	if age < 0 || age > int64(dueIndexTrust/time.Second) || len(records)%dueIndexRecord != 0 || hex.EncodeToString(sum[:]) != head.SHA256 {
		return false
	}
	n := len(records) / dueIndexRecord
	x.destinations, x.lines, x.disposition = head.Destinations, make([]dueLine, n), make([]disposition, n)
	for i := range n {
		r := records[i*dueIndexRecord:]
		seconds := min(binary.BigEndian.Uint32(r[8:]), uint32(dueIndexTrust/time.Second))
		l := dueLine{binary.BigEndian.Uint64(r), wait{uint32(head.Written) + seconds, int16(binary.BigEndian.Uint16(r[12:])), r[15] == 1}}
		if l.why < waitsRelease || int(l.why) >= len(x.destinations) || i > 0 && l.id <= x.lines[i-1].id {
			return false
		}
		x.lines[i] = l
	}
	return true
}

// encode returns the file.
func (x *dueIndex) encode(setup string, now time.Time) ([]byte, error) {
	records := make([]byte, 0, len(x.lines)*dueIndexRecord)
	for _, l := range x.lines {
		seconds := min(max(int64(l.until)-now.Unix(), 0), int64(dueIndexTrust/time.Second))
		records = binary.BigEndian.AppendUint64(records, l.id)
		records = binary.BigEndian.AppendUint32(records, uint32(seconds))
		records = binary.BigEndian.AppendUint16(records, uint16(l.why))
		again := byte(0)
		if l.again {
			again = 1
		}
		records = append(records, 0, again)
	}
	sum := sha256.Sum256(records)
	head, err := json.Marshal(dueIndexHead{dueIndexVersion, now.Unix(), setup, x.destinations, hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, err
	}
	return slices.Insert(records, 0, append(head, '\n')...), nil
}

// writeDueIndex replaces the index. One that is too short is not written.
func writeDueIndex(q *spool.Queue, x *dueIndex, setup string, now time.Time) error {
	if n := len(x.lines); n < dueIndexWorth || n > maxDueIndex/dueIndexRecord-1000 || q.Edited() {
		return q.RemoveCache(dueIndexFile)
	}
	b, err := x.encode(setup, now)
	if err == nil {
		err = q.ReplaceCache(dueIndexFile, b)
	}
	if err != nil {
		return fmt.Errorf("write %s/%s: %w", q.Dir, dueIndexFile, err)
	}
	return nil
}

// findings are what a run finds out for the next index. The run's mu guards them.
type findings struct {
	old          *dueIndex
	waits        map[uint64]wait
	destinations []string // those of old, and further ones
	changed      bool     // the file differs from what is known
}

// find returns the position of an entry in the old due index, -1 if it is not there. To go
// through entries in order, hint is where to look first, and next where to look for the next one.
func (f *findings) find(id uint64, hint int) (i, next int) {
	lines := f.old.lines
	for hint < len(lines) && lines[hint].id < id {
		hint++
	}
	if hint < len(lines) && lines[hint].id == id {
		return hint, hint + 1
	}
	return -1, hint
}

// note notes that there is nothing to do about a message until some time, or until something
// changes.
func (f *findings) note(m *spool.Message, why int16, until, now time.Time) {
	if until.After(now) {
		f.waits[spool.Number(m.ID)] = wait{until: uint32(until.Unix()), why: why, again: m.Attempts > 0}
		f.changed = true
	}
}

// forget notes that an entry is opened to be changed, so that what was known of it no longer
// holds.
func (f *findings) forget(id uint64) {
	f.changed = true
	delete(f.waits, id)
	i, ok := slices.BinarySearchFunc(f.old.lines, id, func(l dueLine, id uint64) int { return cmp.Compare(l.id, id) })
	if ok {
		f.old.disposition[i] = over
	}
}

// number returns the number of a destination, and false if there are too many.
func (f *findings) number(destination string) (int16, bool) {
	i := slices.Index(f.destinations, destination)
	if i < 0 {
		if i = len(f.destinations); i > 1000 {
			return 0, false
		}
		f.destinations = append(f.destinations, destination)
	}
	return int16(i), true
}

// index returns the index of what is known at the end of a run.
func (f *findings) index() *dueIndex {
	lines := make([]dueLine, 0, len(f.old.lines)+len(f.waits))
	for i, l := range f.old.lines {
		if _, newer := f.waits[l.id]; f.old.disposition[i] == waitsOn && !newer {
			lines = append(lines, l)
		}
	}
	for id, w := range f.waits {
		lines = append(lines, dueLine{id, w})
	}
	slices.SortFunc(lines, func(a, b dueLine) int { return cmp.Compare(a.id, b.id) })
	return &dueIndex{destinations: f.destinations, lines: lines}
}
