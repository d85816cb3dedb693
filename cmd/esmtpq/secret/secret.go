// Package secret is the door through which a password gets into the keyring of the desktop.
package secret

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/identity"
	"esmtpq/identity/secret"
	"esmtpq/queue/spool"
)

const help = `  set IDENTITY           ask for the password, or read a line of standard input
  --proxy                the password for the identity's proxy
  -C FILE                use this configuration
`

// Verb is secret.
func Verb(c *door.Call) error {
	if c.AsksHelp() || len(c.Args) == 0 {
		return c.Help(help)
	}
	args, proxy := argv.Cut(c.Args[1:], "--proxy")
	inv, err := argv.Parse(args)
	switch {
	case c.Args[0] != "set":
		return exit.Fail(exit.Usage, "%s: see esmtpq help secret", spool.Printable(c.Args[0]))
	case err != nil:
		return err
	case len(inv.Operands) != 1:
		return exit.Fail(exit.Usage, "which identity? see esmtpq help secret")
	}
	_, cfg, err := submit.Configuration(inv.Config)
	if err != nil {
		return err
	}
	id := find(cfg, inv.Operands[0])
	switch {
	case id == nil:
		return exit.Fail(exit.Config, "there is no identity %s in %s", spool.Printable(inv.Operands[0]), spool.Printable(cfg.File))
	case proxy && (id.Proxy == nil || id.Proxy.User == ""):
		return exit.Fail(exit.Config, "identity %s has no proxy with a user name", spool.Printable(id.Name))
	case !proxy && id.Username == "":
		return exit.Fail(exit.Config, "identity %s has no username", spool.Printable(id.Name))
	}
	k := &secret.Key{Host: id.Host, Port: id.Port, User: id.Username, Identity: id.Name}
	if proxy {
		k.Host, k.Port, k.User, k.Proxy = id.Proxy.Host, id.Proxy.Port, id.Proxy.User, true
	}
	return set(c, id, k)
}

func find(cfg *identity.Config, name string) *identity.Identity {
	for _, id := range cfg.Identities {
		if id.Name == name {
			return id
		}
	}
	return nil
}

// set stores the password of an identity.
func set(c *door.Call, id *identity.Identity, k *secret.Key) error {
	password, err := ask(c, k)
	if err != nil {
		return exit.Fail(exit.NoInput, "%w", err)
	}
	if err := secret.Valid(password); err != nil {
		return exit.Fail(exit.DataErr, "%w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := secret.Store(ctx, k, password); err != nil {
		return exit.Fail(exit.TempFail, "%s", spool.Printable(err.Error()))
	}
	key, used := "password_keyring", id.PasswordKeyring
	if k.Proxy {
		key, used = "proxy_password_keyring", id.ProxyPasswordKeyring
	}
	if !used {
		fmt.Fprintf(c.Err, "%s: identity %s does not use it yet: set %s: true, and leave its other password out\n", c.Name, spool.Printable(id.Name), key)
	}
	return nil
}

// ask reads the password: at a terminal without showing it, elsewhere the first line.
func ask(c *door.Call, k *secret.Key) (string, error) {
	if fd := int(c.In.Fd()); term.IsTerminal(fd) {
		defer door.EchoOff(fd)()
		fmt.Fprintf(c.Err, "Password of %s at %s: ", spool.Printable(k.User), spool.Printable(k.Host))
		text, err := term.ReadPassword(fd)
		fmt.Fprintln(c.Err)
		return string(text), err
	}
	line, err := bufio.NewReader(io.LimitReader(c.In, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}
