// Package message reads, completes and writes the content of a message: the fields of its header
// and the addresses in them (RFC 5322 with its obsolete syntax, RFC 6532), and the body, which
// passes through unchanged.
//
// A message is never taken apart and put together again. A Header keeps every octet of every
// field, so that signatures stay valid, and changes only on request: whole fields are removed or
// added. Only line ends are made uniform, as LF. An LF with all CRs before it is one line end: there
// are several where a program made CRLF of LF twice. A CR by itself cannot be sent over SMTP (RFC
// 5321, 2.3.8), and hosts differ in how they take one. Within the header it becomes a blank, so that
// no field begins there. In the body it becomes a line end, as the programs that write one mean it.
// NUL is left out at submission (WithoutNUL); all other octets are kept.
package message
