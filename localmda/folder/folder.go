// Package folder adds mail to folders that mail programs read: Maildirs and mboxes.
package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Mail is what is added to a folder.
type Mail struct {
	ID        string    // a name that no other mail has
	Sender    string    // reverse-path, "" for null
	Time      time.Time // for the folder
	MessageID string    // to recognise the mail by in an mbox
	Host      string    // this machine, for the name of a file
	Open      func() (io.ReadCloser, error)
	Patience  time.Duration // with another program that has the mbox locked
}

// one keeps goroutines from adding at the same time, since the locks of files are those of the process.
var one sync.Mutex

// Add adds a mail, as read, and returns when that is durable. The path ends in a slash for a Maildir. What is not
// there yet is made, but for the directory above. With again, the mail may be there already, and is left alone then.
func Add(path string, m *Mail, again bool) error {
	one.Lock()
	defer one.Unlock()
	if isMaildir(path) {
		return addToMaildir(path, m, again)
	}
	return addToMbox(path, m, again)
}

// isMaildir reports whether a path is that of a Maildir: it says so, or it is one.
func isMaildir(path string) bool {
	if strings.HasSuffix(path, "/") {
		return true
	}
	st, err := os.Stat(filepath.Join(path, "cur"))
	return err == nil && st.IsDir()
}

// addToMaildir writes the mail into tmp, and renames it into cur when it is complete.
func addToMaildir(dir string, m *Mail, again bool) error {
	for _, sub := range [...]string{"", "tmp", "new", "cur"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	// A program that reads the folder may have changed the flags behind the colon, but not the name.
	name := fmt.Sprintf("%d.Q%s.%s", m.Time.Unix(), m.ID, strings.NewReplacer("/", "_", ":", "_").Replace(m.Host))
	if again && (holds(filepath.Join(dir, "cur"), m.ID) || holds(filepath.Join(dir, "new"), m.ID)) {
		return nil
	}
	tmp := filepath.Join(dir, "tmp", name)
	os.Remove(tmp) // left by a process that died
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(write(f, m, false), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, filepath.Join(dir, "cur", name+":2,S"))
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return syncDir(filepath.Join(dir, "cur"))
}

// holds reports whether a directory has the mail with an ID.
func holds(dir, id string) bool {
	found, _ := filepath.Glob(filepath.Join(escape(dir), "*.Q"+id+".*"))
	return len(found) > 0
}

// escape makes a path stand for itself in a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// syncDir makes the names in a directory durable, where the file system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
