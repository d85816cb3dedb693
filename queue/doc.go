// Package queue keeps the promise to go on trying until each recipient of a message has been
// served. Package spool says what a message is on disk, and when it is accepted.
//
// # A run
//
// Run goes through the queue once, and looks for new mail until nothing is left that is due.
// There is one run at a time. For each message it asks the Router for the destination of each
// recipient that is pending: an identity, or local mail. Destinations work side by side, and none
// waits for another; each carries its mail by one Transport, in the order of arrival, with
// messages that have failed before behind the rest.
//
//	scan.go         lists the queue and decides what is due
//	dispatch.go     hands messages to destinations, or notes why not
//	destination.go  draws a message for its transport, under the lock of the entry (entries.go)
//	record.go       has its reports recorded, counted, and acted upon
//	notice.go       collects what the owner is to be told of: what has failed, is late, or waits for
//	                the owner to mend something
//	tell.go         tells it, when the lock of the run has been let go
//	unsendable.go   records what cannot be sent as it is
//
// A transport reports each recipient once, in as many parts as it likes, and each part is durable
// when Record returns: see Transport, Source.
//
// # Who is to blame
//
// A report says whom its trouble is charged to. A message that is delayed for its own sake, or
// for one of its recipients, counts an attempt and waits about as long again as it has waited,
// from a minute to four hours (schedule.go); it is given up after five days. Both count from its
// first attempt, and times by a clock that cannot be believed do not count. Trouble of the
// identity (unreachable host, refused password) counts as an attempt of no message: the identity
// waits, with all its mail (backoff.go). New mail is a reason to try a network that was down, and
// the waiting mail goes along; it is no reason to try a refused password. A changed configuration
// is a reason for both. A run that a person asks for tries everything that is neither held nor
// failed.
//
// A message that was possibly delivered, its end sent and the reply lost, is tried again; after
// the third time it is held.
//
// # Long queues
//
// The due index (due_index.go) remembers when each of very many entries is due, so that a
// background run opens only those that are due now (due.go). It is a cache.
package queue
