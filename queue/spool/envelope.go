package spool

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// envelopeVersion is the version of the format written here.
const envelopeVersion = 1

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

	Return     string `json:"ret,omitempty"`    // DSN RET (RFC 3461): "", "FULL" or "HDRS"
	EnvelopeID string `json:"envid,omitempty"`  // DSN ENVID, decoded
	Body       string `json:"body,omitempty"`   // -B: "", "7BIT" or "8BITMIME"
	Config     string `json:"config,omitempty"` // -C: absolute path of the configuration to use
	Notice     bool   `json:"notice,omitempty"` // a notice of ours, always for the local agent
	Legacy     string `json:"legacy,omitempty"` // name of esmtp-wrapper's entry
	Origin     string `json:"origin,omitempty"` // where the entry was made: see Queue.origin
	// Remarks are what its submitter should know of the message although it was taken, one line
	// each. Standard error is no place for them: callers take a word there for a failure.
	Remarks []string `json:"remarks,omitempty"`

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
	const before, after = `{"sha256":"`, "\"}\n"
	sum := sha256.Sum256(first)
	b := make([]byte, 0, len(before)+2*len(sum)+len(after))
	b = append(b, before...)
	b = hex.AppendEncode(b, sum[:])
	return append(b, after...)
}

// An UnfitError says why an envelope can never be queued as it is.
type UnfitError string

func (e UnfitError) Error() string { return string(e) }

func unfit(format string, args ...any) error { return UnfitError(fmt.Sprintf(format, args...)) }

// check refuses an envelope that could not be read back as it was submitted.
func (e *Envelope) check() error {
	texts := append([]string{e.From, e.Return, e.EnvelopeID, e.Body, e.Config, e.Legacy}, e.Remarks...)
	if e.ReversePath != nil {
		texts = append(texts, *e.ReversePath)
	}
	for _, r := range e.Recipients {
		texts = append(texts, r.Address, r.Notify)
	}
	for _, s := range texts {
		if !utf8.ValidString(s) {
			// JSON would replace the octets, and the mail would go to somebody else.
			return unfit("%q in the envelope is not UTF-8", s)
		}
	}
	if year := e.Arrival.Year(); year < 0 || year > 9999 {
		return unfit("a message of the year %d", year)
	}
	switch n := len(e.Recipients); {
	case n == 0:
		return unfit("a message without recipients")
	case n > MaxRecipients:
		return unfit("a message for %d recipients, the queue takes %d: send it in parts", n, MaxRecipients)
	}
	return nil
}

// encodeEnvelope returns the file envelope of a message that has not been tried yet. Refused
// recipients follow the others, with the reasons given.
func encodeEnvelope(env *Envelope, refused []Refusal) ([]byte, error) {
	served := len(env.Recipients)
	for _, r := range refused {
		env.Recipients = append(env.Recipients, r.Recipient)
	}
	b, err := beginEnvelope(env, &Message{})
	if err != nil {
		return nil, err
	}
	for range served {
		b = appendRecipientLine(b, &Progress{State: Untried})
	}
	for _, r := range refused {
		b = appendRecipientLine(b, &Progress{State: Refused, Time: env.Arrival, Status: r.Status, Text: r.Reason})
	}
	if len(b) > maxEnvelope {
		return nil, unfit("an envelope of %d octets, the queue takes %d: send the message in parts", len(b), maxEnvelope)
	}
	return b, nil
}

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
	if v := m.Envelope.Version; v != envelopeVersion {
		return 0, fmt.Errorf("envelope has format version %d, this program knows %d: use the newer program", v, envelopeVersion)
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
