package relay

import (
	"strconv"
	"strings"
)

// extensions are what a host's reply to EHLO offers (RFC 5321, 4.1.1.1):
// keyword in upper case, to parameters as they came.
type extensions map[string]string

// parseExtensions reads a reply to EHLO. The first line names the host.
func parseExtensions(r *reply) extensions {
	ext := extensions{}
	for _, line := range r.lines[1:] {
		keyword, params, _ := strings.Cut(strings.TrimSpace(line), " ")
		keyword = strings.ToUpper(keyword)
		// "AUTH=LOGIN", as hosts said before RFC 2554 and still say for
		// the sake of old clients, beside the proper form or alone.
		if legacy, ok := strings.CutPrefix(keyword, "AUTH="); ok {
			keyword, params = "AUTH", legacy+" "+params
		}
		if keyword == "AUTH" {
			params = strings.TrimSpace(ext["AUTH"] + " " + strings.ToUpper(params))
		}
		if keyword != "" {
			ext[keyword] = strings.TrimSpace(params)
		}
	}
	return ext
}

func (e extensions) has(keyword string) bool {
	_, ok := e[keyword]
	return ok
}

// auth tells whether a mechanism is offered.
func (e extensions) auth(mechanism string) bool {
	for _, m := range strings.Fields(e["AUTH"]) {
		if m == mechanism {
			return true
		}
	}
	return false
}

// sizeLimit returns the largest message the host takes, in octets; 0 where it
// has no limit or does not say (RFC 1870, section 3).
func (e extensions) sizeLimit() int64 {
	n, err := strconv.ParseInt(e["SIZE"], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
