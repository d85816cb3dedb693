package spool

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
	"unicode/utf8"
)

// The versions of the format. Mail that waits for its time has the second one: an older program must
// not send it at once.
const (
	envelopeVersion  = 1
	scheduledVersion = 2
)

// An Envelope is what the submitter said about a message, together with the measures of its
// content. It is stored once and never changed; at delivery, the identity is chosen from it.
type Envelope struct {
	Version int       `json:"version"` // of this format
	Arrival time.Time `json:"arrival"`
	// ReversePath is the address given with -f: an addr-spec, "" for the null
	// reverse-path, nil when none was given.
	ReversePath *string `json:"reverse_path,omitempty"`
	// From is the addr-spec of the author whom the header of the content names, which chooses
	// the identity when ReversePath is nil or "". It may lack a domain or be empty.
	From       string      `json:"from,omitempty"`
	Recipients []Recipient `json:"recipients"`
	// Identity is the name given with -a of the identity that it is sent as, "" for none.
	Identity string `json:"identity,omitempty"`

	Return     string `json:"ret,omitempty"`         // DSN RET (RFC 3461): "", "FULL" or "HDRS"
	EnvelopeID string `json:"envid,omitempty"`       // DSN ENVID, decoded
	Body       string `json:"body,omitempty"`        // -B: "", "7BIT" or "8BITMIME"
	RequireTLS bool   `json:"require_tls,omitempty"` // REQUIRETLS (RFC 8689): TLS all the way, or not at all
	Config     string `json:"config,omitempty"`      // -C: absolute path of the configuration to use
	Notice     bool   `json:"notice,omitempty"`      // a notice of ours, always for the local agent
	Legacy     string `json:"legacy,omitempty"`      // name of esmtp-wrapper's entry
	Origin     string `json:"origin,omitempty"`      // where the entry was made: see Queue.origin
	// Remarks are what its submitter should know of the message although it was taken, one line
	// each. Standard error is no place for them: callers take a word there for a failure.
	Remarks []string `json:"remarks,omitempty"`
	// NotBefore is the time before which the message is not to be sent; zero for none. Grace is for
	// how many seconds after its arrival it can still be taken back. See ReleaseAt.
	NotBefore time.Time `json:"not_before,omitzero"`
	Grace     int64     `json:"grace,omitempty"`

	Size     int64  `json:"size"`                  // octets in the file mail
	Lines    int64  `json:"lines"`                 // line ends in the file mail
	EightBit bool   `json:"eight_bit,omitempty"`   // some octet is over 127
	UTF8     bool   `json:"utf8_header,omitempty"` // the header needs SMTPUTF8 (RFC 6532)
	MaxLine  int64  `json:"max_line"`              // octets in the longest line, without its end
	SHA256   string `json:"sha256"`                // of the file mail, in hexadecimal
}

// A Recipient is one forward-path.
type Recipient struct {
	Address string `json:"address"`          // addr-spec; without "@" it is local; "" if it could not be read
	Notify  string `json:"notify,omitempty"` // DSN NOTIFY (RFC 3461), "" for none
}

// Shown returns the address as a person is told of it. It may have to be made printable.
func (r *Recipient) Shown() string {
	if r.Address == "" {
		return "(unreadable address)"
	}
	return r.Address
}

// Sender returns the address that chooses the identity: the one given with -f, or else the
// author's. With the null reverse-path the choice is as if none had been given.
func (e *Envelope) Sender() string {
	if e.ReversePath != nil && *e.ReversePath != "" {
		return *e.ReversePath
	}
	return e.From
}

// ErrDamaged is returned for an entry that is not what was accepted: it was cut short, changed,
// or never ours. Such an entry is neither sent nor removed.
var ErrDamaged = errors.New("damaged")

// sealOf returns the second line of the file envelope, which has the SHA-256 of the first.
func sealOf(first []byte) []byte {
	sum := sha256.Sum256(first)
	return appendSeal(nil, sum[:])
}

func appendSeal(b, sum []byte) []byte {
	return append(hex.AppendEncode(append(b, `{"sha256":"`...), sum), "\"}\n"...)
}

// An UnfitError says why an envelope can never be queued as it is.
type UnfitError string

func (e UnfitError) Error() string { return string(e) }

func unfit(format string, args ...any) error { return UnfitError(fmt.Sprintf(format, args...)) }

// check refuses an envelope that could not be read back as it was submitted.
func (e *Envelope) check() error {
	texts := append([]string{e.From, e.Identity, e.Return, e.EnvelopeID, e.Body, e.Config, e.Legacy}, e.Remarks...)
	if e.ReversePath != nil {
		texts = append(texts, *e.ReversePath)
	}
	for _, s := range texts {
		if err := checkUTF8(s); err != nil {
			return err
		}
	}
	for _, r := range e.Recipients {
		if err := errors.Join(checkUTF8(r.Address), checkUTF8(r.Notify)); err != nil {
			return err
		}
	}
	for _, t := range [...]time.Time{e.Arrival, e.NotBefore} {
		if year := t.Year(); year < 0 || year > 9999 {
			return unfit("a message of the year %d", year)
		}
	}
	switch n := len(e.Recipients); {
	case n == 0:
		return unfit("a message without recipients")
	case n > MaxRecipients:
		return unfit("a message for %d recipients, the queue takes %d: send it in parts", n, MaxRecipients)
	}
	return nil
}

