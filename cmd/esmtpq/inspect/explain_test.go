package inspect_test

import (
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// An address that cannot be read costs the others nothing: they are explained, it is named, and the exit status says
// that it was there.
func TestExplainGoesOn(t *testing.T) {
	me := stage.NewPerson(t)
	me.Write(".config/esmtpq/config.yaml", plain)
	for _, args := range [][]string{{"esmtpq", "explain"}, {"sendmail", "-bv"}} {
		r := me.Try("", args[0], append(args[1:], "one@example.net", "two words", "@relay.example:three@example.net.", "a@@b, four@example.net")...)
		if r.Code != 64 || strings.Count(r.Stderr, "\n") != 2 {
			t.Errorf("%q: exit %d, %s", args, r.Code, r.Stderr)
		}
		contains(t, r.Stderr, `recipient: address "two words": several words`, `recipient: address "a@@b": more than one @`)
		contains(t, r.Stdout, "<one@example.net>", "<three@example.net>", "<four@example.net>")
		if r := me.Try("", args[0], append(args[1:], "two words")...); r.Code != 64 || !stage.OneLine(r.Stderr) {
			t.Errorf("%q: exit %d, %s", args, r.Code, r.Stderr)
		}
		if r := me.Try("", args[0], append(args[1:], "-f", "@relay.example,@other.example:ann@example.org.", "one@example.net")...); r.Code != 0 || !strings.Contains(r.Stdout, "<ann@example.org>, as given") {
			t.Errorf("%q: exit %d, %s%s", args, r.Code, r.Stdout, r.Stderr)
		}
	}
}
