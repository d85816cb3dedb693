package spool

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Listing is the content of the queue directory, by name.
type Listing struct {
	IDs     []string // entries, in the order of their arrival
	Legacy  []string // directories in the form that esmtp-wrapper leaves
	Foreign []string // anything else, which is not ours to touch
}

// List reads the names in the queue directory, and opens nothing. Names that begin with a dot are
// ours and are left out.
func (q *Queue) List() (*Listing, error) {
	l, err := q.list()
	if err != nil {
		return nil, err
	}
	slices.Sort(l.IDs)
	slices.Sort(l.Legacy)
	slices.Sort(l.Foreign)
	return l, nil
}

// Foreign says for a person that some names in the queue directory are not ours: the first of them,
// and how many there are.
func (q *Queue) Foreign(names []string) string {
	const most = 3
	first := Printable(strings.Join(names[:min(len(names), most)], ", "))
	switch n := len(names); {
	case n == 1:
		return fmt.Sprintf("%s/%s is not a message of ours", q.Dir, first)
	case n <= most:
		return fmt.Sprintf("in %s, these are not messages of ours: %s", q.Dir, first)
	default:
		return fmt.Sprintf("in %s, these are not messages of ours: %s and %d more", q.Dir, first, n-most)
	}
}

// Count returns the number of messages, including those of esmtp-wrapper.
func (q *Queue) Count() (int, error) {
	n := 0
	err := q.names(".", func(name string) {
		if IsID(name) || !strings.HasPrefix(name, ".") && q.looksLegacy(name) {
			n++
		}
	})
	return n, err
}

// list is List in the order of the file system.
func (q *Queue) list() (*Listing, error) {
	l := &Listing{}
	err := q.names(".", func(name string) {
		switch {
		case strings.HasPrefix(name, "."):
		case IsID(name):
			l.IDs = append(l.IDs, name)
		case q.looksLegacy(name):
			l.Legacy = append(l.Legacy, name)
		default:
			l.Foreign = append(l.Foreign, name)
		}
	})
	return l, err
}

// names calls f with each name in a directory of the queue, "." being the queue itself, in the
// order of the file system. It reads more names at a time than os.File.
func (q *Queue) names(dir string, f func(name string)) error {
	// This needs a descriptor of its own: otherwise the directory's offset would be shared.
	fd, err := openFD(q.fd, dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return q.failed("open", dir, err)
	}
	defer syscall.Close(fd)
	buf, names := make([]byte, 64<<10), []string(nil)
	for {
		n, err := syscall.ReadDirent(fd, buf)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return q.failed("readdirent", dir, err)
		case n <= 0:
			return nil
		}
		_, _, names = syscall.ParseDirent(buf[:n], -1, names[:0])
		for _, name := range names {
			f(name)
		}
	}
}

// ReadEach reads entries and calls f for each, in the order of ids, with the error that Read
// would return. One goroutine calls f; others read ahead.
func (q *Queue) ReadEach(ids []string, f func(id string, m *Message, err error)) {
	const batch = 64 // entries that one goroutine reads at a time
	if len(ids) <= batch || runtime.GOMAXPROCS(0) == 1 {
		var buf []byte
		for _, id := range ids {
			m, err := q.ReadWith(&buf, id)
			f(id, m, err)
		}
		return
	}
	type result struct {
		m   *Message
		err error
	}
	ahead := make(chan chan []result, 2*runtime.GOMAXPROCS(0))
	go func() {
		defer close(ahead)
		for some := range slices.Chunk(ids, batch) {
			c := make(chan []result, 1)
			ahead <- c
			go func() {
				rs, buf := make([]result, len(some)), []byte(nil)
				for i, id := range some {
					rs[i].m, rs[i].err = q.ReadWith(&buf, id)
				}
				c <- rs
			}()
		}
	}()
	i := 0
	for c := range ahead {
		for _, r := range <-c {
			f(ids[i], r.m, r.err)
			i++
		}
	}
}

// An Inventory is what a queue run finds in the queue directory. It is a Listing for a queue of
// any length.
type Inventory struct {
	IDs     []uint64 // queue IDs as numbers, in the order of their arrival
	Legacy  []string
	Foreign []string
	dead    []string // left behind by processes that died: see Sweep
}

