// Package setup is the door of setup and import: it finds out how mail of an address is sent, or what
// the files of other programs say about it, and adds that to the configuration.
package setup

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/smarthost"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/identity/discover"
	"esmtpq/queue/spool"
)

const setupHelp = `  --host HOST[:PORT]     the smart host; without it, it is looked for
  --tls MODE             implicit or starttls, for a port that does not say it
  --username NAME        to log in with, where that is not what the provider says
  --keyring              keep the password in the keyring of the desktop
  --password-command LINE
                         keep no password: the command prints it
  --in-clear             keep the password in the configuration file
  --oauth PROVIDER       log in with OAuth 2.0: google, microsoft, ...; see docs/oauth.md
  --client-id ID         for --oauth
  --token-command LINE   log in with OAuth 2.0; the command prints an access token
  --dry-run              print the YAML, and neither log in nor save anything
  --non-interactive      ask nothing; the password is the first line of standard input
  --test                 send a test mail to the address, without asking
  --pacc                 ask for a user-agent-configuration as well, an internet draft
  -C FILE                add to this configuration
Whatever is not given is asked for at a terminal.
`

// Verb is setup, and import.
func Verb(c *door.Call) error {
	if c.Verb == "import" {
		return importFiles(c)
	}
	if c.AsksHelp(valued...) {
		return c.Help(setupHelp)
	}
	opt, err := parse(c.Args)
	if err != nil {
		return err
	}
	w, err := newWizard(c, opt)
	if err != nil {
		return err
	}
	defer w.stop()
	return w.run()
}

// A wizard sets one address up.
type wizard struct {
	*dialogue
	opt   *options
	home  string
	hosts *smarthost.Hosts
	ctx   context.Context
	stop  context.CancelFunc

	file   *file // what is added to
	addr   string
	local  string
	domain string
	server discover.Server
	source string // where the server is from
	id     *identity.Identity
	secret string // a password that is to be stored in the keyring
}

func newWizard(c *door.Call, opt *options) (*wizard, error) {
	home, err := whoami.Home()
	if err != nil {
		return nil, err
	}
	step, err := submit.StepLimit()
	if err != nil {
		return nil, err
	}
	w := &wizard{opt: opt, home: home, hosts: &smarthost.Hosts{Home: home, Step: step}}
	w.ctx, w.stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	w.dialogue = newDialogue(c, w.ctx, !opt.nonInteractive && !opt.dryRun)
	return w, nil
}

// run goes through all steps. Nothing is written before the last ones.
func (w *wizard) run() error {
	for _, step := range []func() error{w.address, w.openFile} {
		if err := step(); err != nil {
			return err
		}
	}
	if id := w.file.identity(w.addr); id != nil {
		w.say("%s is set up already: identity %s in %s. To try it: esmtpq probe %s\n", w.addr, spool.Printable(id.Name), w.file.shown(), spool.Printable(id.Name))
		return nil
	}
	if err := w.file.usable(); err != nil {
		return err
	}
	if err := w.smartHost(); err != nil {
		return err
	}
	if w.opt.dryRun {
		return w.dryRun()
	}
	for _, step := range []func() error{w.login, w.save, w.testMail} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// address gets the address, and takes it apart.
func (w *wizard) address() error {
	w.addr = w.opt.address
	for tries := 0; ; tries++ {
		if w.addr == "" {
			if !w.asks() {
				return exit.Fail(exit.Usage, "which address? type: esmtpq setup you@example.org")
			}
			w.addr = w.ask("Your mail address", "")
		}
		why := w.takeApart()
		switch {
		case why == "":
			return w.typingError()
		case w.ctx.Err() != nil:
			return interrupted()
		case !w.asks() || tries == 2:
			return exit.Fail(exit.Usage, "%s", why)
		}
		w.say("%s\n", why)
		w.addr = ""
	}
}

// takeApart takes the address apart; it says what is wrong with it.
func (w *wizard) takeApart() string {
	spec, why := oneAddress(w.addr)
	if why != "" {
		return why
	}
	at := strings.LastIndexByte(spec, '@')
	ascii, err := discover.ASCIIDomain(spec[at+1:])
	if err != nil {
		return spool.Printable(spec) + ": behind the @ is " + err.Error()
	}
	w.addr, w.local, w.domain = spec, spec[:at], ascii
	return ""
}

// typingError asks about a domain that is almost that of a large provider.
func (w *wizard) typingError() error {
	meant := discover.Meant(w.domain)
	if meant == "" {
		return nil
	}
	if !w.asks() {
		w.say("remark: %s is almost %s; if that is meant, begin again\n", w.domain, meant)
		return nil
	}
	if w.yes("Is "+w.local+"@"+meant+" meant?", true) {
		w.addr, w.domain = w.local+"@"+meant, meant
	}
	if w.ctx.Err() != nil {
		return interrupted()
	}
	return nil
}

func interrupted() error { return exit.Fail(exit.TempFail, "interrupted; nothing has been saved") }

// openFile finds the configuration that the address is added to.
func (w *wizard) openFile() (err error) {
	w.file, err = openFile(w.home, w.opt.config)
	return err
}

// dryRun prints what would be added.
func (w *wizard) dryRun() error {
	w.id = w.identity()
	if w.opt.passwordCommand == "" && w.opt.tokenCommand == "" && w.opt.oauth == "" {
		w.id.PasswordKeyring = w.id.Username != "" && !w.opt.inClear
	}
	return w.file.print(w.c.Out, []*identity.Identity{w.id}, false)
}
