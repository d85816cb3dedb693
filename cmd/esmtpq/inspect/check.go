package inspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/process"
	"esmtpq/cmd/esmtpq/smarthost"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/helper"
	"esmtpq/identity"
	"esmtpq/identity/oauth"
	"esmtpq/queue/spool"
	"esmtpq/relay"
	"esmtpq/tunnel/command"
)

const checkHelp = `  -C FILE                use this configuration
`

const (
	// secretLimit bounds what obtains the password of one identity, which may ask a person.
	secretLimit = 30 * time.Second
	// littleRoom is how much of a disk is worth a word, in octets.
	littleRoom = 16 << 20
)

// A checker tells what it finds, a line for each.
type checker struct {
	call     *door.Call
	home     string
	cfg      *identity.Config
	found    bool
	unusable bool // some mail cannot go out as things are
}

// check looks at the configuration and at all that it needs of this machine. It uses no network.
func check(c *door.Call) error {
	inv, err := argv.Parse(c.Args)
	switch {
	case err != nil:
		return err
	case len(inv.Operands) > 0:
		return exit.Fail(exit.Usage, "unexpected argument %s: see esmtpq help check", spool.Printable(inv.Operands[0]))
	}
	step, err := submit.StepLimit()
	if err != nil {
		return err
	}
	k := &checker{call: c}
	if k.home, err = whoami.Home(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.queue(ctx)
	k.cfg, err = (&submit.Router{Home: k.home, Config: inv.Config}).Load(&spool.Envelope{})
	if err != nil {
		return k.broken(err)
	}
	k.configuration()
	k.program(ctx, nil, "mda", k.cfg.MDA)
	k.program(ctx, nil, "notify", k.cfg.Notify)
	hosts := &smarthost.Hosts{Home: k.home, Step: step, Asked: true}
	for _, id := range k.cfg.Identities {
		k.identity(ctx, hosts, id)
		if ctx.Err() != nil {
			return exit.Fail(exit.TempFail, "interrupted")
		}
	}
	switch {
	case k.unusable:
		return exit.Silent(exit.Config)
	case k.found:
		return exit.Silent(exit.DataErr)
	}
	return nil
}

// remark tells what may be wrong.
func (k *checker) remark(text string) {
	k.found = true
	fmt.Fprintln(k.call.Out, spool.Printable(text))
}

// fault tells why some mail cannot go out.
func (k *checker) fault(text string) {
	k.unusable = true
	k.remark(text)
}

// at returns a text with the place of a setting before it: that of the first of some keys that is
// there.
func (k *checker) at(id *identity.Identity, text string, keys ...string) string {
	e := &identity.ConfigError{File: k.cfg.File, Text: text}
	for _, key := range append(keys, "name", "host") {
		if e.Line == 0 {
			e.Line = k.cfg.LineOf(id, key)
		}
	}
	return e.Error()
}

// broken tells what is wrong with a configuration that cannot be read, a line for each mistake.
func (k *checker) broken(err error) error {
	failure := submit.ConfigFailure(err)
	var ce *identity.ConfigError
	if !errors.As(err, &ce) {
		return failure
	}
	first := *ce
	first.More = nil
	for _, e := range append([]*identity.ConfigError{&first}, ce.More...) {
		text := e.Error()
		if e.Hint != "" {
			text += ": " + e.Hint
		}
		k.fault(text)
	}
	return exit.Silent(exit.Code(failure))
}

// remarks says what may be wrong with a configuration that can be read, as far as the file alone
// shows; each with file and line.
func remarks(cfg *identity.Config) []string {
	all := append([]string(nil), cfg.Warnings...)
	all = append(all, cfg.Unreached()...)
	all = append(all, cfg.Contradictions()...)
	for _, id := range cfg.Identities {
		for _, r := range command.PreconnectRemarks(id.Preconnect) {
			e := &identity.ConfigError{File: cfg.File, Line: cfg.LineOf(id, "preconnect"), Text: "preconnect of identity " + id.Name + ": " + r}
			all = append(all, e.Error())
		}
	}
	return all
}

// configuration tells what may be wrong with the file.
func (k *checker) configuration() {
	dir := filepath.Dir(k.cfg.File)
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSticky == 0 {
		k.remark(fmt.Sprintf("%s: others can write to this directory, and so exchange the configuration in it; type: chmod go-w %s", dir, command.Quoted(dir)))
	}
	for _, r := range remarks(k.cfg) {
		k.remark(r)
	}
}

// identity tells what an identity lacks on this machine.
func (k *checker) identity(ctx context.Context, hosts *smarthost.Hosts, id *identity.Identity) {
	if id.Command != "" {
		if _, err := (&submit.Route{Config: k.cfg, Identity: id}).Command(); err != nil {
			k.fault(err.Error())
		}
		k.program(ctx, id, "command", id.Command)
		return
	}
	cmd, err := submit.Tunnel(k.cfg, id)
	switch {
	case err != nil:
		k.fault(err.Error())
	case cmd != nil:
		if _, err := exec.LookPath(cmd.Program()); err != nil {
			k.fault(k.at(id, fmt.Sprintf("tunnel of identity %s: the program that it begins with is not there: install it, or give its path", id.Name), "tunnel"))
		}
	}
	k.program(ctx, id, "preconnect", id.Preconnect)
	k.program(ctx, id, "postconnect", id.Postconnect)
	if err := relay.CheckFiles(id); err != nil && id.TLS != identity.TLSOff {
		k.fault(k.at(id, fmt.Sprintf("identity %s: %v", id.Name, err), "ca_file", "client_certificate"))
	} else if text := relay.RemarkOnFiles(id); text != "" {
		k.remark(k.at(id, fmt.Sprintf("identity %s: %s", id.Name, text), "client_key", "client_certificate"))
	}
	if text := k.proxySecret(ctx, hosts, id); text != "" {
		k.fault(k.at(id, text, "proxy_password_command", "proxy_password_keyring", "proxy"))
	}
	if text := k.secret(ctx, hosts, id); text != "" {
		k.fault(k.at(id, text, "password_command", "token_command", "oauth", "password_keyring", "password_credential", "username"))
	}
}

// program tells whether the program that a shell line begins with is not there. A line that begins
// with anything else is left alone.
func (k *checker) program(ctx context.Context, id *identity.Identity, key, line string) {
	words := strings.Fields(line)
	if len(words) > 1 && words[0] == "exec" {
		words = words[1:]
	}
	if len(words) == 0 || strings.Trim(words[0], plainName) != "" {
		return
	}
	if _, _, err := helper.Output(ctx, "command -v "+words[0]+" >/dev/null"); err == nil || ctx.Err() != nil {
		return
	}
	k.fault(k.at(id, key+": the program that it begins with is not there: install it, or give its path", key))
}

// plainName are the characters of a program's name that mean nothing else to a shell.
const plainName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+"

// secret says why the password or token of an identity cannot be had; "" if it can. It asks no
// provider for a new token.
func (k *checker) secret(ctx context.Context, hosts *smarthost.Hosts, id *identity.Identity) string {
	if id.Username == "" || id.PasswordCredential != "" && os.Getenv("CREDENTIALS_DIRECTORY") == "" {
		return "" // a credential is there in its unit alone
	}
	if id.OAuth != nil {
		limited, cancel := context.WithTimeout(ctx, hosts.Limit(secretLimit))
		defer cancel()
		hosts.Secrets(id)
		if _, _, err := id.OAuthClient(limited); err != nil {
			return "identity " + id.Name + ": " + err.Error() + byHand
		}
		st := (&oauth.Source{Home: k.home, Identity: id}).Status()
		switch {
		case st.Missing != "":
			return "identity " + id.Name + ": " + st.Missing
		case st.Failed != "" && st.Expires.Before(time.Now()):
			return "identity " + id.Name + ": the access token could not be renewed: " + st.Failed
		}
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, hosts.Limit(secretLimit))
	defer cancel()
	hosts.Secrets(id)
	_, _, err := id.Credentials(ctx)
	if err == nil {
		return ""
	}
	text := err.Error()
	if id.PasswordCommand != "" || id.TokenCommand != "" {
		text += byHand
	}
	return text
}

const byHand = "; run the command by hand to see why"

// proxySecret says why the password for the proxy of an identity cannot be had; "" if it can.
func (k *checker) proxySecret(ctx context.Context, hosts *smarthost.Hosts, id *identity.Identity) string {
	ctx, cancel := context.WithTimeout(ctx, hosts.Limit(secretLimit))
	defer cancel()
	hosts.Secrets(id)
	_, err := id.ProxySecret(ctx)
	switch {
	case err == nil:
		return ""
	case id.ProxyPasswordCommand != "":
		return err.Error() + byHand
	}
	return err.Error()
}

// delivers reports whether the table of cron calls deliver, as far as can be seen.
func delivers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, secretLimit)
	defer cancel()
	table, _, err := helper.Output(ctx, "crontab -l 2>/dev/null")
	return err == nil && (strings.Contains(string(table), "deliver") || strings.Contains(string(table), "sendmail -q"))
}

