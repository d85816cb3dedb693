//go:build !linux

package spool

// shortPath returns a path of a name in the queue directory that fits into the address of a socket;
// "" where there is none.
func (q *Queue) shortPath(string) string { return "" }
