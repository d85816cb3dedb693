// Package smtp is an SMTP client (RFC 5321) that carries many messages over one connection, in
// order, and says exactly what the host answered to each.
//
// Open makes a Conn: greeting, EHLO, STARTTLS, EHLO, AUTH, one command at a time. Conn.Carry then
// draws messages from a Feed and gives it one Result a message, in order: the replies to MAIL, to
// each RCPT and to the end, and how much of the content was sent. The caller decides what a reply
// means for mail, and whether to try again: this package has no policy, no queue, no retries.
//
// # One loop
//
// One loop (window.go) has a window over commands and a window over messages. Its modes differ
// only in the width of the two:
//
//	one command in flight       lockstep (RFC 5321); a host without PIPELINING, or Message.Alone
//	many commands in flight     PIPELINING (RFC 2920): an envelope in one flight and, with Conn.Ride,
//	                            the next envelope behind a final dot
//	many messages in flight     Message.Chunks: envelopes and contents back to back by BDAT (RFC 3030)
//
// DATA and BDAT are two framings of one body encoder (body.go). Content leaves as CRLF lines; CR,
// LF and CRLF each end a line, so nothing is left that any receiver could take for the end of the
// message. The last chunk of BDAT contains only the final CRLF: some hosts take the end of the
// connection within the last chunk for the end of the chunk, and must not be left with a message
// that is cut short.
//
// # Staying in step
//
// Replies carry no number, so a host that sends one too many or one too few answers every later
// command with the reply to another. This is noticed by:
//
//	an unsolicited reply       found before anything is sent while nothing is in flight
//	354                        the only reply DATA may have before content, and no other command
//	RSET behind a refusal      a refusal counts once the RSET behind it has been answered
//	RSET behind each BDAT      its words are those the host gave to RSET before (Probe)
//	BDAT without a message     behind the first message sent by BDAT (Message.Check): its refusal must
//	                           stand in its place
//
// Once out of step, nothing unconfirmed is believed (Result.Untrusted).
//
// # What ends a session
//
// A session ends with a reply 421, a lost connection, silence, or nonsense. Replies that still
// come are read, for a limited time. A negative reply after which the host closes the connection,
// although more had been sent than it has answered, decides nothing: it may have been meant for
// any of it (Result.Closing). The host has not read what was sent after it (Result.Unread).
package smtp
