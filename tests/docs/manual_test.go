package docs

import (
	"regexp"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Each key that a configuration may have is in its manual.
func TestKeysAreInTheManual(t *testing.T) {
	manual := stage.Read(t, stage.Source(t, "docs/esmtpq.yaml.5"))
	keys := regexp.MustCompile(`"([a-z_]+)",`).FindAllStringSubmatch(stage.Read(t, stage.Source(t, "identity/nearest.go")), -1)
	if len(keys) < 50 {
		t.Fatalf("only %d keys were found", len(keys))
	}
	for _, key := range keys {
		if !regexp.MustCompile(`(?m)^\.It Ic (?:[a-z_ ,]* )?` + key[1] + `\b`).MatchString(manual) {
			t.Errorf("esmtpq.yaml(5) has no entry for %s", key[1])
		}
	}
}

// Each long option that the shells complete is in the manual of its command.
func TestOptionsAreInTheManual(t *testing.T) {
	completions := stage.Read(t, stage.Source(t, "contrib/completion/esmtpq.bash"))
	all := regexp.MustCompile(`(?m)^\t([a-z-]+)\) words='(--[^']*)'`).FindAllStringSubmatch(completions, -1)
	if len(all) < 8 {
		t.Fatalf("only %d commands were found", len(all))
	}
	for _, found := range all {
		manual := stage.Read(t, stage.Source(t, "docs/esmtpq.1"))
		if found[1] == "deliver" || found[1] == "mailq" {
			manual += stage.Read(t, stage.Source(t, "docs/"+found[1]+".1"))
		}
		for _, option := range strings.Fields(found[2]) {
			if !strings.Contains(manual, "Fl "+strings.TrimPrefix(option, "-")) {
				t.Errorf("the manual says nothing of %s %s", found[1], option)
			}
		}
	}
}

// Each verb is in the manual.
func TestVerbsAreInTheManual(t *testing.T) {
	help := stage.NewPerson(t).Run("", "esmtpq", "help")
	manual := stage.Read(t, stage.Source(t, "docs/esmtpq.1"))
	verbs := regexp.MustCompile(`(?m)^  ([a-z-]+) `).FindAllStringSubmatch(help, -1)
	for _, verb := range verbs {
		page := regexp.MustCompile(`(?m)^\.It Cm ` + verb[1] + `\b|^\.Xr ` + verb[1] + ` 1`)
		if verb[1] != "newaliases" && !page.MatchString(manual) {
			t.Errorf("esmtpq(1) has no entry for %s", verb[1])
		}
	}
}
