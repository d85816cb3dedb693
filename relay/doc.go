// Package relay carries messages to a smart host: it is an SMTP client
// (RFC 5321) with a session engine of its own, and the one place that knows
// what a failure of such a session means for mail (reply.go).
//
// A Transport takes the deliveries of one lane and sends them over one
// connection, in order. A session is opened once: greeting, EHLO, STARTTLS,
// EHLO, AUTH, all in lockstep. Then each message is a transaction, at one of
// these levels:
//
//	lockstep    one command, one reply (RFC 5321)
//	pipelined   the commands of an envelope in one flight, and behind the final
//	            dot of a message already the next envelope (RFC 2920): one
//	            message a round trip
//	burst       envelopes and contents of many messages in one flight, by
//	            BDAT (RFC 3030): a window of them a round trip
//
// Bursts are for several messages that wait and a host that has passed a probe
// once (probe.go). A connection that is lost leaves a window of messages possibly
// delivered, not one. The window is bounded, and it is on disk: each message in it has been
// announced to the queue by Source.Sending.
//
// But in a burst, no goroutine reads behind the writer's back: what is in flight
// is bounded so that its replies fit into the buffers of any transport, and a host that
// makes both sides wait for each other runs into the deadline of a write.
//
// Content leaves through one writer, as CRLF lines with dots stuffed. Octets
// over 127 go out as they are, whether or not the host offers 8BITMIME or
// SMTPUTF8 for the header: hosts that do not offer it but pass it on outnumber
// those that would have been helped by an encoding of ours, which would break
// signatures. An address is another matter; see address.go.
package relay
