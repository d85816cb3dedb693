package folder

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// addToMbox appends the mail to an mbox, under the locks that other programs respect. If that does not work, the
// mbox is as it was.
func addToMbox(path string, m *Mail, again bool) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	unlock, err := lock(f, path, m.Patience)
	if err != nil {
		return err
	}
	defer unlock()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if again && hasMail(f, end, m.MessageID) {
		return nil
	}
	err = cmp.Or(separate(f, end), write(f, m, true))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Truncate(end))
	}
	return nil
}

// separate makes sure that there is a blank line before the mail.
func separate(f *os.File, end int64) error {
	last := make([]byte, min(end, 2))
	if _, err := f.ReadAt(last, end-int64(len(last))); err != nil {
		return err
	}
	missing := ""
	switch {
	case end == 0 || string(last) == "\n\n":
	case last[len(last)-1] == '\n':
		missing = "\n"
	default:
		missing = "\n\n"
	}
	_, err := io.WriteString(f, missing)
	return err
}

// write writes a mail, in an mbox with its first and last line and with a ">" before each line that
// would begin another mail, or that has got such a sign before.
func write(f *os.File, m *Mail, mbox bool) error {
	r, err := m.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if !mbox {
		_, err := io.Copy(f, r)
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	fmt.Fprintf(w, "From %s %s\n", envelopeSender(m.Sender), m.Time.UTC().Format(time.ANSIC))
	br, header, whole := bufio.NewReaderSize(r, 64<<10), true, true
	for {
		line, err := br.ReadSlice('\n')
		if whole && header && (len(line) == 0 || line[0] == '\n') {
			header = false
			w.WriteString("Status: RO\n")
		}
		if whole && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
			w.WriteByte('>')
		}
		w.Write(line)
		if len(line) > 0 {
			whole = line[len(line)-1] == '\n'
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == io.EOF:
			if !whole {
				w.WriteByte('\n')
			}
			w.WriteByte('\n')
			return w.Flush()
		case err != nil:
			return err
		}
	}
}

// envelopeSender returns the sender as it stands in the first line, which blanks divide.
func envelopeSender(address string) string {
	clean := strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, address)
	return cmp.Or(clean, "MAILER-DAEMON")
}

// maxSearch is how much of the end of an mbox is searched for a mail, in octets.
const maxSearch = 64 << 20

// hasMail reports whether an mbox has a mail with a Message-ID.
func hasMail(f *os.File, end int64, id string) bool {
	if id == "" {
		return false
	}
	from := max(0, end-maxSearch)
	br := bufio.NewReaderSize(io.NewSectionReader(f, from, end-from), 64<<10)
	for {
		line, err := br.ReadSlice('\n')
		if name, value, ok := strings.Cut(string(line), ":"); ok && strings.EqualFold(name, "Message-ID") && strings.TrimSpace(value) == id {
			return true
		}
		if err != nil && err != bufio.ErrBufferFull {
			return false
		}
	}
}

// How locks are waited for.
const (
	lockPause = 50 * time.Millisecond
	lockStale = 10 * time.Minute // the age of a lock file that a dead program has left
)

// ErrLocked says that another program works on an mbox.
var ErrLocked = errors.New("another program works on it")

// lock locks an mbox as mutt does: by fcntl(2), then by a file with ".lock" at the end of its name,
// unless none can be made there.
func lock(f *os.File, path string, patience time.Duration) (unlock func(), err error) {
	for until := time.Now().Add(patience); ; time.Sleep(lockPause) {
		err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		if err == nil {
			var made bool
			if made, err = dotlock(path + ".lock"); err == nil {
				return func() { // closing the file ends the other lock
					if made {
						os.Remove(path + ".lock")
					}
				}, nil
			}
			unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_UNLCK})
		}
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES), errors.Is(err, unix.EINTR), errors.Is(err, os.ErrExist):
		default:
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if time.Now().After(until) {
			return nil, fmt.Errorf("lock %s: %w for %v (a %s.lock that is left can be removed)", path, ErrLocked, patience, path)
		}
	}
}

// dotlock makes a lock file, and reports whether there is one now. It does not where nobody may make one.
func dotlock(path string) (made bool, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		fmt.Fprintf(f, "%d\n", os.Getpid())
		return true, f.Close()
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS):
		return false, nil
	case errors.Is(err, os.ErrExist):
		if st, err := os.Lstat(path); err == nil && time.Since(st.ModTime()) > lockStale {
			os.Remove(path)
		}
	}
	return false, err
}
