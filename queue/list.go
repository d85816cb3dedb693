package queue

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// A Listing is what lies in the queue directory, by name.
type Listing struct {
	IDs     []string // entries, in the order of their arrival
	Legacy  []string // directories as esmtp-wrapper leaves them
	Foreign []string // what is neither; not ours to touch
}

// List reads the names in the queue directory; it opens nothing. Names that begin with
// a dot are ours and are left out.
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

// Count returns how many messages there are, those of esmtp-wrapper's making with them.
func (q *Queue) Count() (int, error) {
	l, err := q.list()
	if err != nil {
		return 0, err
	}
	return len(l.IDs) + len(l.Legacy), nil
}

// list is List in the order of the file system.
func (q *Queue) list() (*Listing, error) {
	// A descriptor of its own: the directory's offset is shared otherwise.
	d, err := os.Open(q.Dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	l := &Listing{IDs: names[:0]}
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, "."):
		case IsID(name):
			l.IDs = append(l.IDs, name)
		case q.looksLegacy(name):
			l.Legacy = append(l.Legacy, name)
		default:
			l.Foreign = append(l.Foreign, name)
		}
	}
	return l, nil
}

// ReadEach reads entries and gives each to f, in the order of ids, with the error that
// Read would return. f is called from one goroutine; others read ahead.
func (q *Queue) ReadEach(ids []string, f func(id string, m *Message, err error)) {
	const batch = 64 // entries that one goroutine reads at a time
	if len(ids) <= batch || runtime.GOMAXPROCS(0) == 1 {
		var buf []byte
		for _, id := range ids {
			m, err := q.readWith(&buf, id)
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
					rs[i].m, rs[i].err = q.readWith(&buf, id)
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

// sweep removes what dead processes left: temporary entries that nobody has locked.
func (q *Queue) sweep() error {
	d, err := os.Open(q.Dir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, newPrefix):
			err = errors.Join(err, q.sweepOne(name))
		case strings.HasPrefix(name, "."+parkFile):
			// What renameio writes to first. Only a queue run does, and we are the only one.
			err = errors.Join(err, os.Remove(q.Dir+"/"+name))
		}
	}
	return err
}

func (q *Queue) sweepOne(name string) error {
	f, err := os.OpenFile(q.Dir+"/"+name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil // gone, or not a directory, and then not from us
	}
	defer f.Close()
	if tryLock(f) != nil {
		return nil // its writer is alive
	}
	return q.removeEntry(name)
}
