// Package relay carries messages to a smart host. It says what the replies of a host mean for mail,
// and it remembers what is known of hosts. The protocol itself is in package smtp below it.
//
// # Sessions
//
// A Transport takes the deliveries of one destination. A worker (worker.go) carries them over one
// session at a time, in order; where the identity allows several sessions, a pool (pool.go) has
// several workers. A task (task.go) is a delivery on its way, for as many of its recipients as one
// transaction may have. A worker sends in one of these ways:
//
//	DATA          one message at a time; behind its final dot perhaps the envelope of the next,
//	              where the host does not offer CHUNKING
//	back to back  envelopes and contents of many messages in flight, by BDAT: when three messages
//	              or more wait, and the host has passed a probe (prepare.go)
//	alone         one command at a time, for a message whose refusal must be beyond doubt
//
// A session that is lost leaves the messages in flight possibly delivered: one by DATA, a whole
// window back to back. The window is bounded, and it is on disk: Source.Sending has announced each
// message in it to the queue.
//
// # What a reply means
//
// One pure function (outcome.go) turns the Result of a message into a report for each recipient.
// It asks one table (policy.go) whom a failure is charged to.
//
// # What is known of a host
//
// The memory of a host (memory.go) is kept in the file hosts of Options.StateDir: whether the host
// reads chunks safely, whether it takes an envelope behind a final dot, how many recipients a
// transaction may have. It is forgotten after 30 days, and when the host's greeting or its reply to
// EHLO changes.
//
// # Octets over 127
//
// They go out unchanged, whether or not the host offers 8BITMIME or SMTPUTF8 for the header. Hosts
// that do not offer it and pass such octets on outnumber those that an encoding would help, and an
// encoding would break signatures. Addresses are another matter: see smtp.WireAddress.
package relay
