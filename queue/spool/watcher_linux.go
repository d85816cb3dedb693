package spool

import "strconv"

// shortPath returns a path of a name in the queue directory that fits into the address of a socket.
func (q *Queue) shortPath(name string) string {
	return "/proc/self/fd/" + strconv.Itoa(q.fd) + "/" + name
}
