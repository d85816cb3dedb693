// Package inspect answers questions about a configuration, a smart host or a message, without sending
// anything.
package inspect

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/queue/spool"
)

// explainHelp explains the option that only explain has.
const explainHelp = `  --message FILE   explain this message, whose header then says who sends it, and who gets it
                   where no address is given; - is standard input
  and the options of sendmail, of which -f, -C and -t matter
`

// Verb is explain (and sendmail -bv), check, check-message, config and probe.
func Verb(c *door.Call) error {
	help := c.AsksHelp("--message", timeoutOption)
	switch {
	case c.Sendmail != nil:
		return explain(c, c.Sendmail, nil)
	case help && c.Verb == "explain":
		return c.Help(explainHelp)
	case help && c.Verb == "probe":
		return c.Help(probeHelp)
	case help && c.Verb == "online":
		return c.Help(onlineHelp)
	case help && c.Verb == "check":
		return c.Help(checkHelp)
	case help:
		return c.Help("")
	case c.Verb == "check":
		return check(c)
	case c.Verb == "probe":
		return probe(c)
	case c.Verb == "online":
		return online(c)
	case c.Verb == "check-message":
		return checkMessage(c)
	case c.Verb == "config":
		inv, err := argv.Parse(c.Args)
		if err != nil {
			return err
		}
		return printConfig(c, inv)
	}
	args, file, err := cutMessage(c.Args)
	if err != nil {
		return err
	}
	inv, err := argv.Parse(args)
	if err != nil {
		return err
	}
	return explain(c, inv, file)
}

// cutMessage takes --message out of the arguments; file is nil if it is not there.
func cutMessage(args []string) (rest []string, file *string, err error) {
	for i := 0; i < len(args); i++ {
		value, attached := strings.CutPrefix(args[i], "--message=")
		switch {
		case args[i] == "--":
			return append(rest, args[i:]...), file, nil
		case attached:
			file = &value
		case args[i] != "--message" && i+1 < len(args) && argv.TakesNext(args[i]):
			rest = append(rest, args[i], args[i+1])
			i++
		case args[i] != "--message":
			rest = append(rest, args[i])
		case i+1 == len(args):
			return nil, nil, exit.Fail(exit.Usage, "--message needs a file, or - for standard input")
		default:
			i++
			file = &args[i]
		}
	}
	return rest, file, nil
}

// open opens a message: standard input or a file.
func open(c *door.Call, file string) (io.ReadCloser, error) {
	if file == "-" {
		return io.NopCloser(c.In), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, exit.Fail(exit.NoInput, "%w", err)
	}
	return f, nil
}

// An explainer says how mail would be sent.
type explainer struct {
	out    io.Writer
	r      *submit.Router
	cfg    *identity.Config
	env    *spool.Envelope
	failed bool // some mail could not be sent
}

// explain says for each address how mail for it would be sent, and why. It needs no network, and
// reads no message but the one in file, if that is not nil.
func explain(c *door.Call, inv *argv.Invocation, file *string) error {
	home, err := whoami.Home()
	if err != nil {
		return err
	}
	e := &explainer{out: c.Out, r: &submit.Router{Home: home}}
	d, err := e.draft(c, inv, file)
	if err != nil {
		return err
	}
	e.env = d.Env
	if len(d.Env.Recipients)+len(d.Bad) == 0 && file == nil {
		return exit.Fail(exit.Usage, "which addresses? see esmtpq help explain")
	}
	cfg, id, rule, err := e.r.Identity(e.env)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintf(c.Err, "%s: %s\n", c.Name, spool.Printable(w))
	}
	e.cfg = cfg
	if file != nil {
		e.message(id, rule)
	}
	for _, rcpt := range e.env.Recipients {
		e.recipient(rcpt)
	}
	explainHeader(c.Out, id)
	for _, bad := range d.Bad {
		fmt.Fprintf(c.Err, "%s: recipient: %s\n", c.Name, spool.Printable(bad.Reason))
	}
	switch {
	case len(d.Bad) > 0 && (file == nil || len(d.Env.Recipients) == 0):
		return exit.Silent(exit.Usage)
	case e.failed:
		return exit.Silent(exit.Config)
	}
	return nil
}

