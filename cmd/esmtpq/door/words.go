package door

import (
	"fmt"
	"time"
)

// Plural counts things: "1 message", "2 messages".
func Plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// Stamp returns an instant for people to read; the zero time is "now".
func Stamp(t time.Time) string {
	if t.IsZero() {
		return "now"
	}
	return t.Local().Format(time.DateTime)
}
