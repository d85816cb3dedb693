package identity

import (
	"fmt"
	"strings"
)

// Unreached says which identities, and which of their addresses and patterns, no sender ever reaches,
// because earlier ones take them; each with file and line.
func (c *Config) Unreached() []string {
	var remarks []string
	for i, id := range c.Identities {
		var taken []string
		for _, m := range id.Match {
			if by := taker(i, m, func(i int) []string { return c.Identities[i].Match }); by >= 0 {
				taken = append(taken, fmt.Sprintf("match %s of identity %s is never used: identity %s takes it before", m, id.Name, c.Identities[by].Name))
			}
		}
		line := c.LineOf(id, "match")
		if line == 0 {
			line = c.LineOf(id, "name")
		}
		switch {
		case id == c.Default || c.carries(id) || len(taken) < len(id.Match):
		case len(id.Match) == 0:
			taken = []string{"identity " + id.Name + " is not the default and matches no address: it is never used"}
		default:
			taken = append(taken, "identity "+id.Name+" is never used: earlier ones take all that it matches; put it before them")
		}
		for _, text := range taken {
			remarks = append(remarks, position(c.File, line)+text)
		}
	}
	return append(remarks, c.unusedVias()...)
}

// taker returns the index of the list that is used before the i-th one for all that one of its matches
// is for; -1 if there is none. Listed addresses go before all patterns.
func taker(i int, match string, list func(i int) []string) int {
	for earlier := range i {
		for _, m := range list(earlier) {
			if fold(m).ascii == fold(match).ascii || isPattern(match) && isPattern(m) && takes(strings.ToLower(m), strings.ToLower(match)) {
				return earlier
			}
		}
	}
	return -1
}

// takes reports whether a pattern is sure to match all that another one matches.
func takes(pattern, other string) bool {
	if !strings.Contains(pattern, "@") {
		return within(pattern, other)
	}
	if !strings.Contains(other, "@") {
		return false
	}
	lp, dp := splitAddress(pattern)
	lo, do := splitAddress(other)
	return within(lp, lo) && within(dp, do)
}

// within reports whether pattern matches all that other matches.
func within(pattern, other string) bool { return globbed(pattern, other, true) }
