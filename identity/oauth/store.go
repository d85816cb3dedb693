package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// A record is what is kept of the login of an identity.
type record struct {
	Version  int    `json:"version"`
	Identity string `json:"identity"`
	Provider string `json:"provider"` // as configured
	ClientID string `json:"client_id"`
	// ClientSecret is one that the server gave at a registration; configured ones are not kept.
	ClientSecret string `json:"client_secret,omitempty"`
	TokenURL     string `json:"token_url"`
	Header       bool   `json:"secret_in_header,omitempty"` // the client's secret goes in the Authorization header

	Access   string    `json:"access_token"`
	Refresh  string    `json:"refresh_token"`
	Expires  time.Time `json:"expires"`
	Obtained time.Time `json:"obtained"`
	Scope    string    `json:"scope,omitempty"`
	Login    time.Time `json:"login"`

	// Asked is when a renewal was sent whose answer is not known: the refresh token may be used up.
	Asked time.Time `json:"asked,omitzero"`
	// Answer is that answer, as it came, until its tokens are in the fields above.
	Answer string `json:"answer,omitempty"`
	// Failed is why the last renewal failed, "" if it did not.
	Failed string `json:"failed,omitempty"`
}

const recordVersion = 1

// A store is the file of one identity, in a directory that only its owner can read.
type store struct{ path string }

// Dir returns the directory of the tokens in a home directory. It does not depend on the
// environment: a delivery that cron has started must find what a person at a desktop has stored.
func Dir(home string) string { return filepath.Join(home, ".local", "state", "esmtpq", "oauth") }

// at returns the store of an identity.
func at(home, name string) *store { return &store{filepath.Join(Dir(home), fileName(name)+".json")} }

// fileName returns a file name for an identity that no other identity has.
func fileName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("@-_+", c) >= 0 || c == '.' && i > 0
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// maxRecord bounds the file, in octets.
const maxRecord = 1 << 20

// errNone is the error when there has been no login.
var errNone = errors.New("there has been no login")

// read reads the record. A file that others can read or write is refused.
func (s *store) read() (*record, error) {
	f, err := os.OpenFile(s.path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNone
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || !st.Mode().IsRegular() || int(sys.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%s is not a file of yours", s.path)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s holds tokens, and others have access to it; type: chmod 600 %s", s.path, s.path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return nil, err
	}
	r := &record{}
	if err := json.Unmarshal(text, r); err != nil || r.Version != recordVersion {
		return nil, fmt.Errorf("%s is damaged, or of another version of esmtpq", s.path)
	}
	return r, nil
}

// write replaces the record; when it returns nil, the new one is durable.
func (s *store) write(r *record) error {
	r.Version = recordVersion
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := s.makeDir(); err != nil {
		return err
	}
	if err := renameio.WriteFile(s.path, append(text, '\n'), 0o600, renameio.IgnoreUmask()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.path))
}

// makeDir makes the directory.
func (s *store) makeDir() error {
	dir := filepath.Dir(s.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// remove removes the record; that there is none is no error.
func (s *store) remove() error {
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

const (
	// lockPause is how long to wait before a lock is tried again.
	lockPause = 50 * time.Millisecond
	// lockLimit is how long to wait in all: for the one request of whoever holds it, and a command.
	lockLimit = 2 * time.Minute
)

// lock waits for the lock of the identity. Whoever holds it makes one request, which has its limit.
func (s *store) lock(ctx context.Context) (unlock func(), err error) {
	if err := s.makeDir(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(strings.TrimSuffix(s.path, ".json")+".lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockLimit)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			f.Close()
			return nil, err
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		}
	}
}
