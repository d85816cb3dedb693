package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// What has left the queue is remembered, so that an entry which a backup, a snapshot or a program
// for synchronising brings back is not sent again. The memory is a file to which a line is added
// before the files of an entry are removed:
//
//	ID TIME KIND BIRTH
//
// with the time in seconds and the birth of the envelope (see Queue.birth) in nanoseconds, both in
// hexadecimal, the birth as zeros where it is not known. All lines have the same length. What is
// none, such as the end of a file that a crash has torn, is passed over. When the first line is older than sentFor, or the
// file has grown too long, a queue run begins a new one, and keeps the one before.
//
// The lines are written at once, which is enough for the death of the process. They are synced at
// the end of a run, and every few seconds before: with them, a power cut takes away what the
// last seconds have added.
//
// On btrfs a line is also a record, and synced as one. An envelope of the same number and the same birth
// is no copy: it was about to be removed, and its recipients are served.
const (
	sentFile      = ".sent"
	olderSentFile = ".sent.old"
	sentFor       = 30 * 24 * time.Hour
	// maxSent bounds a file, in octets: it has room for 93 000 messages.
	maxSent = 4 << 20
	// sentSync is how long lines may wait for their sync while a run goes on.
	sentSync = 5 * time.Second
)

// These are what became of an entry that has left the queue.
const (
	wasSent    = 's'
	wasRemoved = 'r' // by its owner, or dropped
	wasLetGo   = 'a' // it came back, and its owner wants it sent once more
)

// A departure is what is remembered of an entry.
type departure struct {
	time  uint32 // Unix time
	birth uint64 // of the envelope, 0 if it is not known
	kind  byte
}

const (
	sentTimeAt  = idLength + 1
	sentKindAt  = sentTimeAt + 8 + 1
	sentBirthAt = sentKindAt + 2
	sentLine    = sentBirthAt + 16 + 1
)

// A memory is what this process knows of the file.
type memory struct {
	mu     sync.Mutex
	known  map[uint64]departure // nil before it has been read
	f      *os.File             // open for adding to it; nil before that
	owed   []byte               // lines that could not be written yet
	synced time.Time
	dirty  bool // some line is not synced
}

// departed returns what is remembered of an entry.
func (q *Queue) departed(id string) (departure, bool, error) {
	m := q.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		known, err := q.readMemory()
		if err != nil {
			return departure{}, false, err
		}
		m.known = known
	}
	d, ok := m.known[Number(id)]
	return d, ok && d.kind != wasLetGo, nil
}

