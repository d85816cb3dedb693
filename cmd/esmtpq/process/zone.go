package process

import (
	"encoding/binary"
	"os"
	"strings"
	"time"
)

// SetZone makes local time that of TZ in the form of POSIX, such as CET-1CEST,M3.5.0,M10.5.0/3 or
// <+0330>-3:30. Package time knows names of files only, and takes everything else for UTC.
func SetZone() {
	if tz := os.Getenv("TZ"); posix(tz) {
		if _, err := time.LoadLocation(tz); err == nil {
			return // such as EST5EDT, which is a file, too
		}
		if zone := zoneOf(tz); zone != nil {
			time.Local = zone
		}
	}
}

// posix reports whether TZ has the form of POSIX: letters, or anything in angle brackets, and an
// offset.
func posix(tz string) bool {
	rest := tz
	if strings.HasPrefix(tz, "<") {
		_, after, ok := strings.Cut(tz, ">")
		if !ok {
			return false
		}
		rest = after
	} else {
		for len(rest) > 0 && (rest[0]|0x20 >= 'a' && rest[0]|0x20 <= 'z') {
			rest = rest[1:]
		}
		if len(tz)-len(rest) < 3 {
			return false
		}
	}
	rest = strings.TrimLeft(rest, "+-")
	return len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9'
}

// zoneOf returns the time zone of a rule. Package time reads such rules at the end of a file of the
// time zone database (RFC 9636, 3.3), so this is one with a rule and nothing else.
func zoneOf(tz string) *time.Location {
	if strings.ContainsAny(tz, "\n\x00") {
		return nil
	}
	head := append([]byte("TZif2"), make([]byte, 15)...)
	for _, count := range [...]uint32{0, 0, 0, 0, 1, 4} { // one type of local time, four octets of names
		head = binary.BigEndian.AppendUint32(head, count)
	}
	block := append(head, 0, 0, 0, 0, 0, 0, 'U', 'T', 'C', 0)
	file := append(append([]byte(nil), block...), block...)
	zone, err := time.LoadLocationFromTZData("Local", append(file, "\n"+tz+"\n"...))
	if err != nil {
		return nil
	}
	return zone
}
