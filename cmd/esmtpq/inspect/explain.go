// Package inspect answers questions about a configuration or a message, without sending anything.
package inspect

import (
	"fmt"
	"io"
	"net"
	"os"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/message"
	"esmtpq/queue/spool"
)

// Verb is explain (and sendmail -bv), check-message and config.
func Verb(c *door.Call) error {
	switch {
	case c.Sendmail != nil:
		return explain(c, c.Sendmail)
	case c.AsksHelp():
		return c.Help("")
	case c.Verb == "check-message":
		return checkMessage(c)
	}
	inv, err := argv.Parse(c.Args)
	switch {
	case err != nil:
		return err
	case c.Verb == "config":
		return printConfig(c, inv)
	}
	return explain(c, inv)
}

// explain says for each address how mail for it would be sent, and why. It reads no message and
// needs no network.
func explain(c *door.Call, inv *argv.Invocation) error {
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
	r := &submit.Router{Home: home}
	cfg, id, _, err := r.Identity(env)
	if err != nil {
		return err
	}
	field := func(name, value string) { fmt.Fprintf(c.Out, "  %-14s %s\n", name+":", spool.Printable(value)) }
	for _, rcpt := range env.Recipients {
		fmt.Fprintf(c.Out, "%s\n", spool.Printable(rcpt.Address))
		field("configuration", cfg.File)
		if err := r.CheckRoute(env, rcpt); err != nil {
			field("cannot be sent", err.Error())
			continue
		}
		route, _ := r.Route(env, rcpt) // checked
		if route.Identity == nil {
			field("delivered by", "the MDA: "+cfg.MDA)
			continue
		}
		explainRoute(field, &route, r.ReversePath(env, &route), r.Sender(&route))
	}
	explainHeader(c.Out, id)
	return nil
}

func explainRoute(field func(name, value string), route *submit.Route, reversePath, sender string) {
	id := route.Identity
	field("identity", id.Name+", chosen by "+route.Rule.String())
	field("recipient", "<"+route.Address+">")
	reverse := "<" + reversePath + ">"
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
	if sender != "" {
		field("Sender", sender+", forced by the identity")
	}
}

var tlsPolicy = map[identity.TLSMode]string{
	identity.TLSOff:           "off: in clear",
	identity.TLSOpportunistic: "opportunistic: STARTTLS if offered, else in clear (and then without a login)",
	identity.TLSStartTLS:      "starttls: required, certificate verified",
	identity.TLSImplicit:      "implicit: from the start, certificate verified",
}

// explainHeader says how a submission changes a header.
func explainHeader(w io.Writer, id *identity.Identity) {
	added := "From, Date, Message-ID"
	if id != nil && id.NoMessageID {
		added = "From, Date"
	}
	fmt.Fprintf(w, "Header fields added where missing: %s. Removed: Bcc, Return-Path.\n", added)
}

// checkMessage says what is wrong with a message, or may be wrong for some host. sendmail takes
// such a message all the same.
func checkMessage(c *door.Call) error {
	in := io.Reader(c.In)
	switch {
	case len(c.Args) > 1:
		return exit.Fail(exit.Usage, "one file, or the message on standard input")
	case len(c.Args) == 1 && c.Args[0] != "-":
		f, err := os.Open(c.Args[0])
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
		fmt.Fprintln(c.Out, spool.Printable(r))
	}
	if len(remarks) > 0 {
		return exit.Silent(exit.DataErr)
	}
	return nil
}
