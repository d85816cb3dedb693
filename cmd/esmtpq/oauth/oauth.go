// Package oauth is the door of logins by OAuth 2.0: a person allows the access once, and mail goes
// out with tokens from then on.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/helper"
	"esmtpq/identity"
	"esmtpq/identity/oauth"
	"esmtpq/queue/spool"
)

const help = `  login IDENTITY         allow mail in a browser; the address of its last page can be pasted
  login --device IDENTITY
                         the same with a code, in a browser on any machine
  status [IDENTITY]      what there is for identities with oauth
  logout IDENTITY        forget the tokens
  -C FILE                use this configuration
`

// Verb is oauth.
func Verb(c *door.Call) error {
	if c.AsksHelp() || len(c.Args) == 0 {
		return c.Help(help)
	}
	what, device, rest := c.Args[0], false, c.Args[1:]
	if what == "login" {
		rest, device = argv.Cut(rest, "--device")
	}
	inv, err := argv.Parse(rest)
	if err != nil {
		return err
	}
	home, cfg, err := submit.Configuration(inv.Config)
	if err != nil {
		return err
	}
	d := &desk{call: c, home: home, config: cfg}
	switch {
	case what == "status" && len(inv.Operands) == 0:
		return d.statusOfAll()
	case what != "login" && what != "status" && what != "logout":
		return exit.Fail(exit.Usage, "%s: see esmtpq help oauth", spool.Printable(what))
	case len(inv.Operands) != 1:
		return exit.Fail(exit.Usage, "which identity? %s; see esmtpq help oauth", d.names())
	}
	id, err := d.identity(inv.Operands[0])
	if err != nil {
		return err
	}
	switch what {
	case "login":
		return d.login(id, device)
	case "logout":
		return d.logout(id)
	}
	d.status(id)
	return nil
}

// A desk serves one call.
type desk struct {
	call   *door.Call
	home   string
	config *identity.Config
}

// names lists the identities that log in by OAuth.
func (d *desk) names() string {
	var names []string
	for _, id := range d.config.Identities {
		if id.OAuth != nil {
			names = append(names, spool.Printable(id.Name))
		}
	}
	if len(names) == 0 {
		return "none has oauth in " + spool.Printable(d.config.File)
	}
	return strings.Join(names, ", ")
}

// identity returns the identity of a name.
func (d *desk) identity(name string) (*identity.Identity, error) {
	for _, id := range d.config.Identities {
		switch {
		case id.Name != name:
		case id.OAuth == nil:
			return nil, exit.Fail(exit.Config, "identity %s has no oauth in %s: see esmtpq.yaml(5)", spool.Printable(name), spool.Printable(d.config.File))
		default:
			id.Run = helper.Output
			return id, nil
		}
	}
	return nil, exit.Fail(exit.Config, "there is no identity %s; those with oauth: %s", spool.Printable(name), d.names())
}

// login has the login of an identity.
func (d *desk) login(id *identity.Identity, device bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dialogue := &oauth.Dialogue{
		Source: &oauth.Source{Home: d.home, Identity: id}, In: d.call.In,
		Say: func(format string, args ...any) { fmt.Fprintf(d.call.Out, format, args...) },
	}
	log := dialogue.Login
	if device {
		log = dialogue.LoginDevice
	}
	if err := log(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		return exit.Fail(exit.TempFail, "%s", spool.Printable(err.Error()))
	}
	fmt.Fprintf(d.call.Out, "Logged in. Mail of identity %s goes out with the next delivery: esmtpq deliver\n", spool.Printable(id.Name))
	return nil
}

func (d *desk) logout(id *identity.Identity) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	was, err := (&oauth.Source{Home: d.home, Identity: id}).Logout(ctx)
	switch {
	case err != nil:
		return exit.Fail(exit.TempFail, "%w", err)
	case !was:
		return exit.Fail(exit.Unavailable, "there was no login of identity %s", spool.Printable(id.Name))
	}
	fmt.Fprintln(d.call.Out, "Forgotten here. To end the access as well, remove it in the settings of the account.")
	return nil
}

func (d *desk) statusOfAll() error {
	any := false
	for _, id := range d.config.Identities {
		if id.OAuth != nil {
			d.status(id)
			any = true
		}
	}
	if !any {
		return exit.Fail(exit.Config, "%s", "no identity has oauth in "+spool.Printable(d.config.File))
	}
	return nil
}

// status says what there is for an identity.
func (d *desk) status(id *identity.Identity) {
	st := (&oauth.Source{Home: d.home, Identity: id}).Status()
	out := d.call.Out
	fmt.Fprintf(out, "%s (%s)\n", spool.Printable(id.Name), spool.Printable(id.OAuth.Provider))
	if st.Missing != "" {
		fmt.Fprintf(out, "  %s\n", spool.Printable(st.Missing))
		return
	}
	const layout = "2006-01-02 15:04"
	fmt.Fprintf(out, "  logged in      %s\n", st.Login.Local().Format(layout))
	word := "good until"
	if st.Expires.Before(time.Now()) {
		word = "ended, will be renewed;"
	}
	fmt.Fprintf(out, "  access token   %s %s\n", word, st.Expires.Local().Format(layout))
	if st.Scope != "" {
		fmt.Fprintf(out, "  scope          %s\n", spool.Printable(st.Scope))
	}
	if st.Failed != "" {
		fmt.Fprintf(out, "  last renewal   %s\n", spool.Printable(st.Failed))
	}
}
