package relay

import (
	"context"
	"sync"

	"esmtpq/relay/smtp"
)

// secrets keeps credentials for further sessions of the same run, once they have been accepted: a
// password command may ask a person. It implements smtp.Login.
type secrets struct {
	ask  func(context.Context) (smtp.Credentials, error)
	once bool // what ask returned is not to be kept: a token does not last
	// renew returns a token in place of a refused one; nil if there is only one secret.
	renew func(ctx context.Context, refused string) (smtp.Credentials, error)

	mu    sync.Mutex
	creds smtp.Credentials
	good  bool
}

// Get implements smtp.Login: it returns the accepted credentials, or asks for them.
func (k *secrets) Get(ctx context.Context) (smtp.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.good && !k.once {
		return k.creds, nil
	}
	return k.ask(ctx)
}

// Renew implements smtp.Login.
func (k *secrets) Renew(ctx context.Context, refused smtp.Credentials) (smtp.Credentials, error) {
	if k.renew == nil {
		return refused, nil
	}
	return k.renew(ctx, refused.Secret)
}

// Done implements smtp.Login: it keeps credentials that were accepted, and forgets others.
func (k *secrets) Done(creds smtp.Credentials, accepted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.good = accepted; !accepted {
		creds = smtp.Credentials{}
	}
	k.creds = creds
}
