//go:build !linux

package spool

import "golang.org/x/sys/unix"

func (q *Queue) birth(int) uint64  { return 0 }
func (q *Queue) subvolume() []byte { return nil }

// hostID returns the number of the machine, as the BSDs have it.
func hostID() string {
	for _, name := range [...]string{"kern.hostuuid", "hw.uuid", "kern.uuid"} {
		if id, err := unix.Sysctl(name); err == nil && id != "" {
			return id
		}
	}
	return ""
}
