// Package smtp is an SMTP client (RFC 5321) that carries many messages over one connection, in order,
// and says exactly what the host answered to each.
//
// Open makes a Conn: greeting, EHLO, STARTTLS, EHLO, AUTH, one command at a time. Conn.Carry then draws
// messages from a Feed and gives it one Result a message, in order: the replies to MAIL, to each RCPT
// and to the end, and how much of the content was sent. What a reply means for anybody's mail, and
// whether to try again, is for the caller to decide: this package has no policy, no queue, no retries.
//
// # One loop
//
// One loop (window.go) has a window over commands and over messages. How wide they are is all that
// tells its modes apart:
//
//	one command in flight       lockstep (RFC 5321); a host without PIPELINING, or Message.Alone
//	many commands in flight     PIPELINING (RFC 2920): an envelope in one flight and, with Conn.Ride,
//	                            the next envelope behind a final dot
//	many messages in flight     Message.Chunks: envelopes and contents back to back by BDAT (RFC 3030)
//
// DATA and BDAT are two framings of one body encoder (body.go). Content leaves as CRLF lines; CR, LF and
// CRLF each end a line, so nothing is left that any receiver could take for the end of the message. The
// last chunk of BDAT holds nothing but the final CRLF: some hosts take a connection that ends within the
// last chunk for its end, and must not be left with a message that is cut short.
//
// # Staying in step
//
// Replies carry no number, so a host that says one too many or one too few answers every later command
// with the reply to another. These are noticed:
//
//	an unsolicited reply       found before anything is sent while nothing is in flight
//	354                        the only reply DATA may have before content, and no other command
//	RSET behind a refusal      a refusal counts once the RSET behind it has been answered
//	RSET behind each BDAT      its words are those the host gave to RSET before (Probe)
//	BDAT without a message     behind the first message sent by BDAT (Message.Check): its refusal must
//	                           stand in its place
//
// Once out of step, nothing that was not confirmed is believed (Result.Untrusted).
//
// # What ends a session
//
// A reply 421, a lost connection, silence, and nonsense do. Replies that still come are read, for a
// limited time. A negative reply that the host's own end of the connection follows, while more had been sent
// than was answered, decides about nothing: it may have been meant for any of it (Result.Closing). What
// was sent behind it was not read by the host (Result.Unread).
package smtp
