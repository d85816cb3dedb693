// Package history is the log that answers "did it go out?": what became of each message, in the
// host's own words, for a month. It is for people. No delivery depends on it, nothing that is wrong
// with it stops one, and all of it can be removed at any time.
//
// The log is a directory of files, one for each day (UTC), and more of them on a day with much
// mail. A record is one line of JSON, and is appended by one call, so that several processes can
// write at the same time and a process that is killed leaves whole lines. A line that a full disk
// or a power cut has torn is skipped, and the next record begins on a line of its own. Nothing is
// synced: a power cut can take away the last seconds.
package history
