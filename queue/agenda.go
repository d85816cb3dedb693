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
	"os"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"esmtpq/queue/spool"
)

// The agenda is what queue runs found out about the entries that they left in the queue: until when there is
// nothing to do about each. With it, a run of the background opens those that something is to be done about, and not
// 100 000 that wait for a host. It is a cache, and what is wrong in it delays mail by agendaTrust at
// most: a run that a person asks for opens everything, and without the file, which anybody may delete, all do.
//
// It is not used once an owner's command has changed an entry (spool.ForgetEdited), once the configuration
// has changed, and where the clock has been set back.
const (
	agendaFile = spool.DueIndexFile

	agendaVersion = 1
	// agendaTrust is how long anything in it is believed.
	agendaTrust = retryCeiling
	// agendaWorth is how many entries are worth an agenda: fewer are read before it is.
	agendaWorth = 256
	// maxAgenda bounds what is read of one, in octets.
	maxAgenda = 32 << 20
)

// A rest is why and until when there is nothing to do about an entry.
type rest struct {
	until uint32 // Unix time
	lane  int16  // of agenda.lanes: it waits for that identity, as stands in it; or one of these
	again bool   // it has failed by itself before
}

const (
	restIdle  int16 = -1 // held or failed: nothing is to be tried
	restLater int16 = -2 // its own next attempt is not due
)

// A line of the agenda is about one entry. There may be very many.
type agendaLine struct {
	id uint64 // the queue ID as a number
	rest
}

// An agenda is an agenda as it was read.
type agenda struct {
	lanes []string
	lines []agendaLine // by ID
	fate  []fate       // of each, in this run
}

// A fate is what a run has come to about an entry of the agenda.
type fate byte

const (
	fateUnseen fate = iota // it was not in the queue
	fateKept               // it is there, and what is said of it holds
	fateOver               // it was opened to be changed
)

// agendaHead is the first line of the file. Its records follow: the queue ID as a number, the seconds from
// Written until the end of the rest, the lane, and 1 for again; 8, 4, 2 and 2 octets, big-endian.
type agendaHead struct {
	Version int      `json:"version"`
	Written int64    `json:"written"` // Unix time
	Setup   string   `json:"setup"`   // what decides about lanes and limits
	Lanes   []string `json:"lanes"`
	SHA256  string   `json:"sha256"` // of the records
}

const agendaRecord = 16

