package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/message"
	"esmtpq/queue"
)

func runExplain(p *program) error {
	inv, err := argv.Parse(p.args)
	if err != nil {
		return err
	}
	return p.explain(inv)
}

// explain says for each address what would be done to mail for it, and why. It reads no message
// and needs no network.
func (p *program) explain(inv *argv.Invocation) error {
	if p.asksHelp() {
		return errHelp
	}
	home, err := whoami.Home()
	if err != nil {
		return err
	}
	env, err := submit.Envelope(inv)
	if err != nil {
		return err
	}
	if len(env.Recipients) == 0 {
		return exit.Fail(exit.Usage, "which addresses? see esmtpq help explain")
	}
	r := newRouter(home, "")
	cfg, id, _, err := r.Identity(env)
	if err != nil {
		return err
	}
	field := func(name, value string) { fmt.Fprintf(p.out, "  %-14s %s\n", name+":", printable(value)) }
	for _, rcpt := range env.Recipients {
		fmt.Fprintf(p.out, "%s\n", printable(rcpt.Address))
		field("configuration", cfg.File)
		w, err := r.Choose(env, rcpt)
		var route queue.Route
		if err == nil {
			route, err = r.Route(env, rcpt)
		}
		switch {
		case err != nil:
			field("cannot be sent", submit.ConfigFailure(err).Error())
		case w.Identity == nil:
			field("delivered by", "the MDA: "+cfg.MDA)
		default:
			explainRoute(field, w.Identity, w.Rule, route)
		}
	}
	explainHeader(p.out, id)
	return nil
}

func explainRoute(field func(name, value string), id *identity.Identity, rule identity.Rule, route queue.Route) {
	field("identity", id.Name+", chosen by "+rule.String())
	field("recipient", "<"+route.Address+">")
	reverse := "<" + route.ReversePath + ">"
	if id.ReversePath != "" {
		reverse += ", forced by the identity"
	}
	field("reverse-path", reverse)
	field("smart host", net.JoinHostPort(id.Host, id.Port))
	field("TLS", tlsPolicy[id.TLS])
	if id.Tunnel != "" {
		field("tunnel", id.Tunnel)
	}
	if id.Preconnect != "" {
		field("preconnect", id.Preconnect)
	}
	switch {
	case id.Username == "":
		field("login", "none")
	case id.PasswordCommand != "":
		field("login", id.Username+", password from a command")
	default:
		field("login", id.Username)
	}
	if route.Sender != "" {
		field("Sender", route.Sender+", forced by the identity")
	}
}

var tlsPolicy = map[identity.TLSMode]string{
	identity.TLSOff:           "off: in clear",
	identity.TLSOpportunistic: "opportunistic: STARTTLS if offered, else in clear (and then without a login)",
	identity.TLSStartTLS:      "starttls: required, certificate verified",
	identity.TLSImplicit:      "implicit: from the start, certificate verified",
}

// explainHeader says what happens to a header on submission.
func explainHeader(w io.Writer, id *identity.Identity) {
	added := "From, Date, Message-ID"
	if id != nil && id.NoMessageID {
		added = "From, Date"
	}
	fmt.Fprintf(w, "Header fields added where missing: %s. Removed: Bcc, Return-Path.\n", added)
}

// runCheckMessage tells what is wrong with a message, or may be to some host: nothing of it keeps
// sendmail from taking it.
func runCheckMessage(p *program) error {
	in := io.Reader(p.in)
	switch {
	case len(p.args) > 1:
		return exit.Fail(exit.Usage, "one file, or the message on standard input")
	case len(p.args) == 1 && p.args[0] != "-":
		f, err := os.Open(p.args[0])
		if err != nil {
			return exit.Fail(exit.NoInput, "%w", err)
		}
		defer f.Close()
		in = f
	}
	remarks, err := message.Check(in)
	if err != nil {
		return exit.Fail(exit.NoInput, "read message: %w", err)
	}
	for _, r := range remarks {
		fmt.Fprintln(p.out, printable(r))
	}
	if len(remarks) > 0 {
		return exit.Silent(exit.DataErr)
	}
	return nil
}
