package door

import (
	"errors"
	"io/fs"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue"
)

// OpenQueue opens the user's queue; nil and no error if there is none yet.
func OpenQueue() (*queue.Queue, error) {
	home, err := whoami.Home()
	if err != nil {
		return nil, err
	}
	q, err := queue.Open(whoami.Queue(home))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return q, exit.Queue(err)
}
