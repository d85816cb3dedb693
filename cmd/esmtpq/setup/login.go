package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/identity"
	"esmtpq/identity/secret"
	"esmtpq/queue/spool"
	"esmtpq/relay/smtp"
)

// loginLimit bounds the session that tries a login.
const loginLimit = 2 * time.Minute

// identity returns the identity as far as it is known without its secret.
func (w *wizard) identity() *identity.Identity {
	id := &identity.Identity{
		Name: w.addr, Match: []string{w.addr}, Host: w.server.Host, Port: w.server.Port, TLS: w.server.TLS, Username: w.server.Username,
		Default: w.file.first(), PasswordCommand: w.opt.passwordCommand, TokenCommand: w.opt.tokenCommand,
	}
	if w.opt.oauth != "" {
		id.OAuth = &identity.OAuth{Provider: w.opt.oauth, ClientID: w.opt.clientID}
	}
	return id
}

// login settles how to log in, and does, until the host takes it.
func (w *wizard) login() error {
	w.id = w.identity()
	if err := w.way(); err != nil {
		return err
	}
	for tries := 1; ; tries++ {
		if err := w.getSecret(); err != nil {
			return err
		}
		failed := w.tryLogin()
		switch {
		case failed == nil:
			return nil
		case w.ctx.Err() != nil:
			return interrupted()
		case !w.asks() || tries == 3 || w.usesCommand():
			return w.refused(failed)
		}
		w.say("%s\n", spool.Printable(failed.Error()))
		if p := w.server.Provider; p != nil && p.Hint != "" {
			w.say("Note: %s\n", p.Hint)
		}
		if failed.At != smtp.StageAUTH && !w.yes("Try again?", true) {
			return exit.Fail(exit.TempFail, "nothing has been saved")
		}
	}
}

func (w *wizard) usesCommand() bool {
	return w.id.PasswordCommand != "" || w.id.TokenCommand != "" || w.id.OAuth != nil
}

// refused is the error for a login that did not succeed.
func (w *wizard) refused(e *smtp.Error) error {
	code := exit.TempFail
	if e.At == smtp.StageAUTH && e.Kind == smtp.KindReply && e.Reply.Class() == 5 {
		code = exit.NoPerm
	}
	text := "nothing has been saved: " + e.Error()
	if p := w.server.Provider; p != nil && p.Hint != "" && code == exit.NoPerm {
		text += "; " + p.Hint
	}
	return exit.Fail(code, "%s", spool.Printable(text))
}

// way settles how to log in, and where the secret is kept.
func (w *wizard) way() error {
	if w.id.Username == "" || w.opt.passwordCommand != "" || w.opt.tokenCommand != "" || w.opt.oauth != "" || w.opt.inClear || w.opt.keyring {
		w.id.PasswordKeyring = w.opt.keyring
		return nil
	}
	noKeyring := secret.Available()
	if !w.asks() {
		if noKeyring != nil {
			return exit.Fail(exit.Usage, "where is the password to be kept? %s; say --password-command, or --in-clear for the configuration file", spool.Printable(noKeyring.Error()))
		}
		w.id.PasswordKeyring = true
		return nil
	}
	if p := w.server.Provider; p != nil && p.OAuth != "" && (p.NoPass || !w.yes("Log in with a password? (n: with OAuth, in a browser)", true)) {
		return w.askOAuth(p.OAuth)
	}
	return w.askKeeping(noKeyring)
}

// askKeeping asks where the password is to be kept.
func (w *wizard) askKeeping(noKeyring error) error {
	w.say("Where is the password to be kept?\n")
	usual := "1"
	if noKeyring != nil {
		usual = ""
		w.say("  1  in the keyring of the desktop (not now: %s)\n", spool.Printable(noKeyring.Error()))
	} else {
		w.say("  1  in the keyring of the desktop\n")
	}
	w.say("  2  nowhere: a command prints it, such as pass show mail\n")
	w.say("  3  in clear, in %s, which only you can read\n", w.file.shown())
	for range 3 {
		switch w.ask("1, 2 or 3", usual) {
		case "1":
			if noKeyring == nil {
				w.id.PasswordKeyring = true
				return nil
			}
			w.say("%s\n", spool.Printable(noKeyring.Error()))
		case "2":
			if w.id.PasswordCommand = w.ask("The command", ""); w.id.PasswordCommand != "" {
				return nil
			}
		case "3":
			w.opt.inClear = true
			return nil
		}
		if !w.asks() {
			return interrupted()
		}
	}
	return exit.Fail(exit.Usage, "nothing has been saved")
}