// readMemory reads what is remembered. A file that is not ours, or that cannot be one, says nothing.
func (q *Queue) readMemory() (map[uint64]departure, error) {
	known := map[uint64]departure{}
	for _, name := range [...]string{olderSentFile, sentFile} {
		b, err := q.readSent(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		parseSent(b, known)
	}
	return known, nil
}

// readSent reads one of the files; of one that is too long, its end.
func (q *Queue) readSent(name string) ([]byte, error) {
	var st syscall.Stat_t
	fd, err := q.openRegular(name, os.O_RDONLY, &st)
	if errors.Is(err, fs.ErrPermission) {
		if err = q.makeReadable(name); err == nil {
			fd, err = q.openRegular(name, os.O_RDONLY, &st)
		}
	}
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	const most = maxSent + maxSent/2 // a run can add much before the next one begins a new file
	b := make([]byte, min(st.Size, most))
	n, err := readFrom(fd, b, st.Size-int64(len(b)))
	return b[:n], q.failed("read", name, err)
}

// parseSent takes in the lines of a file. They do not have to begin at a multiple of their length.
func parseSent(b []byte, into map[uint64]departure) {
	for len(b) >= sentLine {
		if id, d, ok := parseSentLine(b[:sentLine]); ok {
			into[id] = d
			b = b[sentLine:]
			continue
		}
		b = b[1:]
	}
}

func parseSentLine(line []byte) (id uint64, d departure, ok bool) {
	if line[sentLine-1] != '\n' || line[idLength] != ' ' || line[sentKindAt-1] != ' ' || line[sentBirthAt-1] != ' ' {
		return 0, d, false
	}
	name := string(line[:idLength])
	t, err := strconv.ParseUint(string(line[sentTimeAt:sentKindAt-1]), 16, 32)
	birth, err2 := strconv.ParseUint(string(line[sentBirthAt:sentLine-1]), 16, 64)
	d = departure{uint32(t), birth, line[sentKindAt]}
	known := d.kind == wasSent || d.kind == wasRemoved || d.kind == wasLetGo
	return Number(name), d, known && err == nil && err2 == nil && IsID(name)
}

func appendSentLine(b []byte, id string, d departure) []byte {
	b = append(append(b, id...), ' ')
	b = append(append(b, hexadecimal(uint64(d.time), 8)...), ' ', d.kind, ' ')
	return append(append(b, hexadecimal(d.birth, 16)...), '\n')
}

// A leaver is an entry that leaves the queue.
type leaver struct {
	id    string
	birth uint64
}

// remember adds entries to the memory, and makes that durable if it is asked to, or is due. Lines that
// cannot be written are written later: the removal of what was sent makes room on a full disk.
func (q *Queue) remember(kind byte, durably bool, all ...leaver) error {
	m, now := q.memory, time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range all {
		d := departure{uint32(now.Unix()), l.birth, kind}
		m.owed = appendSentLine(m.owed, l.id, d)
		if m.known != nil {
			m.known[Number(l.id)] = d
		}
	}
	if m.synced.IsZero() {
		m.synced = now
	}
	err := q.pay(m)
	if err == nil && (durably || now.Sub(m.synced) > sentSync) {
		err = m.sync(now)
	}
	return err
}

// pay writes what is owed to the file. It is called with mu held.
func (q *Queue) pay(m *memory) error {
	if len(m.owed) == 0 {
		return nil
	}
	if m.f == nil {
		f, err := q.openOrReplace(sentFile, os.O_APPEND, func(st *syscall.Stat_t) bool {
			return st.Mode&syscall.S_IFMT == syscall.S_IFREG && st.Uid == euid && st.Nlink == 1
		})
		if err != nil {
			return err
		}
		m.f = f
	}
	// What was written of a torn line does no harm, nor does a line that is written twice.
	if _, err := m.f.Write(m.owed); err != nil {
		return err
	}
	m.owed, m.dirty = m.owed[:0], true
	return nil
}

// sync is called with mu held.
func (m *memory) sync(now time.Time) error {
	if !m.dirty {
		return nil
	}
	err := syncData(m.f)
	if err == nil {
		m.dirty, m.synced = false, now
	}
	return err
}

// SyncMemory makes durable what this process has added to the memory of what was sent.
func (q *Queue) SyncMemory() error {
	m := q.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	err := q.pay(m)
	if err == nil {
		err = m.sync(time.Now())
	}
	if err != nil {
		return fmt.Errorf("what was sent could not be noted for the case that a backup brings it back: %w", err)
	}
	return nil
}

// closeMemory closes the file.
func (q *Queue) closeMemory() {
	q.SyncMemory() // it has been called where an error can be told
	if f := q.memory.f; f != nil {
		f.Close()
	}
}

// turnMemory begins a new file if it is time for one. Only a queue run does that. Others may still
// add to the one before, where that counts as well.
func (q *Queue) turnMemory(now time.Time) error {
	var st syscall.Stat_t
	fd, err := q.openRegular(sentFile, os.O_RDONLY, &st)
	if err != nil {
		return nil // there is none
	}
	defer syscall.Close(fd)
	if begun, ok := beginOf(fd); st.Size < maxSent && (!ok || now.Sub(begun) < sentFor) {
		return nil
	}
	return q.failed("rename", sentFile, q.rename(sentFile, olderSentFile))
}

// beginOf returns the time of the first line of a file.
func beginOf(fd int) (time.Time, bool) {
	var b [64 * sentLine]byte
	n, _ := readAt(fd, b[:])
	for at := 0; at+sentLine <= n; at++ {
		if _, d, ok := parseSentLine(b[at : at+sentLine]); ok {
			return time.Unix(int64(d.time), 0), true
		}
	}
	return time.Time{}, false
}

// Why an entry is held that had left the queue.
const (
	sentThen    = "it was sent on "
	removedThen = "it was removed from the queue on "
	andBack     = ", and has been put back since"
)

// seeDeparted takes note of whether an entry has left the queue before.
func (q *Queue) seeDeparted(m *Message) error {
	d, ok, err := q.departed(m.ID)
	if err != nil || !ok || m.Served() {
		return err
	}
	same := d.birth != 0 && d.birth == m.birth
	switch {
	case same && d.kind == wasSent:
		m.serve()
		return nil
	case same: // its removal was not durable yet
		return nil
	}
	then := removedThen
	if d.kind == wasSent {
		then = sentThen
	}
	m.Foreign = then + time.Unix(int64(d.time), 0).Local().Format(time.DateTime) + andBack
	m.impose()
	return nil
}

// serve takes note that every recipient is served who was still to be.
func (m *Message) serve() {
	for i := range m.Progress {
		if m.Progress[i].State.Pending() {
			m.Progress[i] = Progress{State: Accepted}
		}
	}
}

// letGo forgets that an entry has left the queue before, since its owner wants it to be sent.
func (q *Queue) letGo(m *Message) error {
	_, ok, err := q.departed(m.ID)
	if !ok || err != nil {
		return err
	}
	return q.remember(wasLetGo, true, leaver{m.ID, m.birth})
}

// rememberAll remembers entries of which every recipient is served. Where that does not succeed, they are
// sent again if they come back.
func (q *Queue) rememberAll(served []*Entry, durably bool) error {
	if len(served) == 0 {
		return nil
	}
	all := make([]leaver, len(served))
	for i, e := range served {
		all[i] = leaver{e.msg.ID, e.msg.birth}
	}
	err := q.remember(wasSent, durably, all...)
	for _, e := range served {
		e.mu.Lock()
		e.remembered = e.remembered || err == nil
		e.mu.Unlock()
	}
	return err
}
