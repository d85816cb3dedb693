package secret

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// keyringLimit is how long the keyring may take. It is long enough for a person to unlock it.
const keyringLimit = 60 * time.Second

// set is the command that helps.
func (k *Key) set() string {
	if k.Proxy {
		return "run: esmtpq secret set --proxy " + quote(k.Identity)
	}
	return "run: esmtpq secret set " + quote(k.Identity)
}

// quote returns a word as one types it in a shell.
func quote(s string) string {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-+,@%", r) {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}

// Keyring returns the password that Store has stored in the keyring of the desktop.
func Keyring(ctx context.Context, k *Key) (string, error) {
	if err := available(); err != nil {
		return "", err
	}
	if err := k.mayAsk(); err != nil {
		return "", err
	}
	secret, err := k.lookup(ctx)
	k.answered(!errors.Is(err, errSilent))
	return secret, err
}

// Store stores a password in the keyring of the desktop, and reads it back.
func Store(ctx context.Context, k *Key, password string) error {
	if err := Valid(password); err != nil {
		return err
	}
	if err := available(); err != nil {
		return err
	}
	if err := k.store(ctx, password); err != nil {
		k.answered(!errors.Is(err, errSilent))
		return err
	}
	got, err := k.lookup(ctx)
	k.answered(!errors.Is(err, errSilent))
	if err == nil && got != password {
		err = errors.New("the keyring gives back something else than it was given")
	}
	return err
}

// unasked says that the keyring cannot be asked.
func unasked(err error) error { return fmt.Errorf("the keyring cannot be asked: %w", err) }

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	s = s[strings.LastIndexByte(s, '\n')+1:]
	return s[:min(len(s), 200)]
}