// askOAuth asks for what a login with OAuth needs.
func (w *wizard) askOAuth(provider string) error {
	w.id.OAuth = &identity.OAuth{Provider: provider}
	if registers(provider) {
		return nil
	}
	w.say("A login with OAuth needs a client ID of your own: docs/oauth.md says how to get one.\n")
	w.id.OAuth.ClientID = w.ask("Client ID", "")
	if w.id.OAuth.ClientID == "" || !w.asks() {
		return exit.Fail(exit.Unavailable, "without a client ID there is no login with OAuth; nothing has been saved")
	}
	if text := w.hidden("Client secret, empty for none (Microsoft has none; it is kept in the configuration file)"); text != "" {
		w.id.OAuth.ClientSecret = identity.NewSecret(text)
	}
	return nil
}

// registers reports whether a provider may give a client ID by itself: Fastmail does, and others that are
// named by their address say it themselves.
func registers(provider string) bool {
	return provider == "fastmail" || strings.Contains(provider, "://")
}

// getSecret gets the password, or the tokens.
func (w *wizard) getSecret() error {
	switch {
	case w.id.OAuth != nil:
		return w.oauthLogin()
	case w.id.Username == "" || w.id.PasswordCommand != "" || w.id.TokenCommand != "":
		return nil
	case w.asks():
		w.secret = w.hidden(fmt.Sprintf("Password of %s at %s", spool.Printable(w.id.Username), spool.Printable(w.id.Host)))
	default:
		text, err := readLine(w.c.In)
		if err != nil {
			return exit.Fail(exit.NoInput, "the password should be the first line of standard input, or be printed by --password-command: %w", err)
		}
		w.secret = text
	}
	if w.ctx.Err() != nil {
		return interrupted()
	}
	if err := secret.Valid(w.secret); err != nil {
		return exit.Fail(exit.DataErr, "%w; nothing has been saved", err)
	}
	return nil
}

// oauthLogin has the login in a browser. It is another process of ours: that waits for the browser and
// for the terminal at once, and must not keep a line that is typed afterwards.
func (w *wizard) oauthLogin() error {
	if w.id.OAuth.ClientID == "" && !registers(w.id.OAuth.Provider) {
		return exit.Fail(exit.Usage, "--oauth %s needs --client-id: see docs/oauth.md", spool.Printable(w.id.OAuth.Provider))
	}
	dir, err := os.MkdirTemp("", "esmtpq-setup-")
	if err != nil {
		return exit.Fail(exit.TempFail, "%w", err)
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return exit.Fail(exit.OSErr, "%w", err)
	}
	alone := &file{path: filepath.Join(dir, "config.yaml"), home: w.home}
	if err := alone.add([]*identity.Identity{w.id}); err != nil {
		return err
	}
	cmd := exec.CommandContext(w.ctx, self, "oauth", "login", "-C", alone.path, w.id.Name)
	cmd.Args[0] = "esmtpq"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = w.c.In, w.c.Err, w.c.Err
	if err := cmd.Run(); err != nil {
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			return exit.Silent(max(ended.ExitCode(), exit.TempFail))
		}
		return exit.Fail(exit.OSErr, "%w", err)
	}
	return nil
}

// tryLogin logs in as a delivery would.
func (w *wizard) tryLogin() *smtp.Error {
	trial := *w.id
	if w.secret != "" {
		trial.Password, trial.PasswordKeyring = identity.NewSecret(w.secret), false
	}
	t, err := w.hosts.Transport(&identity.Config{}, &trial)
	if err != nil {
		return &smtp.Error{At: smtp.StageLocal, Text: submit.ConfigFailure(err).Error()}
	}
	ctx, cancel := context.WithTimeout(w.ctx, w.hosts.Limit(loginLimit))
	defer cancel()
	view, failed := t.Look(ctx)
	if failed != nil {
		return failed
	}
	if view.LoggedIn {
		w.say("Logged in (%s).\n", view.Mechanism)
	}
	return nil
}

// save stores the secret, and adds the identity to the configuration: in this order, so that there is
// never an identity without its password.
func (w *wizard) save() error {
	for w.id.PasswordKeyring {
		k := &secret.Key{Host: w.id.Host, Port: w.id.Port, User: w.id.Username, Identity: w.id.Name}
		err := secret.Store(w.ctx, k, w.secret)
		if err == nil {
			break
		}
		text := spool.Printable(err.Error())
		if !w.asks() {
			return exit.Fail(exit.TempFail, "%s; nothing has been saved", text)
		}
		w.say("%s\n", text)
		w.id.PasswordKeyring = false
		if err := w.askKeeping(errors.New(text)); err != nil {
			return err
		}
	}
	if w.opt.inClear {
		w.id.Password = identity.NewSecret(w.secret)
	}
	if err := w.file.add([]*identity.Identity{w.id}); err != nil {
		return err
	}
	w.say("%s now sends through %s (%s): added to %s\n", w.addr, addr(w.server), w.source, w.file.shown())
	return nil
}
