package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// passwordTimeout bounds a password command. It is long enough for a person to answer a dialogue.
const passwordTimeout = 60 * time.Second

const (
	maxPassword = 64 << 10 // octets of a password
	maxRemark   = 200      // octets of a password command's last word
)

// A Runner runs a line with /bin/sh. It returns the beginning of what the line prints, at least
// maxPassword octets if there are so many, and the last line of its standard error. If the line
// did not end with status 0, the error says how it ended, and wraps ctx's error if ctx ended it.
type Runner func(ctx context.Context, line string) (stdout []byte, words string, err error)

// ErrSecretUnavailable is wrapped by the error of Credentials when the password is not available
// at the moment: a locked keyring, no agent, nobody to answer. The host has not refused anything;
// the identity's mail waits.
var ErrSecretUnavailable = errors.New("password unavailable")

// Credentials returns the user name and the password to authenticate with; both are empty if the
// identity has none. The identity's Runner runs the password command anew each time, and ends it
// when ctx ends or after 60 seconds. The password is the first line that the command prints.
// Every error wraps ErrSecretUnavailable.
func (id *Identity) Credentials(ctx context.Context) (user, password string, err error) {
	if id.PasswordCommand == "" {
		return id.Username, id.Password.Reveal(), nil
	}
	password, err = id.runPasswordCommand(ctx)
	if err != nil {
		return "", "", fmt.Errorf("%w: identity %s: %w", ErrSecretUnavailable, id.Name, err)
	}
	return id.Username, password, nil
}

// runPasswordCommand returns the first line that the command prints.
func (id *Identity) runPasswordCommand(ctx context.Context) (string, error) {
	if id.Run == nil {
		return "", errors.New("there is nothing here to run the password command with")
	}
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	stdout, remark, err := id.Run(ctx, id.PasswordCommand)
	line, _, ended := bytes.Cut(stdout, []byte("\n"))
	password := strings.TrimSuffix(string(line), "\r")

	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = errors.New("the password command did not end in time and was stopped")
	case err != nil && ctx.Err() != nil:
		err = errors.New("the password command was stopped")
	case err != nil:
		err = fmt.Errorf("the password command failed: %v", err)
	case !ended && len(stdout) >= maxPassword:
		err = fmt.Errorf("the password command printed a line of %d octets or more", maxPassword)
	case password == "":
		err = errors.New("the password command printed nothing")
	case strings.Contains(password, "\x00"):
		err = errors.New("the password command printed a NUL octet")
	default:
		return password, nil
	}
	if remark != "" {
		if password != "" {
			remark = strings.ReplaceAll(remark, password, Mask)
		}
		err = fmt.Errorf("%v: %s", err, remark[:min(len(remark), maxRemark)])
	}
	return "", err
}
