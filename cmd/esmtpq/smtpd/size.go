package smtpd

import (
	"math"
	"strconv"
	"strings"

	"esmtpq/cmd/esmtpq/process"
)

// cutSize returns a MAIL command whose SIZE (RFC 1870) the library can read, and the size that was
// given if it could not: a number of up to twenty digits, where the library takes 32 bits.
func cutSize(line string) (string, int64) {
	const name = " SIZE="
	at := strings.LastIndexByte(line, '>') + 1
	for at+len(name) <= len(line) && !strings.EqualFold(line[at:at+len(name)], name) {
		at++
	}
	if at += len(name); at > len(line) {
		return line, 0
	}
	end := at
	for end < len(line) && line[end] >= '0' && line[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(line[at:end], 10, 63) // the largest number, if it is out of range
	if err != nil && n == 0 || n <= math.MaxUint32 {
		return line, 0
	}
	return line[:at] + strconv.FormatUint(math.MaxUint32, 10) + line[end:], int64(n)
}

// fits reports whether there is room for a message below a directory, as far as that is known.
func fits(size int64, dir string) bool {
	octets, _, known := process.Room(dir)
	return size <= 0 || !known || uint64(size) <= octets
}
