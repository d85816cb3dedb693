//go:build linux && amd64

package faults

import (
	"bytes"
	"crypto/sha256"
	"esmtpq/tests/stage"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// This is the model of a power cut. It is as unkind as POSIX allows. Data written to a file
// survives for certain only if a sync of that file began afterwards and has ended; a name that
// was made, changed or removed, only if a sync of its directory did. Each change that was not
// synced may have reached the disk or not, whatever became of the changes before it.

// A change is one thing that a program did to the disk.
type change struct {
	kind             changeKind
	file             uint64 // the file; numbers are never used again
	dir, toDir       uint64
	name, toName     string
	data             []byte
	offset           int64
	began            int  // of a sync: the changes before this one had ended when it began
	submitted, taken int  // how many messages sendmail had exited with 0 for, and the host taken, when it began
	durable          int  // the change after which this one is on the disk for certain; 0: never
	log              bool // of what people read of the past, on which no promise depends
}

type changeKind int

const (
	makeFile changeKind = iota
	makeDir
	renameName
	removeName
	writeData
	cutData // to the length offset
	syncFile
	chmodFile
)

// aName reports whether a change is one of names.
func (c *change) aName() bool { return c.kind <= removeName }

// ofData reports whether a change is one of a file's data.
func (c *change) ofData() bool { return c.kind == writeData || c.kind == cutData }

// A history is everything that was done below a home directory that was empty at first.
type history struct {
	root    uint64 // the home directory
	home    string
	files   map[uint64]uint64 // by inode: the file that it is now
	next    uint64
	changes []change
}

// newHistory begins the history of a home directory.
func newHistory(home string) *history {
	h := &history{home: home, root: 1, next: 2, files: map[uint64]uint64{}}
	h.files[inodeOf(home)] = h.root
	return h
}

// add adds the calls of a traced program. A failed call has no effect.
func (h *history) add(calls []*sysCall, submitted int) error {
	base := len(h.changes)
	ends := make([]int, 1, len(calls)+1) // by number of calls ended: how many changes there were
	for _, c := range calls {
		if err := h.addCall(c, func(calls int) int { return base + ends[calls] }, submitted); err != nil {
			return err
		}
		ends = append(ends, len(h.changes)-base)
	}
	h.settle()
	return nil
}

func (h *history) addCall(c *sysCall, changesAt func(int) int, submitted int) error {
	if c.ret < 0 {
		return nil
	}
	if c.flags&os.O_TRUNC != 0 {
		return fmt.Errorf("the model knows nothing of truncation: %s", c)
	}
	ch := change{
		file: h.files[c.inode], dir: h.files[c.parent], toDir: h.files[c.toParent],
		name: filepath.Base(c.path), toName: filepath.Base(c.to),
		data: c.data, offset: c.offset, submitted: submitted, taken: c.host,
		log: strings.Contains(c.path+"/", "/.history/"),
	}
	switch c.name {
	case "openat", "mkdir":
		if !c.made {
			return nil
		}
		ch.kind, ch.file = makeFile, h.next
		if c.name == "mkdir" {
			ch.kind = makeDir
		}
		h.files[c.inode] = h.next
		h.next++
	case "rename":
		ch.kind = renameName
	case "unlink":
		ch.kind = removeName
	case "write":
		ch.kind, ch.data = writeData, c.data[:c.ret]
	case "truncate":
		ch.kind = cutData
	case "sync":
		ch.kind, ch.began = syncFile, changesAt(c.began)
	case "chmod":
		ch.kind = chmodFile // on which no promise depends
	case "close", "flock":
		return nil
	default:
		return fmt.Errorf("the model knows nothing of %s", c)
	}
	if ch.file == 0 && !strings.HasSuffix(c.path, "(deleted)") {
		return fmt.Errorf("the model does not know the file of %s", c)
	}
	h.changes = append(h.changes, ch)
	return nil
}

// settle computes when each change is on the disk for certain.
func (h *history) settle() {
	for i := range h.changes {
		c := &h.changes[i]
		switch {
		case c.ofData():
			c.durable = h.synced(c.file, i)
		case c.aName():
			c.durable = h.synced(c.dir, i)
			if c.kind == renameName && c.toDir != c.dir {
				c.durable = 0
			}
		}
	}
}

// synced returns the number of changes after which change i, to a file, is synced.
func (h *history) synced(file uint64, i int) int {
	for j := i + 1; j < len(h.changes); j++ {
		if s := &h.changes[j]; s.kind == syncFile && s.file == file && s.began > i {
			return j + 1
		}
	}
	return 0
}

// A loss is what becomes of a pending change.
type loss byte

const (
	kept    loss = iota // it reached the disk
	dropped             // it did not
	halved              // half of a write did; of a cut, all
	zeroed              // a file has its length, and zeros
)

// pending returns those of the first n changes that a power cut may undo; logs are those of the log.
func (h *history) pending(n int) (names, writes, logs []int) {
	for i := range h.changes[:n] {
		c := &h.changes[i]
		switch {
		case c.durable > 0 && c.durable <= n:
		case c.log && (c.aName() || c.ofData()):
			logs = append(logs, i)
		case c.aName():
			names = append(names, i)
		case c.ofData():
			writes = append(writes, i)
		}
	}
	return names, writes, logs
}

// losses are those that are to be tried for a cut after n changes: any of names with any of writes
// and any of logs.
type losses struct {
	n                   int
	names, writes, logs []map[int]loss
}

// lossesAt returns the losses among the pending changes for a cut after n changes. The log comes
// through whole or not at all: its readers have tests of their own.
func (h *history) lossesAt(n int) losses {
	names, writes, logs := h.pending(n)
	l := losses{n, combinations(names, []loss{kept, dropped}, 6), combinations(writes, []loss{kept, dropped, halved, zeroed}, 3), nil}
	for _, fate := range []loss{kept, dropped} {
		all := map[int]loss{}
		for _, i := range logs {
			all[i] = fate
		}
		if l.logs = append(l.logs, all); len(logs) == 0 {
			break
		}
	}
	return l
}

// count returns how many losses there are.
func (l *losses) count() int { return len(l.names) * len(l.writes) * len(l.logs) }

// at returns one of them.
func (l *losses) at(k int) cut {
	lost := map[int]loss{}
	maps.Copy(lost, l.names[k%len(l.names)])
	k /= len(l.names)
	maps.Copy(lost, l.writes[k%len(l.writes)])
	maps.Copy(lost, l.logs[k/len(l.writes)])
	return cut{l.n, lost}
}

// combinations returns the combinations of changes and losses: all of them if there are at most
// full changes, otherwise those in which the first changes share one loss and the rest another,
// and those in which one differs from all others.
func combinations(changes []int, losses []loss, full int) []map[int]loss {
	if len(changes) <= full || stage.Long() && len(changes) <= full+1 {
		all := []map[int]loss{{}}
		for _, i := range changes {
			var more []map[int]loss
			for _, m := range all {
				for _, l := range losses {
					grown := map[int]loss{i: l}
					for k, v := range m {
						grown[k] = v
					}
					more = append(more, grown)
				}
			}
			all = more
		}
		return all
	}
	var some []map[int]loss
	for _, a := range losses {
		for _, b := range losses {
			if a == b {
				continue
			}
			for at := range changes {
				split, one := map[int]loss{}, map[int]loss{}
				for k, i := range changes {
					split[i], one[i] = a, a
					if k >= at {
						split[i] = b
					}
					if k == at {
						one[i] = b
					}
				}
				some = append(some, split, one)
			}
		}
	}
	return some
}

// A node is a file or directory of a disk.
type node struct {
	names map[string]uint64 // of a directory
	data  []byte
}

// A disk is the state of the disk after a power cut.
type disk struct {
	root  uint64
	nodes map[uint64]*node
}

// after returns the disk after a cut that follows the first n changes.
func (h *history) after(n int, lost map[int]loss) *disk {
	d := &disk{root: h.root, nodes: map[uint64]*node{h.root: {names: map[string]uint64{}}}}
	for i := range h.changes[:n] {
		c := &h.changes[i]
		switch c.kind { // a file exists as soon as one of its names does
		case makeFile:
			d.nodes[c.file] = &node{}
		case makeDir:
			d.nodes[c.file] = &node{names: map[string]uint64{}}
		}
		d.apply(c, lost[i])
	}
	return d
}

func (d *disk) apply(c *change, l loss) {
	switch {
	case c.kind == writeData:
		d.write(c, l)
		return
	case c.kind == cutData && l != dropped:
		d.cut(c)
		return
	}
	if l == dropped || !c.aName() {
		return
	}
	names := d.nodes[c.dir].names
	switch c.kind {
	case makeFile, makeDir:
		names[c.name] = c.file
	case renameName:
		delete(names, c.name)
		d.nodes[c.toDir].names[c.toName] = c.file
	case removeName:
		if names[c.name] == c.file {
			delete(names, c.name)
		}
	}
}

func (d *disk) write(c *change, l loss) {
	f, data := d.nodes[c.file], c.data
	end := int(c.offset) + len(data)
	switch l {
	case dropped:
		return
	case halved:
		data = data[:len(data)/2]
		end = int(c.offset) + len(data)
	case zeroed:
		if end <= len(f.data) {
			return // an overwrite has its length already
		}
		data = nil
	}
	if end > len(f.data) {
		f.data = append(f.data, make([]byte, end-len(f.data))...)
	}
	copy(f.data[c.offset:], data)
}

// cut makes a file shorter, or longer by zeros; it is done or not, never by half.
func (d *disk) cut(c *change) {
	f := d.nodes[c.file]
	f.data = append(f.data, make([]byte, max(0, int(c.offset)-len(f.data)))...)[:c.offset]
}

// sum identifies the visible state of a disk.
func (d *disk) sum() [sha256.Size]byte {
	var b bytes.Buffer
	d.walk(d.root, "", func(path string, n *node) error {
		fmt.Fprintf(&b, "%q %v %d\n", path, n.names != nil, len(n.data))
		b.Write(n.data)
		return nil
	})
	return sha256.Sum256(b.Bytes())
}

// walk calls f for everything that has a name, directories before their content.
func (d *disk) walk(dir uint64, path string, f func(path string, n *node) error) error {
	n := d.nodes[dir]
	var names []string
	for name := range n.names {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		child := n.names[name]
		if err := f(path+"/"+name, d.nodes[child]); err != nil {
			return err
		}
		if err := d.walk(child, path+"/"+name, f); err != nil {
			return err
		}
	}
	return nil
}

// restore makes a home directory with the state of the disk.
func (d *disk) restore(home string) error {
	return d.walk(d.root, "", func(path string, n *node) error {
		if n.names != nil {
			return os.Mkdir(home+path, fs.FileMode(0o700))
		}
		return os.WriteFile(home+path, n.data, 0o600)
	})
}
