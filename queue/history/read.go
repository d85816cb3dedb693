package history

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A segment is a file of the log.
type segment struct {
	name   string // the day
	number int    // of several on one day
	size   int64
}

// path returns the name of the file.
func (s segment) path() string {
	if s.number == 0 {
		return s.name
	}
	return s.name + "." + strconv.Itoa(s.number)
}

// dayOf returns the day in the name of a file.
func dayOf(file string) string {
	day, _, _ := strings.Cut(file, ".")
	return day
}

// segments returns the files of the log, the oldest first. Anything else there is left alone.
func segments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []segment
	for _, e := range entries {
		day, number, numbered := strings.Cut(e.Name(), ".")
		s := segment{name: day}
		if numbered {
			if s.number, err = strconv.Atoi(number); err != nil || s.number <= 0 {
				continue
			}
		}
		if _, err := time.Parse(time.DateOnly, day); err != nil || s.path() != e.Name() || !e.Type().IsRegular() {
			continue
		}
		if st, err := e.Info(); err == nil {
			s.size = st.Size()
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b segment) int {
		return cmp.Or(strings.Compare(a.name, b.name), a.number-b.number)
	})
	return all, nil
}

// A Reader reads the log. Its zero value with a Dir reads all of it.
type Reader struct {
	Dir   string
	Since time.Time // files of days before this are left out

	at map[string]int64 // how far each file has been read
}

// maxLine bounds a line that is read, in octets.
const maxLine = 1 << 20

// Poll calls f with each record that was not there at the last call, and, unless line is nil, line with
// its text. It returns no error if there is no log.
func (r *Reader) Poll(f func(rec *Record, line []byte)) error {
	all, err := segments(r.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.at == nil {
		r.at = map[string]int64{}
	}
	since := ""
	if !r.Since.IsZero() {
		since = r.Since.UTC().AddDate(0, 0, -1).Format(time.DateOnly) // clocks are set
	}
	for _, s := range all {
		if s.name < since || s.size <= r.at[s.path()] {
			continue
		}
		if err := r.read(s.path(), f); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// read reads what is new of a file, but for a last line without an end.
func (r *Reader) read(name string, f func(rec *Record, line []byte)) error {
	file, err := os.OpenFile(filepath.Join(r.Dir, name), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	buf, have := make([]byte, 64<<10), 0
	for {
		n, err := file.ReadAt(buf[have:], r.at[name]+int64(have))
		have += n
		done := lines(buf[:have], f)
		if done == 0 && have >= maxLine {
			done = have // no line of ours
		}
		r.at[name] += int64(done)
		have = copy(buf, buf[done:have])
		switch {
		case err == io.EOF || err == nil && n == 0:
			return nil
		case err != nil:
			return err
		case have == len(buf):
			buf = append(buf, make([]byte, len(buf))...)
		}
	}
}

// lines calls f with the record of each whole line, and returns how many octets these have. What is no record was torn,
// or is not ours.
func lines(b []byte, f func(rec *Record, line []byte)) (done int) {
	for {
		i := bytes.IndexByte(b[done:], '\n')
		if i < 0 {
			return done
		}
		line := b[done : done+i]
		done += i + 1
		rec := Record{}
		if json.Unmarshal(line, &rec) == nil && rec.ID != "" && rec.Event != "" {
			f(&rec, line)
		}
	}
}
