package spool

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"esmtpq/message"
)

var _ message.BlockWriter = (*Writer)(nil)

// newPrefix begins the names of entries that are being written.
const newPrefix = ".new-"

// A Writer takes one message into the queue. Between NewWriter and the end of Commit the message
// is a temporary entry, which is removed if anything goes wrong.
type Writer struct {
	q       *Queue
	name    string   // of the temporary entry
	lock    *os.File // its directory, locked
	entry   int      // its envelope, locked as a queue run does; -1 before there is one
	mail    *os.File
	content *contentWriter // what goes into mail
	pending []byte         // what Write has gathered for it
	refused []Refusal
}

// NewWriter begins a message.
func (q *Queue) NewWriter() (*Writer, error) {
	q.overwriteInPlace()
	for range 100 {
		// crypto/rand is not needed, since nobody else can write here; its first use starts a
		// timer, and with it a thread.
		w := &Writer{q: q, name: newPrefix + hexadecimal(rand.Uint64(), 16), entry: -1}
		err := w.create()
		if err == nil {
			return w, nil
		}
		w.Abort()
		// Over SFTP there is one word for all failures, and sshfs takes it for this one.
		if errors.Is(err, os.ErrExist) && !q.exists(w.name) {
			return nil, fmt.Errorf("queue directory %s: cannot be written to, by what the system says of %s: %w", q.Dir, w.name, syscall.EROFS)
		}
		// A queue run may have swept the directory away before it was locked.
		if !errors.Is(err, os.ErrExist) && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, ErrLocked) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("queue directory %s: cannot keep a new entry in it", q.Dir)
}

func (w *Writer) create() error {
	if err := w.q.mkdir(w.name, 0o700); err != nil {
		return err
	}
	var err error
	if w.lock, err = w.q.openRepaired(w.name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0o700); err != nil {
		return err
	}
	if err := tryLock(w.lock); err != nil {
		return err
	}
	if w.mail, err = w.q.create(w.name + "/mail"); err != nil {
		return err
	}
	w.content = newContentWriter(w.mail)
	return nil
}

// create creates a file that only its owner can read, whatever the umask.
func (q *Queue) create(name string) (*os.File, error) {
	f, err := q.open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o600); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Write adds to the content, which must have LF line ends. Small pieces are gathered.
func (w *Writer) Write(p []byte) (n int, err error) {
	if w.pending == nil {
		w.pending = make([]byte, 0, firstBlock)
	}
	for n < len(p) {
		if len(w.pending) == cap(w.pending) {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
		k := copy(w.pending[len(w.pending):cap(w.pending)], p[n:])
		w.pending = w.pending[:len(w.pending)+k]
		n += k
	}
	return n, nil
}

// WriteBlock adds a large piece without copying it: p then belongs to the writer, and the block
// returned is the one to fill next.
func (w *Writer) WriteBlock(p []byte) (next []byte, err error) {
	if err := w.flush(); err != nil || len(p) == 0 {
		return p, err
	}
	return w.content.put(p)
}

// flush writes what Write has gathered.
func (w *Writer) flush() error {
	if len(w.pending) == 0 {
		return w.content.err
	}
	next, err := w.content.put(w.pending)
	w.pending = next[:0]
	return err
}

// A Refusal is a recipient who cannot be served, known at submission.
type Refusal struct {
	Recipient        // its Address is "" if what was given as one cannot be read
	Status    string // enhanced status code (RFC 3463)
	Reason    string
}

// Refuse adds a recipient who cannot be served. The others get the message; this recipient is failed
// from the start, and the owner of the queue is told.
func (w *Writer) Refuse(r Refusal) { w.refused = append(w.refused, r) }

// Commit completes the message and makes it durable; env is what the submitter said, and Commit
// fills in the rest. When it returns without error the message is accepted: it survives a power
// cut, and the next queue run finds it. After an error nothing of the message is left, and
// nothing of it has been sent: the entry is locked until it is accepted.
func (w *Writer) Commit(env *Envelope) (id string, err error) {
	defer func() {
		if err != nil {
			w.Abort()
		}
	}()
	if err := w.complete(env); err != nil {
		return "", err
	}
	if id, err = w.publish(env.Arrival); err != nil {
		return "", err
	}
	if err := syncDir(w.q.dir); err != nil {
		return "", fmt.Errorf("sync queue directory: %w", err)
	}
	// This is the instant at which the message is accepted.
	w.unlock()
	return id, nil
}

// complete writes and syncs the files of the entry, and locks it.
func (w *Writer) complete(env *Envelope) error {
	if err := w.flush(); err != nil {
		return err
	}
	w.content.finish()
	w.fill(env)
	f, err := w.q.create(w.name + "/envelope")
	if err != nil {
		return err
	}
	defer f.Close()
	env.Origin = w.q.origin(int(f.Fd()))
	if w.entry, err = lockAside(f); err != nil {
		return err
	}
	if err := writeEnvelope(f, env, w.refused); err != nil {
		return err
	}
	if err := w.q.syncAll(w.mail, f, w.lock); err != nil {
		return err
	}
	// Some file systems report a failed write only now.
	return errors.Join(w.mail.Close(), f.Close())
}

// publish renames the complete, synced entry to its queue ID.
func (w *Writer) publish(arrival time.Time) (string, error) {
	for range 256 {
		id := newID(arrival, byte(rand.Uint32()))
		err := w.q.rename(w.name, id) // which never replaces a directory that is not empty
		if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", w.q.failed("rename", w.name, err)
		}
		w.name = id // which Abort would have to remove
		return id, nil
	}
	return "", errors.New("no free queue ID for this instant: try again")
}

func (w *Writer) fill(env *Envelope) {
	m := w.content.stats()
	env.Version = envelopeVersion
	if !env.NotBefore.IsZero() || env.Grace > 0 {
		env.Version = scheduledVersion
	}
	if env.Arrival.IsZero() {
		env.Arrival = time.Now()
	}
	env.Arrival = env.Arrival.Round(0).UTC() // local time would need the time zone
	env.Size, env.Lines, env.MaxLine, env.EightBit = m.Size, m.Lines, m.MaxLine, m.EightBit
	env.SHA256 = w.content.checksum()
}

// syncAll syncs the files side by side, so that they share a flush of the disk, or as btrfs needs it. A failed sync is final: the kernel may have dropped data that it could not write,
// and would not say so twice.
func (q *Queue) syncAll(content, envelope, dir *os.File) error {
	if q.syncsInTurn() {
		return cmp.Or(content.Sync(), envelope.Sync())
	}
	done := make(chan error, 2)
	go func() { done <- content.Sync() }()
	go func() { done <- envelope.Sync() }()
	err := syncDir(dir)
	return errors.Join(err, <-done, <-done)
}

// Abort drops a message that has not been committed.
func (w *Writer) Abort() {
	if w.content != nil {
		w.content.finish()
	}
	if w.mail != nil {
		w.mail.Close()
	}
	w.q.removeEntry(w.name)
	w.unlock()
}

func (w *Writer) unlock() {
	if w.lock != nil {
		w.lock.Close()
	}
	if w.entry >= 0 {
		syscall.Close(w.entry)
		w.entry = -1
	}
}
