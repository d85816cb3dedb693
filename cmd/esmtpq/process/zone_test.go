package process

import (
	"testing"
	"time"
)

// Rules of POSIX, in winter and summer, and in the hours in which one becomes the other.
func TestZone(t *testing.T) {
	at := func(s string) time.Time {
		tt, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return tt
	}
	for _, c := range []struct{ tz, utc, local string }{
		{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-01-15T12:00:00Z", "2026-01-15 13:00:00 +0100 CET"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-07-15T12:00:00Z", "2026-07-15 14:00:00 +0200 CEST"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T00:30:00Z", "2026-10-25 02:30:00 +0200 CEST"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T01:30:00Z", "2026-10-25 02:30:00 +0100 CET"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "2106-07-15T12:00:00Z", "2106-07-15 14:00:00 +0200 CEST"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "1970-07-15T12:00:00Z", "1970-07-15 14:00:00 +0200 CEST"},
		{"NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-01-15T12:00:00Z", "2026-01-16 01:00:00 +1300 NZDT"},
		{"UTC0", "2026-01-15T12:00:00Z", "2026-01-15 12:00:00 +0000 UTC"},
		{"MST7", "2026-01-15T12:00:00Z", "2026-01-15 05:00:00 -0700 MST"},
		{"<+0330>-3:30", "2026-01-15T12:00:00Z", "2026-01-15 15:30:00 +0330 +0330"},
		{"<-03>3", "2026-01-15T12:00:00Z", "2026-01-15 09:00:00 -0300 -03"},
	} {
		if !posix(c.tz) {
			t.Errorf("%s is not seen as a rule", c.tz)
			continue
		}
		if got := at(c.utc).In(zoneOf(c.tz)).Format("2006-01-02 15:04:05 -0700 MST"); got != c.local {
			t.Errorf("%s, %s: %s, want %s", c.tz, c.utc, got, c.local)
		}
	}
	for _, tz := range []string{"", "Europe/Berlin", ":Europe/Berlin", "/etc/localtime", "UTC", "Etc/GMT+5", "AB3", "<x", "1", "\x00"} {
		if posix(tz) {
			t.Errorf("%q is taken for a rule", tz)
		}
	}
	for _, tz := range []string{"ABC99999999999", "ABC1DEF,nonsense", "ABC1\nDEF2", "<>0"} {
		if z := zoneOf(tz); z != nil {
			_ = time.Now().In(z).String() // UTC, as elsewhere; no panic
		}
	}
}