// Inventory reads the names in the queue directory for a queue run.
func (q *Queue) Inventory() (*Inventory, error) {
	v := &Inventory{}
	err := q.names(".", func(name string) {
		switch {
		case IsID(name):
			v.IDs = append(v.IDs, Number(name))
		case strings.HasPrefix(name, newPrefix), strings.HasPrefix(name, sentPrefix), strings.HasPrefix(name, "."+BackoffFile), strings.HasPrefix(name, "."+DueIndexFile), strings.HasPrefix(name, "."+UnsendableFile), strings.HasPrefix(name, "."+AnnouncedFile):
			v.dead = append(v.dead, name)
		case strings.HasPrefix(name, "."):
		case q.looksLegacy(name):
			v.Legacy = append(v.Legacy, name)
		default:
			v.Foreign = append(v.Foreign, name)
		}
	})
	slices.Sort(v.IDs)
	slices.Sort(v.Legacy)
	slices.Sort(v.Foreign)
	return v, err
}

// Sweep removes what dead processes left behind: temporary entries that are not locked, entries
// that have been sent, and temporary files of caches. Only queue runs make the last two, and we
// are the only run.
func (q *Queue) Sweep(v *Inventory) error {
	err := errors.Join(q.turnMemory(time.Now()), q.settleNames(v))
	for _, name := range v.dead {
		switch {
		case strings.HasPrefix(name, newPrefix):
			err = errors.Join(err, q.sweepOne(name))
		case strings.HasPrefix(name, sentPrefix):
			err = errors.Join(err, q.sweepSent(name))
		default:
			err = errors.Join(err, q.sweepFile(name))
		}
	}
	return err
}

// EachSent calls f with each message that a dead process has left behind under the name of one that is done, and with what
// opens its content. The entry may also be one that its owner has removed.
func (q *Queue) EachSent(v *Inventory, f func(m *Message, content func() (Content, error))) {
	for _, name := range v.dead {
		id, sent := strings.CutPrefix(name, sentPrefix)
		if !sent || !IsID(id) {
			continue
		}
		fd, st, err := q.openEnvelope(name, os.O_RDONLY)
		if err != nil {
			continue
		}
		m, _, err := readEnvelope(fd, &st, id, new([]byte))
		syscall.Close(fd)
		if err == nil {
			f(m, func() (Content, error) { return q.contentAt(name, m) })
		}
	}
}

// sweepSent removes an entry that has been sent. If the name is not that of a directory, it is
// not ours.
func (q *Queue) sweepSent(name string) error {
	var st unix.Stat_t
	if !IsID(name[len(sentPrefix):]) || q.lstat(name, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return nil
	}
	q.remember(wasSent, false, leaver{id: name[len(sentPrefix):]})
	return q.removeEntry(name)
}

// sweepFile removes the temporary file of a cache. Anything else of such a name is not ours.
func (q *Queue) sweepFile(name string) error {
	var st unix.Stat_t
	if q.lstat(name, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil
	}
	return q.unlink(name)
}

func (q *Queue) sweepOne(name string) error {
	f, err := q.open(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil // gone, or not a directory and so not ours
	}
	defer f.Close()
	if tryLock(f) != nil {
		return nil // its writer is alive
	}
	return q.removeEntry(name)
}

// settleNames makes the names durable that a dead run gave to entries that are done. Otherwise a
// power cut could bring back the old name of an entry with some of its files gone. If the sync
// fails, those entries are left to the next run.
func (q *Queue) settleNames(v *Inventory) error {
	sent := func(name string) bool { return strings.HasPrefix(name, sentPrefix) }
	if !slices.ContainsFunc(v.dead, sent) {
		return nil
	}
	err := syncDir(q.dir)
	if err != nil {
		v.dead = slices.DeleteFunc(v.dead, sent)
	}
	return err
}

// SweepEmpty completes the removal of an entry whose files are gone already, and reports whether
// the entry is gone.
func (q *Queue) SweepEmpty(id string) bool {
	return q.rmdir(id) == nil || !q.hasFiles(id) && q.removeAll(id) == nil
}
