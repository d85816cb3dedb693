package door

import (
	"errors"
	"io/fs"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue/spool"
)

// OpenQueue opens the user's queue; nil and no error if there is none yet.
func OpenQueue() (*spool.Queue, error) {
	home, err := whoami.Home()
	if err != nil {
		return nil, err
	}
	q, err := spool.Open(whoami.Queue(home))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return q, exit.Queue(err)
}
