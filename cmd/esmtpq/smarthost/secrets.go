package smarthost

import (
	"context"
	"os"
	"time"

	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/helper"
	"esmtpq/identity"
	"esmtpq/identity/oauth"
	"esmtpq/identity/secret"
	"esmtpq/queue/spool"
)

// Secrets gives an identity the means to obtain its secrets.
func (h *Hosts) Secrets(id *identity.Identity) {
	id.Run = helper.Output
	id.Lookup = h.lookup(id)
	if id.Proxy != nil {
		k := h.key(id.Proxy.Host, id.Proxy.Port, id.Proxy.User, id.Name)
		k.Proxy = true
		id.ProxyLookup = func(ctx context.Context) (string, error) { return secret.Keyring(ctx, k) }
	}
	if id.OAuth != nil {
		id.Tokens = (&oauth.Source{Home: h.Home, Identity: id}).Token
	}
}

// lookup returns the function that finds an identity's password outside of the configuration.
func (h *Hosts) lookup(id *identity.Identity) func(context.Context) (string, error) {
	k := h.key(id.Host, id.Port, id.Username, id.Name)
	return func(ctx context.Context) (string, error) {
		switch {
		case id.PasswordKeyring:
			return secret.Keyring(ctx, k)
		case id.PasswordCredential != "":
			return secret.Credential(os.Getenv("CREDENTIALS_DIRECTORY"), id.PasswordCredential)
		}
		return secret.Netrc(ctx, k)
	}
}

// key returns what a password is found by. The keyring is asked again, although it did not answer,
// for a person and for mail that has come since.
func (h *Hosts) key(host, port, user, name string) *secret.Key {
	k := &secret.Key{Host: host, Port: port, User: user, Identity: name, Home: h.Home, State: h.state}
	k.Again = func(since time.Time) bool { return h.Asked || h.mailSince(since) }
	return k
}

// mailSince reports whether mail has come since a time.
func (h *Hosts) mailSince(since time.Time) bool {
	entries, _ := os.ReadDir(whoami.Queue(h.Home)) // sorted by name, and so by arrival
	for _, e := range entries {
		if at := spool.ArrivalOf(e.Name()); e.IsDir() && at.After(since) && !at.After(time.Now().Add(time.Minute)) {
			return true
		}
	}
	return false
}
