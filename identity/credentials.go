package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
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
var ErrSecretUnavailable = errors.New("secret unavailable")

// UsesToken reports whether the identity logs in with an access token, not with a password.
func (id *Identity) UsesToken() bool { return id.TokenCommand != "" || id.OAuth != nil }

// An unavailable is an error that wraps ErrSecretUnavailable.
type unavailable struct {
	what string // the secret
	id   string // name of the identity
	err  error
}

// Error implements error.
func (e *unavailable) Error() string {
	return e.what + saysUnavailable + e.id + ": " + e.err.Error()
}

const saysUnavailable = " unavailable: identity "

// SaysUnavailable reports whether a reason is that a secret is not available.
func SaysUnavailable(reason string) bool { return strings.Contains(reason, saysUnavailable) }

// Unwrap returns the errors that are wrapped.
func (e *unavailable) Unwrap() []error { return []error{ErrSecretUnavailable, e.err} }

// Credentials returns the user name and the password or access token to authenticate with; both
// are empty if the identity has none. The identity's Runner runs the password or token command
// anew each time, and ends it when ctx ends or after 60 seconds. The secret is the first line that
// the command prints. Every error wraps ErrSecretUnavailable.
func (id *Identity) Credentials(ctx context.Context) (user, secret string, err error) {
	what := "password"
	switch {
	case id.OAuth != nil:
		return id.token(ctx, "")
	case id.TokenCommand != "":
		what = "access token"
		secret, err = id.firstLine(ctx, id.TokenCommand, "token command")
	case id.PasswordCommand != "":
		secret, err = id.firstLine(ctx, id.PasswordCommand, "password command")
	case !id.Password.IsSet() && id.Username != "" && id.Lookup != nil && !slices.Equal(id.Mechanisms, []string{"EXTERNAL"}):
		secret, err = id.Lookup(ctx)
	default:
		secret = id.Password.Reveal()
	}
	if err != nil {
		return "", "", &unavailable{what, id.Name, err}
	}
	return id.Username, secret, nil
}

// ProxySecret returns the password for the proxy, "" if there is none. Its error is that of
// Credentials.
func (id *Identity) ProxySecret(ctx context.Context) (secret string, err error) {
	switch {
	case id.ProxyPasswordCommand != "":
		secret, err = id.firstLine(ctx, id.ProxyPasswordCommand, "proxy password command")
	case id.ProxyPasswordKeyring && id.ProxyLookup == nil:
		err = errors.New("there is nothing here to ask the keyring with")
	case id.ProxyPasswordKeyring:
		secret, err = id.ProxyLookup(ctx)
	default:
		secret = id.ProxyPassword.Reveal()
	}
	if err != nil {
		return "", &unavailable{"proxy password", id.Name, err}
	}
	return secret, nil
}

// Renewed returns the user name, and an access token in place of one that the host has refused; the
// same if there is no other. Its error is that of Credentials.
func (id *Identity) Renewed(ctx context.Context, refused string) (user, secret string, err error) {
	if id.OAuth != nil {
		return id.token(ctx, refused)
	}
	return id.Credentials(ctx)
}

// token returns the user name and an access token of the identity's provider.
func (id *Identity) token(ctx context.Context, refused string) (user, secret string, err error) {
	if id.Tokens == nil {
		err = errors.New("there is nothing here to get access tokens with")
	} else {
		secret, err = id.Tokens(ctx, refused)
	}
	if err != nil {
		return "", "", &unavailable{"access token", id.Name, err}
	}
	return id.Username, secret, nil
}

// LoginCure says what helps when the host refuses the identity's password or token; "" if the
// host's words must do.
func (id *Identity) LoginCure() string {
	switch {
	case id.OAuth != nil:
		return "run: esmtpq oauth login " + shellQuote(id.Name) + thenDeliver
	case id.TokenCommand != "":
		return "the token command of identity " + id.Name + " must print a new token: log in with its program" + thenDeliver
	case id.passwordAt != "" && id.Username != "" && (id.Password.IsSet() || id.PasswordCommand != ""):
		return "correct the " + strings.TrimSuffix(id.passwordAt, ": ") + " for identity " + id.Name + thenDeliver
	}
	return ""
}

// TokenCure says how to log in by token in place of a password, for a person; "" where the identity
// does so.
func (id *Identity) TokenCure() string {
	if id.UsesToken() || id.Username == "" {
		return ""
	}
	set := "set oauth as esmtpq.yaml(5) says"
	if p := providerOf(id.Host); p != "" {
		set = "set oauth: " + p
	}
	return set + ", run: esmtpq oauth login " + shellQuote(id.Name) + thenDeliver
}

// ForgetCommand returns the command that forgets what was seen of the identity's hosts.
func (id *Identity) ForgetCommand() string { return "esmtpq probe --forget " + shellQuote(id.Name) }

const thenDeliver = ", then type deliver"

// firstLine returns the first line that a command prints; what is its name in errors.
func (id *Identity) firstLine(ctx context.Context, command, what string) (string, error) {
	if id.Run == nil {
		return "", fmt.Errorf("there is nothing here to run the %s with", what)
	}
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	stdout, remark, err := id.Run(ctx, command)
	line, _, ended := bytes.Cut(stdout, []byte("\n"))
	secret := strings.TrimSuffix(string(line), "\r")

	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("the %s did not end in time and was stopped", what)
	case err != nil && ctx.Err() != nil:
		err = fmt.Errorf("the %s was stopped", what)
	case err != nil:
		err = fmt.Errorf("the %s failed: %v", what, err)
	case !ended && len(stdout) >= maxPassword:
		err = fmt.Errorf("the %s printed a line of %d octets or more", what, maxPassword)
	case secret == "":
		err = fmt.Errorf("the %s printed nothing", what)
	case strings.Contains(secret, "\x00"):
		err = fmt.Errorf("the %s printed a NUL octet", what)
	default:
		return secret, nil
	}
	if remark != "" {
		if secret != "" {
			remark = strings.ReplaceAll(remark, secret, Mask)
		}
		err = fmt.Errorf("%v: %s", err, remark[:min(len(remark), maxRemark)])
	}
	return "", err
}