// readAgenda returns the agenda, an empty one where there is none to be used.
func readAgenda(q *spool.Queue, setup string, now time.Time) *agenda {
	a := &agenda{}
	f, err := q.OpenCache(agendaFile)
	if err != nil {
		return a
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() > maxAgenda {
		return a
	}
	b := make([]byte, st.Size())
	n, err := io.ReadFull(f, b)
	if err != nil || !a.decode(b[:n], setup, now) {
		return &agenda{}
	}
	return a
}

// decode reads the file, and tells whether it may be used now.
func (a *agenda) decode(b []byte, setup string, now time.Time) bool {
	line, records, ok := bytes.Cut(b, []byte("\n"))
	var head agendaHead
	if !ok || json.Unmarshal(line, &head) != nil || head.Version != agendaVersion || head.Setup != setup {
		return false
	}
	age := now.Unix() - head.Written
	sum := sha256.Sum256(records)
	if age < 0 || age > int64(agendaTrust/time.Second) || len(records)%agendaRecord != 0 || hex.EncodeToString(sum[:]) != head.SHA256 {
		return false
	}
	n := len(records) / agendaRecord
	a.lanes, a.lines, a.fate = head.Lanes, make([]agendaLine, n), make([]fate, n)
	for i := range n {
		r := records[i*agendaRecord:]
		seconds := min(binary.BigEndian.Uint32(r[8:]), uint32(agendaTrust/time.Second))
		l := agendaLine{binary.BigEndian.Uint64(r), rest{uint32(head.Written) + seconds, int16(binary.BigEndian.Uint16(r[12:])), r[15] == 1}}
		if l.lane < restLater || int(l.lane) >= len(a.lanes) || i > 0 && l.id <= a.lines[i-1].id {
			return false
		}
		a.lines[i] = l
	}
	return true
}

// encode returns the file.
func (a *agenda) encode(setup string, now time.Time) ([]byte, error) {
	records := make([]byte, 0, len(a.lines)*agendaRecord)
	for _, l := range a.lines {
		seconds := min(max(int64(l.until)-now.Unix(), 0), int64(agendaTrust/time.Second))
		records = binary.BigEndian.AppendUint64(records, l.id)
		records = binary.BigEndian.AppendUint32(records, uint32(seconds))
		records = binary.BigEndian.AppendUint16(records, uint16(l.lane))
		again := byte(0)
		if l.again {
			again = 1
		}
		records = append(records, 0, again)
	}
	sum := sha256.Sum256(records)
	head, err := json.Marshal(agendaHead{agendaVersion, now.Unix(), setup, a.lanes, hex.EncodeToString(sum[:])})
	if err != nil {
		return nil, err
	}
	return slices.Insert(records, 0, append(head, '\n')...), nil
}

// writeAgenda writes the agenda in place of the one before; too short a one is left out.
func writeAgenda(q *spool.Queue, a *agenda, setup string, now time.Time) error {
	path := q.Dir + "/" + agendaFile
	if n := len(a.lines); n < agendaWorth || n > maxAgenda/agendaRecord-1000 || q.Edited() {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	b, err := a.encode(setup, now)
	if err == nil {
		err = renameio.WriteFile(path, b, 0o600, renameio.WithTempDir(q.Dir), renameio.WithStaticPermissions(0o600))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// notes are what a run finds out for the next agenda. mu of the run guards them.
type notes struct {
	old     *agenda
	rests   map[uint64]rest
	lanes   []string // those of old, and more
	changed bool     // the file is not what is known
	gone    bool     // it has been removed
}

// find returns the index of an entry in the old agenda, -1 if it is not there. hint is where to look first, and
// where to look for the next one is returned, for who goes through them in order.
func (n *notes) find(id uint64, hint int) (i, next int) {
	lines := n.old.lines
	for hint < len(lines) && lines[hint].id < id {
		hint++
	}
	if hint < len(lines) && lines[hint].id == id {
		return hint, hint + 1
	}
	return -1, hint
}

// keep notes that there is nothing to do about an entry for now.
func (n *notes) keep(id uint64, r rest) {
	n.rests[id] = r
	n.changed = true
}

// forget notes that an entry is opened to be changed: what was known of it does not count.
func (n *notes) forget(id uint64) {
	delete(n.rests, id)
	i, ok := slices.BinarySearchFunc(n.old.lines, id, func(l agendaLine, id uint64) int { return cmp.Compare(l.id, id) })
	if ok && n.old.fate[i] != fateOver {
		n.old.fate[i] = fateOver
		n.changed = true
	}
}

// lane returns the number of a lane, restLater and false where there are too many.
func (n *notes) lane(name string) (int16, bool) {
	i := slices.Index(n.lanes, name)
	if i < 0 {
		if i = len(n.lanes); i > 1000 {
			return restLater, false
		}
		n.lanes = append(n.lanes, name)
	}
	return int16(i), true
}

// agenda puts together what is known at the end of a run.
func (n *notes) agenda() *agenda {
	lines := make([]agendaLine, 0, len(n.old.lines)+len(n.rests))
	for i, l := range n.old.lines {
		if _, again := n.rests[l.id]; n.old.fate[i] == fateKept && !again {
			lines = append(lines, l)
		}
	}
	for id, r := range n.rests {
		lines = append(lines, agendaLine{id, r})
	}
	slices.SortFunc(lines, func(a, b agendaLine) int { return cmp.Compare(a.id, b.id) })
	return &agenda{lanes: n.lanes, lines: lines}
}
