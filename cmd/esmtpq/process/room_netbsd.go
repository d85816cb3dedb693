package process

import (
	"math"

	"golang.org/x/sys/unix"
)

// Room returns how many octets, and how many new files, a person may still write below a directory;
// not known if the system does not say.
func Room(dir string) (octets, files uint64, known bool) {
	var st unix.Statvfs_t
	if unix.Statvfs(dir, &st) != nil {
		return 0, 0, false
	}
	files = uint64(st.Favail)
	if st.Files == 0 { // this file system does not count them
		files = math.MaxUint64
	}
	return uint64(st.Bavail) * uint64(st.Frsize), files, true
}