// draft makes what is explained, from the command line and the message in file, if that is not nil.
func (e *explainer) draft(c *door.Call, inv *argv.Invocation, file *string) (*submit.Draft, error) {
	if file == nil {
		return submit.Begin(inv)
	}
	in, err := open(c, *file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return submit.Preview(inv, in, e.r, time.Now())
}

func (e *explainer) field(name, value string) {
	fmt.Fprintf(e.out, "  %-14s %s\n", name+":", spool.Printable(value))
}

// message says who sends a message.
func (e *explainer) message(id *identity.Identity, rule identity.Rule) {
	fmt.Fprintln(e.out, "message")
	switch rp := e.env.ReversePath; {
	case rp != nil && *rp != "":
		e.field("sender", "<"+*rp+">, as given")
	case e.env.From == "":
		e.field("sender", "nobody")
	default:
		e.field("sender", "<"+e.env.From+">, from the header")
	}
	for _, remark := range e.env.Remarks {
		e.field("remark", remark)
	}
	if id != nil {
		e.field("identity", id.Name+", chosen by "+rule.String())
	}
}

// recipient says how mail for a recipient would be sent.
func (e *explainer) recipient(rcpt spool.Recipient) {
	fmt.Fprintf(e.out, "%s\n", spool.Printable(rcpt.Address))
	e.field("configuration", e.cfg.File)
	if err := e.r.CheckRoute(e.env, rcpt); err != nil {
		e.field("cannot be sent", err.Error())
		e.failed = true
		return
	}
	route, _ := e.r.Route(e.env, rcpt) // checked
	if route.Identity == nil {
		e.field("delivered by", "the MDA: "+e.cfg.MDA)
		return
	}
	e.route(&route)
	if id, rule, err := e.cfg.Choose(route.Address); err == nil && rule.Kind == identity.ByPattern && id != route.Sender && id != route.Identity {
		e.field("note", "pattern "+rule.Match+" of identity "+id.Name+
			" fits this recipient, but the sender chooses the identity: see -f, or the From: of your mailer")
	}
}

func (e *explainer) route(route *submit.Route) {
	id := route.Identity
	e.field("identity", route.Sender.Name+", chosen by "+route.Rule.String())
	if route.Via.Matched() {
		e.field("via", id.Name+", by "+route.Via.String()+" of via")
	}
	e.field("recipient", "<"+route.Address+">")
	e.field("reverse-path", "<"+e.r.ReversePath(e.env, route)+">, "+e.r.ReversePathReason(e.env, route))
	if d := route.Sender.HoldFor; d > 0 {
		defer e.field("held back", "for "+d.String()+" after its submission, so that it can be taken back")
	}
	if w := route.Sender.SendWindow; len(w) > 0 {
		state := "open now"
		if opens := w.Opens(time.Now()); !opens.IsZero() {
			state = "opens " + door.Stamp(opens)
		}
		defer e.field("send window", w.String()+"; "+state)
	}
	if id.FutureRelease && id.Command == "" {
		defer e.field("future release", "mail with a time goes to a host that holds it until then")
	}
	if sender := e.r.SenderField(route); sender != "" {
		defer e.field("Sender", sender+", forced by the identity")
	}
	if id.Command != "" {
		e.field("command", id.Command)
		return
	}
	var hosts []string
	for _, one := range id.Each() {
		where := one.Addr()
		if one.AnyPort && !one.SRV {
			where = one.Written() + ", port 465 or 587"
		}
		hosts = append(hosts, where)
	}
	e.field("smart host", strings.Join(hosts, ", else "))
	if id.LMTP {
		e.field("protocol", "LMTP")
	}
	if id.AnyPort {
		e.field("TLS", "required, certificate verified")
	} else {
		e.field("TLS", tlsPolicy[id.TLS])
	}
	if id.Proxy != nil {
		e.field("proxy", id.Proxy.String())
	}
	if id.Tunnel != "" {
		e.field("tunnel", id.Tunnel)
	}
	if id.Preconnect != "" {
		e.field("preconnect", id.Preconnect)
	}
	switch {
	case id.Username == "":
		e.field("login", "none")
	case id.OAuth != nil:
		e.field("login", id.Username+", access token by "+id.OAuth.Provider)
	case id.TokenCommand != "":
		e.field("login", id.Username+", access token from a command")
	case id.PasswordKeyring:
		e.field("login", id.Username+", password from the keyring")
	case id.PasswordCredential != "":
		e.field("login", id.Username+", password from a credential of systemd")
	case !id.Password.IsSet() && id.PasswordCommand == "":
		e.field("login", id.Username+", password from ~/.authinfo or ~/.netrc")
	case id.PasswordCommand != "":
		e.field("login", id.Username+", password from a command")
	default:
		e.field("login", id.Username)
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
