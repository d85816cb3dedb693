package queue

import "time"

// An Envelope is what the submitter said about a message, and what was measured while
// its content was written. It is stored once and never changed; who it is sent as
// is decided from it at delivery.
type Envelope struct {
	Version int       `json:"version"` // of this format: 1
	Arrival time.Time `json:"arrival"`
	// ReversePath is the address given with -f: an addr-spec, "" for the null
	// reverse-path, nil when none was given.
	ReversePath *string `json:"reverse_path,omitempty"`
	// From is the addr-spec of the (first) author in the From: field of the content, which
	// chooses the identity when ReversePath is nil. May lack a domain; may be empty.
	From       string      `json:"from,omitempty"`
	Recipients []Recipient `json:"recipients"`

	Return     string `json:"ret,omitempty"`    // DSN RET (RFC 3461): "", "FULL" or "HDRS"
	EnvelopeID string `json:"envid,omitempty"`  // DSN ENVID, decoded
	Body       string `json:"body,omitempty"`   // -B: "", "7BIT" or "8BITMIME"
	Config     string `json:"config,omitempty"` // -C: absolute path of the configuration to use

	Size     int64  `json:"size"`                  // octets in the file mail
	Lines    int64  `json:"lines"`                 // line ends in the file mail
	EightBit bool   `json:"eight_bit,omitempty"`   // some octet is over 127
	UTF8     bool   `json:"utf8_header,omitempty"` // some octet of the header is over 127 (RFC 6532)
	MaxLine  int64  `json:"max_line"`              // octets in the longest line, without its end
	SHA256   string `json:"sha256"`                // of the file mail, in hexadecimal
}

// A Recipient is one forward-path.
type Recipient struct {
	Address string `json:"address"`          // addr-spec; without "@" it is local
	Notify  string `json:"notify,omitempty"` // DSN NOTIFY (RFC 3461): "", "NEVER", or a list of SUCCESS, FAILURE, DELAY
}