// checkUTF8 refuses a text that JSON could not hold: it would replace octets, and the mail would go
// to somebody else.
func checkUTF8(s string) error {
	if !utf8.ValidString(s) {
		return unfit("%q in the envelope is not UTF-8", s)
	}
	return nil
}

// writeEnvelope writes the file envelope of a message that has not been tried yet. Refused
// recipients follow the others, with the reasons given. However many there are, only a block of it
// is in memory.
func writeEnvelope(w io.Writer, env *Envelope, refused []Refusal) error {
	served := len(env.Recipients)
	for _, r := range refused {
		env.Recipients = append(env.Recipients, r.Recipient)
	}
	if err := env.check(); err != nil {
		return err
	}
	out := &blocks{w: w, sum: sha256.New(), b: make([]byte, 0, min(2048+(64+recipientLine)*len(env.Recipients), 2*envelopeBlock))}
	out.b = appendEnvelopeHead(out.b, env)
	for i := range env.Recipients {
		out.b = appendRecipient(out.b, i, &env.Recipients[i])
		out.spill()
	}
	out.b = append(appendEnvelopeTail(out.b, env), '\n')
	out.sum.Write(out.b)
	out.b = appendSeal(out.b, out.sum.Sum(nil))
	out.sum = nil
	out.b = appendMessageLine(out.b, &Message{})
	if n := out.n + len(out.b) + recipientLine*len(env.Recipients); n > maxEnvelope {
		return unfit("an envelope of %d octets, the queue takes %d: send the message in parts", n, maxEnvelope)
	}
	for i := range env.Recipients {
		p := Progress{State: Untried}
		if i >= served {
			r := refused[i-served]
			p = Progress{State: Refused, Time: env.Arrival, Status: r.Status, Text: r.Reason}
		}
		out.b = appendRecipientLine(out.b, &p)
		out.spill()
	}
	return out.flush()
}

// blocks gathers what is written, in blocks.
type blocks struct {
	w   io.Writer
	sum hash.Hash // of what has been written, while it is not nil
	b   []byte    // what is gathered
	n   int       // how much has been written
	err error
}

// spill writes what is gathered if it is a block.
func (o *blocks) spill() {
	if len(o.b) >= envelopeBlock {
		o.flush()
	}
}

func (o *blocks) flush() error {
	if o.sum != nil {
		o.sum.Write(o.b)
	}
	if o.err == nil {
		_, o.err = o.w.Write(o.b)
	}
	o.n += len(o.b)
	o.b = o.b[:0]
	return o.err
}

// envelopeBlock is how much of an envelope is written at a time.
const envelopeBlock = 32 << 10

// beginEnvelope returns the file envelope up to the lines of the recipients, with room for them.
func beginEnvelope(env *Envelope, m *Message) ([]byte, error) {
	if err := env.check(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 1024+messageLine+(recipientLine+64)*len(env.Recipients))
	b = append(appendEnvelopeJSON(b, env), '\n')
	b = append(b, sealOf(b)...)
	return appendMessageLine(b, m), nil
}

// decodeEnvelope reads the file envelope into m and returns the offset of its third line, where
// progress begins. It checks everything that can be checked without the content.
func decodeEnvelope(b []byte, m *Message) (int64, error) {
	at, err := decodeHead(b, int64(len(b)), m)
	if err != nil {
		return 0, err
	}
	return at, m.decodeProgress(b[at:])
}

// decodeHead reads the first two lines of the file envelope, which is of some size, and returns the
// offset of the third. It makes room for the progress.
func decodeHead(b []byte, size int64, m *Message) (int64, error) {
	first, rest, ok := cutLine(b)
	if !ok {
		return 0, fmt.Errorf("%w: envelope cut short", ErrDamaged)
	}
	second, _, ok := cutLine(rest)
	if !ok {
		return 0, fmt.Errorf("%w: envelope has no checksum", ErrDamaged)
	}
	if !bytes.Equal(second, sealOf(first)) {
		return 0, fmt.Errorf("%w: envelope does not match its checksum", ErrDamaged)
	}
	if err := readEnvelopeJSON(first, &m.Envelope); err != nil {
		return 0, fmt.Errorf("%w: envelope is not JSON", ErrDamaged)
	}
	if v := m.Envelope.Version; v < envelopeVersion || v > scheduledVersion {
		return 0, fmt.Errorf("envelope has format version %d, this program knows up to %d: use the newer program", v, scheduledVersion)
	}
	n, at := len(m.Envelope.Recipients), int64(len(first)+len(second))
	if n == 0 || size-at != messageLine+int64(n)*recipientLine {
		return 0, fmt.Errorf("%w: envelope has no room for the progress of %d recipients", ErrDamaged, n)
	}
	m.Progress = make([]Progress, n)
	return at, nil
}

// cutLine splits b after its first line end, which stays with the line.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, b, false
	}
	return b[:i+1], b[i+1:], true
}
