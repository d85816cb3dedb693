package secret

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// promptPause is how long a keyring that did not answer is left alone.
	promptPause = time.Hour
	// unansweredName is the file whose time is that of the question.
	unansweredName = "unanswered"
)

var errUnanswered = errors.New("the keyring has asked at the desktop and got no answer: answer there, then type deliver")

// open opens the directory of the note; nil if there is none.
func (k *Key) open(create bool) *os.File {
	if k.State == nil {
		return nil
	}
	dir, err := k.State(create)
	if err != nil {
		return nil
	}
	return dir
}

// mayAsk returns an error where the keyring did not answer before, and nothing has happened since: a
// program that is ended leaves its dialogue behind.
func (k *Key) mayAsk() error {
	dir := k.open(false)
	if dir == nil {
		return nil
	}
	defer dir.Close()
	var st unix.Stat_t
	if unix.Fstatat(int(dir.Fd()), unansweredName, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return nil
	}
	since := time.Unix(st.Mtim.Unix())
	switch ago := time.Since(since); {
	case ago > promptPause || ago < -time.Minute: // the clock was wrong, then or now
	case k.Again != nil && k.Again(since):
	default:
		return errUnanswered
	}
	return nil
}

// answered notes whether the keyring has answered.
func (k *Key) answered(yes bool) {
	dir := k.open(!yes)
	if dir == nil {
		return
	}
	defer dir.Close()
	unix.Unlinkat(int(dir.Fd()), unansweredName, 0)
	if yes {
		return
	}
	const fresh = unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY | unix.O_CLOEXEC
	if fd, err := unix.Openat(int(dir.Fd()), unansweredName, fresh, 0o600); err == nil {
		unix.Close(fd)
	}
}
