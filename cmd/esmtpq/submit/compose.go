package submit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/message"
	"esmtpq/queue/spool"
)

// A Draft is a message that is being submitted: its envelope, its header, and its body, which is
// still to be read.
type Draft struct {
	Env    *spool.Envelope
	Bad    []spool.Refusal // recipients who cannot be served, although others can
	header *message.Header
	nul    *message.NULFilter // between standard input and body
	body   *bufio.Reader
	known  map[string]bool // the recipients, as returned by SameFor
}

// Compose reads a message's header from in and makes the envelope that the command line asks for.
// Nothing is written yet.
func Compose(inv *argv.Invocation, in io.Reader) (*Draft, error) {
	d, err := Begin(inv)
	if err != nil {
		return nil, err
	}
	if len(d.Env.Recipients) == 0 && !inv.Extract {
		if len(d.Bad) > 0 {
			return nil, exit.Fail(exit.Usage, "recipient: %s", d.Bad[0].Reason)
		}
		return nil, exit.Fail(exit.Usage, "no recipients: name them as arguments, or use -t to take them from the header")
	}
	if err := d.readFor(inv, in); err != nil {
		return nil, err
	}
	if inv.Extract {
		if err := d.takeHeader(inv); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Preview reads a message's header from in and does to it what a submission would, without
// writing anything. Its recipients are those of the command line, or else those of the header; it
// may have none.
func Preview(inv *argv.Invocation, in io.Reader, r *Router, now time.Time) (*Draft, error) {
	d, err := Begin(inv)
	if err != nil {
		return nil, err
	}
	if err := d.readFor(inv, in); err != nil {
		return nil, err
	}
	if inv.Extract || len(d.Env.Recipients) == 0 {
		if err := d.addNamed(inv); err != nil {
			return nil, err
		}
	}
	return d, d.Complete(inv, r, now)
}

// Read reads a message's header from in, for a known envelope, in which a recipient may be named
// more than once.
func Read(env *spool.Envelope, in io.Reader) (*Draft, error) {
	d := &Draft{Env: env, known: map[string]bool{}}
	named := env.Recipients
	env.Recipients = nil
	for _, r := range named {
		d.add(r)
	}
	if err := d.checkNumber(); err != nil {
		return nil, err
	}
	if err := d.read(in); err != nil {
		return nil, err
	}
	return d, nil
}

// readFor is read for a command line, which may ask for the author's address as the envelope sender.
func (d *Draft) readFor(inv *argv.Invocation, in io.Reader) error {
	if err := d.read(in); err != nil {
		return err
	}
	if from := d.Env.From; inv.ReadFrom && inv.ReversePath == nil && domainOf(from) != "" {
		d.Env.ReversePath = &from
	}
	return nil
}

func (d *Draft) read(in io.Reader) error {
	d.nul = message.WithoutNUL(in)
	d.body = bufio.NewReaderSize(d.nul, 64<<10)
	var err error
	if d.header, err = message.ReadHeader(d.body); err != nil {
		if errors.Is(err, message.ErrHeaderTooLarge) || errors.Is(err, message.ErrUTF16) {
			return exit.Fail(exit.DataErr, "%w", err)
		}
		return exit.Fail(exit.NoInput, "read message: %w", err)
	}
	author := d.header.Author()
	d.Env.From = author.Address
	if given := d.Env.ReversePath; author.Remark != "" && (given == nil || *given == "") {
		d.Env.Remarks = append(d.Env.Remarks, author.Remark)
	}
	if remark := d.header.CRRemark(); remark != "" {
		d.Env.Remarks = append(d.Env.Remarks, remark)
	}
	d.Env.UTF8 = d.header.UTF8()
	return nil
}

// AsText returns a sender that is no address as the local agent gets it: the text itself or, where
// that cannot be kept or would be an address after all, "<>". An identity never sends such mail.
func AsText(sender string) string {
	text := strings.TrimSpace(sender)
	if inner, ok := strings.CutPrefix(text, "<"); ok {
		text = strings.TrimSpace(strings.TrimSuffix(inner, ">"))
	}
	unfit := func(r rune) bool { return !unicode.IsPrint(r) }
	if text == "" || len(text) > message.MaxAddress || !utf8.ValidString(text) || strings.ContainsFunc(text, unfit) || message.CheckAddress(text) == nil {
		return "<>"
	}
	return text
}

// ConfigFile returns the absolute path of the configuration file that the command line
// names, "" if it names none.
func ConfigFile(inv *argv.Invocation) (string, error) {
	if inv.Config == "" {
		return "", nil
	}
	path, err := filepath.Abs(inv.Config)
	if err != nil {
		return "", exit.Fail(exit.OSErr, "-C %s: %w", inv.Config, err)
	}
	return path, nil
}

// Begin makes the part of a draft that comes from the command line. It has no message.
func Begin(inv *argv.Invocation) (*Draft, error) {
	env := &spool.Envelope{NotBefore: inv.NotBefore.Round(0).UTC(), Return: inv.Return, EnvelopeID: inv.EnvelopeID, Body: inv.Body, RequireTLS: inv.RequireTLS, Identity: inv.Identity}
	var err error
	if env.Config, err = ConfigFile(inv); err != nil {
		return nil, err
	}
	if inv.ReversePath != nil {
		spec, err := message.ParseReversePath(*inv.ReversePath)
		if err != nil {
			spec = AsText(*inv.ReversePath)
		}
		env.ReversePath = &spec
	}
	d := &Draft{Env: env, known: map[string]bool{}}
	for _, arg := range inv.Operands {
		addrs, bad := message.ParseArgument(arg)
		for _, err := range bad {
			d.refuse(err)
		}
		for _, a := range addrs {
			d.add(spool.Recipient{Address: a.Spec(), Notify: inv.Notify})
		}
	}
	return d, d.checkNumber()
}

// takeHeader adds the recipients that the header names.
func (d *Draft) takeHeader(inv *argv.Invocation) error {
	if err := d.addNamed(inv); err != nil {
		return err
	}
	switch {
	case len(d.Env.Recipients) > 0:
		return nil
	case len(d.Bad) > 0:
		return exit.Fail(exit.DataErr, "no recipients: %s", d.Bad[0].Reason)
	}
	return exit.Fail(exit.Usage, "no recipients: there are none in To:, Cc: or Bcc:, nor as arguments")
}

// addNamed adds what the header names. It stops where that is too much for a message.
func (d *Draft) addNamed(inv *argv.Invocation) error {
	for a, err := range d.header.EachRecipient() {
		if err != nil {
			d.refuse(err)
		} else {
			d.add(spool.Recipient{Address: a.Spec(), Notify: inv.Notify})
		}
		if err := d.checkNumber(); err != nil {
			return err
		}
	}
	return nil
}

// add adds a recipient to the envelope, unless it is there already.
func (d *Draft) add(r spool.Recipient) {
	if !d.isNew(r.Address) {
		return
	}
	d.keep(r)
}

// keep appends a recipient. The garbage of very many is collected at once: by itself the heap would
// grow to twice what is needed.
func (d *Draft) keep(r spool.Recipient) {
	const every = 1 << 14
	d.Env.Recipients = append(d.Env.Recipients, r)
	if len(d.Env.Recipients)%every == 0 {
		runtime.GC()
	}
}

// isNew reports whether an address is not known yet, and makes it known.
func (d *Draft) isNew(spec string) bool {
	n := len(d.known)
	d.known[SameFor(spec)] = true
	return len(d.known) > n
}

// refuse adds what cannot be read as a recipient.
func (d *Draft) refuse(err error) {
	d.Bad = append(d.Bad, spool.Refusal{Status: "5.1.3", Reason: err.Error()})
}

// checkNumber refuses more recipients than a message can have. Nobody should try that again.
func (d *Draft) checkNumber() error {
	if n := len(d.Env.Recipients) + len(d.Bad); n > spool.MaxRecipients {
		return exit.Fail(exit.DataErr, "more than %d recipients, which the queue does not take: send it in parts", spool.MaxRecipients)
	}
	return nil
}

// SameFor returns the same text for all spellings of an address: the case of its domain does not
// matter, nor whether that is in U-labels or A-labels (RFC 5890, 2.3.2.1).
func SameFor(spec string) string {
	at := strings.LastIndexByte(spec, '@') + 1
	if at == 0 {
		return spec
	}
	domain := strings.ToLower(spec[at:])
	if ascii, ok := message.ALabels(domain); ok {
		domain = ascii
	}
	if domain != spec[at:] {
		return spec[:at] + domain
	}
	return spec
}

// Spool writes the message into the queue, as the one submitted last, and returns its queue ID.
func (d *Draft) Spool(q *spool.Queue) (string, error) {
	w, err := q.NewWriter()
	if err != nil {
		return "", exit.Spool("cannot write to the queue", err)
	}
	if err := d.Write(w); err != nil {
		w.Abort()
		return "", err
	}
	id, err := w.Commit(d.Env)
	if err != nil {
		return "", exit.Spool("cannot write to the queue", err)
	}
	q.NoteLast(id)
	return id, nil
}

// Write writes the content, and completes the remarks of the envelope. Its error distinguishes
// reading from writing.
func (d *Draft) Write(w *spool.Writer) error {
	for _, bad := range d.Bad {
		w.Refuse(bad)
	}
	err := message.Copy(w, d.header, d.body)
	d.header = nil // it may be large, and the envelope is still to be written
	var pe *os.PathError
	switch {
	case err == nil:
		if n := d.nul.Dropped(); n > 0 {
			d.Env.Remarks = append(d.Env.Remarks, fmt.Sprintf("octets NUL were left out of it (%d), which no mail can have", n))
		}
		return nil
	case errors.As(err, &pe) && pe.Op == "read":
		return exit.Fail(exit.NoInput, "read message: %w", err)
	}
	return exit.Spool("cannot write to the queue", err)
}
