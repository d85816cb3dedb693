// Package message reads, completes and writes the content of a message: the fields of its header
// and the addresses in them (RFC 5322 with its obsolete syntax, RFC 6532), and the body, which
// passes through unchanged.
//
// A message is never taken apart and put together again. A Header keeps every octet of every
// field, so that signatures stay valid, and changes only on request: whole fields are removed or
// added. Only line ends are made uniform. CR, LF and CRLF are each a line end, wherever they are,
// and become LF; NUL and all other octets are kept. (A CR by itself cannot be sent over SMTP, RFC
// 5321 2.3.8, and hosts differ in how they take one. As a line end it means the same everywhere,
// and no address or field can hide behind it.)
package message
