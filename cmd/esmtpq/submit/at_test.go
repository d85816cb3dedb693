package submit

import (
	"testing"
	"time"
)

func TestParseAt(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	now := time.Date(2026, 10, 24, 17, 0, 0, 0, zone) // a Saturday, before the end of summer time
	for text, want := range map[string]string{
		"18:30": "2026-10-24T18:30:00+02:00", "8:00": "2026-10-25T08:00:00+01:00", "17:00": "2026-10-25T17:00:00+01:00", "17:00:01": "2026-10-24T17:00:01+02:00",
		"tomorrow 8:00": "2026-10-25T08:00:00+01:00", " Tomorrow  08:00 ": "2026-10-25T08:00:00+01:00", "today 23:00": "2026-10-24T23:00:00+02:00",
		"sat 18:00": "2026-10-24T18:00:00+02:00", "saturday 16:00": "2026-10-31T16:00:00+01:00", "Fri 9:00": "2026-10-30T09:00:00+01:00",
		"2027-01-31 12:00": "2027-01-31T12:00:00+01:00", "2027-01-31T12:00": "2027-01-31T12:00:00+01:00", "2027-01-31T12:00:00Z": "2027-01-31T13:00:00+01:00",
		"+2h": "2026-10-24T19:00:00+02:00", "+90m": "2026-10-24T18:30:00+02:00", "+1d": "2026-10-25T16:00:00+01:00",
	} {
		if got, err := ParseAt(text, now); err != nil || got.In(zone).Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v, want %s", text, got.In(zone), err, want)
		}
	}
	for _, text := range []string{
		"", "tomorrow", "25:00", "8", "noon tea", "+", "+0s", "+-2h", "++2h", "+9999d", "+106752d", "today 16:00", "2026-10-24 16:59", "2028-01-01 8:00",
		"2026-13-01 8:00", "8:00 tomorrow", "2026-10-23T00:00:00Z", "now", "18:30 18:30 18:30",
	} {
		if got, err := ParseAt(text, now); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}
