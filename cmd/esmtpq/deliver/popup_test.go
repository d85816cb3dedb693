package deliver

import (
	"slices"
	"testing"
)

// What a host says is shown as it is, and is an argument: never an option, markup or a part of a script.
func TestPopUpCommand(t *testing.T) {
	const evil = `" & (do shell script "id") & "<b>`
	for program, want := range map[string][]string{
		"/usr/bin/notify-send": {"--", "-x", `" &amp; (do shell script "id") &amp; "&lt;b&gt;` + "!"},
		"/usr/bin/osascript":   {"--", "-x", evil + "!"},
	} {
		got := popUpCommand(program, "-x", evil, "!")
		if got[0] != program || !slices.Equal(got[len(got)-3:], want) || slices.Index(got, "--") != len(got)-3 {
			t.Errorf("%q", got)
		}
	}
}
