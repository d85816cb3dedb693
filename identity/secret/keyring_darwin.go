package secret

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"esmtpq/helper"
)

// maxItem bounds what security prints, in octets.
const maxItem = 8 << 10

// maxStored is the longest secret that is stored: security reads lines of up to 4096 octets, and two
// digits of it stand for one octet of the secret.
const maxStored = 1500

// notFound is the exit status of security for an item that is not there.
const notFound = 44

// available returns nil: the keychain is there, if perhaps locked.
func available() error { return nil }

// Available returns nil: the keychain is part of the system.
func Available() error { return nil }

// lookup asks the keychain for the password.
func (k *Key) lookup(ctx context.Context) (string, error) {
	find := &helper.Command{Argv: append([]string{"/usr/bin/security", "find-generic-password", "-w"}, k.item()...)}
	out, words, ok, err := run(ctx, maxItem, find)
	switch {
	case err != nil:
		return "", unasked(err)
	case ok:
		return unwrap(out)
	case strings.Contains(words, "could not be found"):
		return "", errors.New("the password is not in the keychain; " + k.set())
	case strings.Contains(words, "interaction is not allowed"):
		return "", errors.New("the keychain is locked: unlock it at the desktop, or log in there")
	}
	return "", unasked(errors.New(lastLine(words)))
}

// store puts the password into the keychain. It goes by standard input, since everybody can read
// arguments.
func (k *Key) store(ctx context.Context, password string) error {
	add := &helper.Command{Argv: []string{"/usr/bin/security", "-i"}, Stdin: strings.NewReader(k.addition(password))}
	_, words, ok, err := run(ctx, maxItem, add)
	switch {
	case err != nil:
		return unasked(err)
	case !ok || words != "":
		return fmt.Errorf("the keychain does not take it: %s", lastLine(words))
	}
	return nil
}
