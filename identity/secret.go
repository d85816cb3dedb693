package identity

import (
	"fmt"
	"io"
)

// Mask is what is printed in place of a secret.
const Mask = "********"

// A Secret is a text that does not print. The zero value is no secret.
type Secret struct {
	// It is a pointer because fmt does not call the methods of a value that it finds in an
	// unexported field. For a pointer it prints an address there.
	text *string
}

// NewSecret returns text as a Secret.
func NewSecret(text string) Secret { return Secret{&text} }

// IsSet reports whether there is a secret, even if it is the empty text.
func (s Secret) IsSet() bool { return s.text != nil }

// Reveal returns the text itself, for the one place that sends it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns Mask, or "" where there is no secret.
func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return Mask
}

// Format prints what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// MarshalText returns what String returns: JSON and logs get no more.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
