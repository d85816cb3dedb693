package process

import (
	"math"

	"golang.org/x/sys/unix"
)

// Room returns how many octets, and how many new files, a person may still write below a directory;
// not known if the system does not say.
func Room(dir string) (octets, files uint64, known bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, 0, false
	}
	files = uint64(st.F_favail)
	if st.F_files == 0 { // this file system does not count them
		files = math.MaxUint64
	}
	return uint64(st.F_bavail) * uint64(st.F_bsize), files, true
}
