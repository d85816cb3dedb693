package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"esmtpq/identity"
	"esmtpq/message"
	"esmtpq/queue"
)

// A draft is a message that is being submitted: its envelope, its header, and
// the body that is still to be read.
type draft struct {
	env    *queue.Envelope
	header *message.Header
	body   *bufio.Reader
	known  map[string]bool // the recipients, as sameFor has them
	bad    []error         // what stands for recipients in the header and cannot be read
}

// compose reads a message's header from in and makes its envelope, as the command line
// says. Nothing is written yet.
func compose(inv *invocation, in io.Reader) (*draft, error) {
	d := &draft{env: &queue.Envelope{
		Return: inv.ret, EnvelopeID: inv.envid, Body: inv.body,
	}}
	if err := d.takeArguments(inv); err != nil {
		return nil, err
	}
	if len(d.env.Recipients) == 0 && !inv.extract {
		return nil, fail(exUsage, "no recipients: name them as arguments, or use -t to take them from the header")
	}
	d.body = bufio.NewReaderSize(in, 64<<10)
	var err error
	if d.header, err = message.ReadHeader(d.body); err != nil {
		if errors.Is(err, message.ErrHeaderTooLarge) {
			return nil, fail(exDataErr, "%w", err)
		}
		return nil, fail(exNoInput, "read message: %w", err)
	}
	if inv.extract {
		if err := d.takeHeader(inv); err != nil {
			return nil, err
		}
	}
	d.env.From = d.header.From()
	d.env.UTF8 = d.header.EightBit()
	return d, nil
}

// takeArguments takes what the envelope has from the command line.
func (d *draft) takeArguments(inv *invocation) error {
	if inv.config != "" {
		path, err := filepath.Abs(inv.config)
		if err != nil {
			return fail(exOSErr, "-C %s: %w", inv.config, err)
		}
		d.env.Config = path
	}
	if inv.reversePath != nil {
		spec, err := message.ParseReversePath(*inv.reversePath)
		if err != nil {
			return fail(exUsage, "-f: %w", err)
		}
		d.env.ReversePath = &spec
	}
	for _, arg := range inv.operands {
		addrs, bad := message.ParseArgument(arg)
		if len(bad) > 0 {
			return fail(exUsage, "recipient: %w", bad[0])
		}
		d.add(inv, addrs)
	}
	return nil
}

// takeHeader adds the recipients that the header names.
func (d *draft) takeHeader(inv *invocation) error {
	addrs, bad := d.header.Recipients()
	d.add(inv, addrs)
	switch {
	case len(d.env.Recipients) > 0:
		d.bad = bad
		return nil
	case len(bad) > 0:
		return fail(exDataErr, "no recipients: %w", bad[0])
	}
	return fail(exUsage, "no recipients: there are none in To:, Cc: or Bcc:, nor as arguments")
}

// add adds recipients to the envelope, each once.
func (d *draft) add(inv *invocation, addrs []message.Address) {
	if d.known == nil {
		d.known = map[string]bool{}
	}
	for _, a := range addrs {
		spec := a.Spec()
		if key := sameFor(spec); !d.known[key] {
			d.known[key] = true
			d.env.Recipients = append(d.env.Recipients, queue.Recipient{Address: spec, Notify: inv.notify})
		}
	}
}

// sameFor returns what is the same for all spellings of an address: the case of its domain is of no account.
func sameFor(spec string) string {
	at := strings.LastIndexByte(spec, '@')
	if at < 0 {
		return spec
	}
	return spec[:at] + strings.ToLower(spec[at:])
}

// complete takes out of the header what must not be sent, and adds what is missing.
func (d *draft) complete(inv *invocation, r *router, now time.Time) error {
	cfg, id, rule, err := r.identity(d.env)
	if err != nil {
		return err
	}
	h := d.header
	h.Remove("Bcc", "Resent-Bcc", "Return-Path")
	from := d.env.From
	if !h.Has("From") {
		if from, err = d.addFrom(inv, r, cfg, id, rule); err != nil {
			return err
		}
	}
	if !h.Has("Date") {
		if err := h.Add("Date", message.FormatDate(now)); err != nil {
			return err
		}
	}
	if !h.Has("Message-ID") && (id == nil || !id.NoMessageID) {
		domain := hostName()
		if at := strings.LastIndexByte(from, '@'); at >= 0 && at < len(from)-1 {
			domain = from[at+1:]
		}
		return h.Add("Message-ID", message.NewMessageID(now, domain))
	}
	return nil
}

// addFrom adds a From: field with the address the message will be sent as.
func (d *draft) addFrom(inv *invocation, r *router, cfg *identity.Config, id *identity.Identity, rule identity.Rule) (string, error) {
	given := d.env.ReversePath
	if given != nil && *given == "" {
		given = nil // a null reverse-path is nobody's address
	}
	spec := ""
	if given != nil && strings.Contains(*given, "@") {
		spec = *given
	} else if id != nil {
		spec = cfg.ReversePath(id, rule, given, "", r.login(), hostName())
	}
	if spec == "" {
		spec = r.login() + "@" + hostName()
	}
	name := inv.fullName
	if name == "" {
		name = gecosName()
	}
	mailbox, err := message.FormatMailbox(name, spec)
	if err != nil {
		return "", fail(exUsage, "make a From: field: %w", err)
	}
	if err := d.header.Add("From", mailbox); err != nil {
		return "", fail(exUsage, "make a From: field: %w", err)
	}
	d.env.From = spec
	return spec, nil
}

// spool writes the message into the queue and returns its queue ID.
func (d *draft) spool(q *queue.Queue) (string, error) {
	w, err := q.NewWriter()
	if err != nil {
		return "", spoolFailure("cannot write to the queue", err)
	}
	if err := d.write(w); err != nil {
		w.Abort()
		return "", err
	}
	id, err := w.Commit(d.env)
	if err != nil {
		return "", spoolFailure("cannot write to the queue", err)
	}
	return id, nil
}

// write writes the content, and tells an error of reading from one of writing.
func (d *draft) write(w *queue.Writer) error {
	for _, err := range d.bad {
		w.Refuse(err.Error())
	}
	err := message.Copy(w, d.header, d.body)
	var pe *os.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pe) && pe.Op == "read":
		return fail(exNoInput, "read message: %w", err)
	}
	return spoolFailure("cannot write to the queue", err)
}