// queue tells what is wrong with the queue directory, and with what it is on.
func (k *checker) queue(ctx context.Context) {
	dir := whoami.Queue(k.home)
	q, err := door.OpenQueue()
	if err != nil {
		k.fault(err.Error())
		return
	}
	if q == nil {
		dir = k.home // in which it will be made
	} else {
		defer q.Close()
		l, err := q.List()
		switch {
		case err != nil:
			k.fault(dir + ": cannot be read: " + err.Error())
		case len(l.Foreign) > 0:
			k.remark(q.Foreign(l.Foreign) + ": move it away")
		}
		if err == nil {
			if err := q.NoRoom(l.IDs); err != nil {
				k.fault(dir + ": " + err.Error() + " (of btrfs quotas: btrfs qgroup show -re " + command.Quoted(dir) + ")")
			}
		}
		if q.Shared != "" {
			k.remark(q.Shared)
		}
		if !q.Schedule().IsZero() && !q.Watched() && !delivers(ctx) {
			k.remark("mail is to be sent at a time, and nothing sees to that behind a restart of this machine; type: esmtpq wire --apply cron, or let deliver --watch run")
		}
	}
	for _, text := range homeRemarks(ctx, dir) {
		k.remark(text)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		text := fmt.Sprintf("%s: mail cannot be queued there: %v", dir, err)
		if err == unix.EACCES {
			text += "; type: chmod u+wx " + command.Quoted(dir)
		}
		k.fault(text)
	}
	octets, files, known := process.Room(dir)
	switch {
	case !known:
	case octets < littleRoom:
		k.remark(fmt.Sprintf("%s: only %d kB are free there: make room, or mail will not be taken", dir, octets>>10))
	case files < 100:
		k.remark(fmt.Sprintf("%s: only %d files can be made there: remove some, or mail will not be taken", dir, files))
	}
}
