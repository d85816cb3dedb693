// Package etrn asks a host to send the mail that it keeps for a domain.
package etrn

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/smarthost"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/identity"
	"esmtpq/queue/spool"
	"esmtpq/relay/smtp"
)

const help = `  -v                     show the dialogue, and what the host says to each domain
  -C FILE                use this configuration
`

// standardPort is where hosts offer ETRN: on the port for submissions most do not.
const standardPort = "25"

// Verb is esmtpq etrn.
func Verb(c *door.Call) error {
	if c.AsksHelp() {
		return c.Help(help)
	}
	inv, err := argv.Parse(c.Args)
	if err != nil {
		return err
	}
	if len(inv.Operands) < 2 {
		return exit.Fail(exit.Usage, "which host, or identity, and which domains? such as: esmtpq etrn mx.example.org example.net")
	}
	names := inv.Operands[1:]
	for _, name := range names {
		if err := checkName(name); err != nil {
			return err
		}
	}
	step, err := submit.StepLimit()
	if err != nil {
		return err
	}
	home, cfg, err := submit.Configuration(inv.Config)
	if err != nil {
		return err
	}
	id, err := choose(cfg, inv.Operands[0])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	hosts := &smarthost.Hosts{Home: home, Step: step}
	if inv.Verbose {
		hosts.Trace = func(_ *identity.Identity, dir byte, line string) {
			fmt.Fprintf(c.Err, "%c %s\n", dir, spool.Printable(line))
		}
	}
	return ask(ctx, c, hosts, cfg, id, names)
}

// ask asks for all domains. The exit status is that of the worst answer.
func ask(ctx context.Context, c *door.Call, hosts *smarthost.Hosts, cfg *identity.Config, id *identity.Identity, names []string) error {
	t, err := hosts.Transport(cfg, id)
	if err != nil {
		return submit.ConfigFailure(err)
	}
	worst, asked := exit.OK, 0
	failed := t.Etrn(ctx, names, func(name string, r *smtp.Reply) {
		asked++
		code, why := meaning(r)
		worst = max(worst, code)
		if code != exit.OK {
			fmt.Fprintf(c.Err, "%s: %s: %s answered %s%s\n", c.Name, spool.Printable(name), spool.Printable(id.Host), spool.Printable(r.String()), why)
		}
	})
	if failed != nil {
		return failure(ctx, failed, id, names[asked:], worst)
	}
	if worst != exit.OK {
		return exit.Silent(worst)
	}
	return nil
}

// meaning returns the exit status for a reply, and what it may mean. Nobody says whether there was
// mail.
func meaning(r *smtp.Reply) (code int, why string) {
	switch {
	case r.Class() == 2:
		return exit.OK, ""
	case r.Code == 459:
		return exit.NoPerm, ": not eligible there (with Postfix, fast_flush_domains says which domains are)"
	case r.Class() == 4:
		return exit.TempFail, ": try again later"
	case r.Code == 530, r.Code == 535, r.Code == 554:
		return exit.NoPerm, ""
	case r.Code >= 500 && r.Code <= 504:
		return exit.Unavailable, ""
	case r.Class() == 5:
		return exit.NoPerm, ""
	}
	return exit.TempFail, ": that makes no sense"
}

// failure says why a session came to no good end, and for what nothing was asked.
func failure(ctx context.Context, e *smtp.Error, id *identity.Identity, left []string, worst int) error {
	f := &exit.Failure{Code: smarthost.ExitCode(e), Err: e}
	switch {
	case ctx.Err() != nil:
		f.Code = exit.TempFail
	case e.At == smtp.StageETRN && e.Kind == smtp.KindRefused:
		f.Code = exit.Unavailable
		if id.Port != standardPort {
			f.Hint = "most hosts do so on port 25 alone"
		}
	case e.At == smtp.StageETRN:
		f.Code = exit.TempFail
	}
	f.Code = max(f.Code, worst)
	if e.At == smtp.StageETRN && e.Kind != smtp.KindRefused {
		f.Hint = "not asked, or without an answer: " + strings.Join(left, ", ")
	}
	return f
}

// choose returns the identity that a word names, by its name or that of its host, with the host and
// port to be asked.
func choose(cfg *identity.Config, word string) (*identity.Identity, error) {
	name, port := word, ""
	if host, p, err := net.SplitHostPort(word); err == nil {
		if n, bad := strconv.ParseUint(p, 10, 16); bad != nil || n == 0 {
			return nil, exit.Fail(exit.Usage, "%s: the port is a number up to 65535", spool.Printable(word))
		}
		name, port = host, p
	}
	var found *identity.Identity
	for _, id := range cfg.Identities {
		if id.Name == word {
			found, port = id, ""
			break
		}
		for _, one := range id.Each() {
			if found == nil && (id.Name == name || strings.EqualFold(one.Host, name)) {
				found = one
			}
		}
	}
	if found == nil {
		return nil, exit.Fail(exit.Config, "no identity in %s has the host, or the name, %s: it is asked with an identity's TLS, login and tunnel",
			spool.Printable(cfg.File), spool.Printable(word))
	}
	return at(found, port), nil
}

// at returns an identity with another port. What is dialled by a line of the person's own, and a
// socket, is where it is.
func at(id *identity.Identity, port string) *identity.Identity {
	one := *id
	one.Fallbacks = nil
	if port == "" {
		port = standardPort
		if id.Preconnect != "" || id.IsSocket() {
			port = id.Port
		}
	}
	if one.Port = port; port == id.Port {
		return &one
	}
	switch {
	case port == "465" && one.TLS == identity.TLSStartTLS:
		one.TLS = identity.TLSImplicit
	case one.TLS == identity.TLSImplicit:
		one.TLS = identity.TLSStartTLS
	}
	return &one
}

// checkName checks the argument of ETRN (RFC 1985, 5): a domain, that and its subdomains with "@", or
// a queue of the host with "#". Hosts take what is none for a domain without mail.
func checkName(name string) error {
	bad := func(why string) error {
		return exit.Fail(exit.Usage, "%s is no domain: %s", spool.Printable(name), why)
	}
	if group, ok := strings.CutPrefix(name, "#"); ok {
		if group == "" || len(group) > 200 || strings.ContainsFunc(group, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return bad("after # there is the name of a queue of the host")
		}
		return nil
	}
	domain := strings.TrimPrefix(name, "@")
	if len(domain) > 253 || net.ParseIP(domain) != nil {
		return bad("it takes a name such as example.net")
	}
	for _, label := range strings.Split(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return bad("it takes a name such as example.net")
		}
		for _, r := range label {
			switch {
			case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			case r > '~':
				return bad("write it in ASCII, as xn--...")
			default:
				return bad("a name has letters, digits and hyphens")
			}
		}
	}
	return nil
}
