package relay

import (
	"context"
	"sync"
)

// secrets keeps user name and password for further sessions of the same run, once they
// have been accepted: a password command may ask a person. It implements smtp.Login.
type secrets struct {
	ask func(context.Context) (user, password string, err error)

	mu             sync.Mutex
	user, password string
	good           bool
}

// Get returns the accepted credentials, or asks for them.
func (k *secrets) Get(ctx context.Context) (user, password string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.good {
		return k.user, k.password, nil
	}
	return k.ask(ctx)
}

// Done keeps credentials that were accepted, and forgets others.
func (k *secrets) Done(user, password string, accepted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.good = accepted; !accepted {
		user, password = "", ""
	}
	k.user, k.password = user, password
}
