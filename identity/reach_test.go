package identity

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// A pattern that is said to take all of another one does so: tried with all short texts.
func TestTakesOracle(t *testing.T) {
	var texts []string
	for _, l := range allTexts(3, "ab") {
		for _, d := range allTexts(2, "ab") {
			texts = append(texts, l+"@"+d)
		}
	}
	random := func() string {
		b := make([]byte, 1+rand.IntN(4))
		for i := range b {
			b[i] = "ab*?"[rand.IntN(4)]
		}
		return string(b)
	}
	told := 0
	for range 20000 {
		p, o := random(), random()
		if rand.IntN(2) == 0 {
			p += "@" + random()
		}
		if rand.IntN(2) == 0 {
			o += "@" + random()
		}
		if !isPattern(p) || !isPattern(o) || !takes(p, o) {
			continue
		}
		told++
		for _, s := range texts {
			if fold(s).fits(o) && !fold(s).fits(p) {
				t.Fatalf("%s does not take %s: %s", p, o, s)
			}
		}
	}
	if told < 500 {
		t.Errorf("only %d", told)
	}
}

// allTexts returns all texts of up to n letters, but for the empty one.
func allTexts(n int, letters string) []string {
	all, last := []string{}, []string{""}
	for range n {
		var next []string
		for _, s := range last {
			for _, l := range letters {
				next = append(next, s+string(l))
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

func TestUnreached(t *testing.T) {
	for _, c := range []struct{ matches, want string }{ // of identities a, b, ...; the first is the default
		{"*@example.org|ann@example.org", ""}, // an address goes before a pattern
		{"ann@example.org|ANN@example.org", "match ANN@example.org of identity b is never used: identity a takes it before; identity b is never used"},
		{"*@example.org|x*@example.org", "identity a takes it before; identity b is never used"},
		{"*|*@example.net", "identity b is never used"},
		{"*@*|*@example.net", "identity b is never used"},
		{"*@example.org|*@*.example.org", ""},
		{"*@example.org|*example.org", ""},
		{"?@example.org|*@example.org", ""},
		{"a@example.org|*@example.org|*@example.org", "match *@example.org of identity c is never used: identity b"},
		{"*@example.org|x@example.org *@example.org", "match *@example.org of identity b is never used: identity a takes it before"},
		{"*@example.org|", "identity b is not the default and matches no address"},
		{"x@bücher.example|x@xn--bcher-kva.example", "identity b is never used"},
	} {
		cfg := &Config{File: "f"}
		for i, m := range strings.Split(c.matches, "|") {
			cfg.Identities = append(cfg.Identities, &Identity{Name: string(rune('a' + i)), Match: strings.Fields(m)})
		}
		cfg.Default = cfg.Identities[0]
		got := strings.ReplaceAll(strings.Join(cfg.Unreached(), "; "), "f: ", "")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.matches, got, c.want)
		}
	}
}
