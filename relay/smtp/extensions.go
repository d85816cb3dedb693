package smtp

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Extensions are what a host's reply to EHLO offers (RFC 5321, 4.1.1.1):
// keyword in upper case, to parameters as they came.
type Extensions map[string]string

// parseExtensions reads a reply to EHLO. The first line names the host.
func parseExtensions(r *Reply) Extensions {
	ext := Extensions{}
	for _, line := range r.Lines[1:] {
		keyword, params, _ := strings.Cut(strings.TrimSpace(line), " ")
		keyword = strings.ToUpper(keyword)
		// "AUTH=LOGIN", as hosts said before RFC 2554 and still say for
		// the sake of old clients, beside the proper form or alone.
		if legacy, ok := strings.CutPrefix(keyword, "AUTH="); ok {
			keyword, params = "AUTH", legacy+" "+params
		}
		if keyword == "AUTH" {
			params = ext["AUTH"] + " " + strings.ToUpper(params)
		}
		if keyword != "" {
			ext[keyword] = strings.TrimSpace(params)
		}
	}
	return ext
}

// Has reports whether a keyword is offered.
func (e Extensions) Has(keyword string) bool {
	_, ok := e[keyword]
	return ok
}

// Auth reports whether a mechanism is offered.
func (e Extensions) Auth(mechanism string) bool {
	return slices.Contains(strings.Fields(e["AUTH"]), mechanism)
}

// SizeLimit returns the size of the largest message that the host takes, in octets; 0 if it has
// no limit or does not say (RFC 1870, section 3).
func (e Extensions) SizeLimit() int64 {
	n, err := strconv.ParseInt(e["SIZE"], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Limit returns one of the host's LIMITS (RFC 9422), such as MAILMAX; 0 if it has none or does
// not say.
func (e Extensions) Limit(name string) int {
	for _, word := range strings.Fields(e["LIMITS"]) {
		key, value, _ := strings.Cut(word, "=")
		n, err := strconv.Atoi(value)
		if err == nil && n > 0 && len(value) <= 6 && strings.EqualFold(key, name) {
			return n
		}
	}
	return 0
}

// HoldLimit returns how far ahead of now a message may be that the host is to hold: 0 if the host does
// not offer that (RFC 4865, section 4), or offers it with limits that cannot be read.
func (e Extensions) HoldLimit(now time.Time) time.Duration {
	words := strings.Fields(e["FUTURERELEASE"])
	if len(words) == 0 {
		return 0
	}
	seconds, err := strconv.ParseUint(words[0], 10, 64)
	if err != nil || len(words[0]) > 9 {
		return 0
	}
	limit := time.Duration(seconds) * time.Second
	if len(words) > 1 {
		latest, err := time.Parse(time.RFC3339, strings.ToUpper(words[1]))
		if err != nil {
			return 0
		}
		limit = max(min(limit, latest.Sub(now)), 0)
	}
	return limit
}

// Fingerprint returns the same text for the same host with the same software and settings, from
// its greeting and its reply to EHLO. The number of SIZE is ignored, since with some hosts it
// follows the free space, and so are the limits of FUTURERELEASE, which follow the clock. The order of words is ignored, since one host changes it each time.
func Fingerprint(greeting string, e Extensions) string {
	all := []string{steadyWords(greeting)}
	for keyword, params := range e {
		words := strings.Fields(params)
		if keyword == "SIZE" || keyword == "FUTURERELEASE" {
			words = nil
		}
		slices.Sort(words)
		all = append(all, keyword+" "+strings.Join(words, " "))
	}
	slices.Sort(all)
	sum := sha256.Sum256([]byte(strings.Join(all, "\n")))
	return hex.EncodeToString(sum[:8])
}
