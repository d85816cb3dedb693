// Package message reads, mends and writes the content of a message: the fields
// of its header and the addresses in them (RFC 5322 with its obsolete syntax,
// RFC 6532), and the body, which passes through as it is.
//
// What arrives is never taken apart and put together again. A Header keeps
// every octet of every field, so that signatures stay valid, and changes only
// what it is asked to: whole fields are removed or added. The one thing that is
// made uniform is the line end. CR, LF and CRLF are each taken for a line end,
// wherever they stand, and become LF; NUL and all other octets are kept. (A CR
// by itself cannot be sent over SMTP, RFC 5321 2.3.8, and what it is taken for
// on the way depends on the host. As a line end it means the same everywhere,
// and no address or field can hide behind it.)
package message
