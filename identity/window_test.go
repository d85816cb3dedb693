package identity

import (
	"strings"
	"testing"
	"time"
)

func window(t *testing.T, spans ...string) (w Window) {
	t.Helper()
	for _, text := range spans {
		s, err := ParseSpan(text)
		if err != nil {
			t.Fatal(err)
		}
		w = append(w, s)
	}
	return w
}

// When a window opens, by the clock of the wall, also over the days on which summer time begins and ends
// in Berlin: 2026-03-29 and 2026-10-25, both Sundays.
func TestWindowOpens(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	at := func(text string) time.Time {
		got, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, c := range []struct {
		spans, now, want string
	}{
		{"Mon-Fri 08:00-18:00", "2026-11-30 07:59", "2026-11-30 08:00"}, {"Mon-Fri 08:00-18:00", "2026-11-30 08:00", ""},
		{"Mon-Fri 08:00-18:00", "2026-11-30 17:59", ""}, {"Mon-Fri 08:00-18:00", "2026-11-30 18:00", "2026-12-01 08:00"},
		{"Mon-Fri 08:00-18:00", "2026-12-04 18:00", "2026-12-07 08:00"}, {"Fri-Mon 8:00-9:00", "2026-11-30 12:00", "2026-12-04 08:00"},
		{"22:00-06:00", "2026-11-30 05:59", ""}, {"22:00-06:00", "2026-11-30 06:00", "2026-11-30 22:00"}, {"Sun 22:00-06:00", "2026-11-30 05:00", ""},
		{"00:00-24:00", "2026-11-30 12:00", ""}, {"Sat 00:00-24:00", "2026-11-30 12:00", "2026-12-05 00:00"}, {"Mon 08:00-09:00", "2026-11-30 09:00", "2026-12-07 08:00"},
		{"08:00-09:00|17:00-18:00", "2026-11-30 12:00", "2026-11-30 17:00"}, {"mon,wed 8:00-9:00", "2026-11-30 10:00", "2026-12-02 08:00"},
		{"08:00-18:00", "2026-03-28 19:00", "2026-03-29 08:00"}, {"08:00-18:00", "2026-10-24 19:00", "2026-10-25 08:00"},
		{"Sun 01:00-04:00", "2026-03-29 03:30", ""}, {"Sun 01:00-04:00", "2026-10-25 03:59", ""},
	} {
		w := window(t, strings.Split(c.spans, "|")...)
		want := time.Time{}
		if c.want != "" {
			want = at(c.want)
		}
		if got := w.Opens(at(c.now)); !got.Equal(want) {
			t.Errorf("%s at %s: %v, want %v", c.spans, c.now, got, want)
		}
	}
	// On the longest and the shortest day, what Opens says is so in each minute.
	w := window(t, "Sat,Sun 01:30-02:30", "23:00-00:30")
	for _, day := range []string{"2026-03-28 22:00", "2026-10-24 22:00"} {
		for m := range 30 * 60 {
			now := at(day).Add(time.Duration(m) * time.Minute)
			opens := w.Opens(now)
			if opens.IsZero() {
				continue
			}
			if !w.Opens(opens).IsZero() || w.Opens(opens.Add(-time.Minute)).IsZero() || !opens.After(now) {
				t.Errorf("at %v it opens %v, and does not", now, opens)
			}
		}
	}
}

func TestWindowMistakes(t *testing.T) {
	for _, text := range []string{"", "08:00", "Mon-Fri", "8-18", "Mon-Fri 18:00-18:00", "Mo 08:00-18:00", "Xyz 08:00-18:00", "08:00-25:00", "24:00-01:00", "Mon Fri 08:00-18:00", "08:00-18:60"} {
		_, err := parseYAML("c.yaml", []byte("identities:\n  - name: a\n    host: h\n    send_window: \""+text+"\"\n"), noHome)
		if err == nil || !strings.Contains(err.Error(), "c.yaml:4: identities[0].send_window ") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"25h", "-1s", "30"} {
		if _, err := parseYAML("c.yaml", []byte("identities:\n  - name: a\n    host: h\n    hold_for: "+text+"\n"), noHome); err == nil {
			t.Errorf("hold_for: %s is taken", text)
		}
	}
}
