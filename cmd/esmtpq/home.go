package main

import (
	"errors"
	"io/fs"
	"path/filepath"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue/spool"
)

// openQueue opens the user's queue; nil and no error if there is none yet.
func openQueue() (*spool.Queue, error) {
	home, err := whoami.Home()
	if err != nil {
		return nil, err
	}
	q, err := spool.Open(filepath.Join(home, submit.QueueName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return q, exit.Queue(err)
}
