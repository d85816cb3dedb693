package message

import "strings"

// maxRoute bounds the length of a source route, in octets (RFC 5321, 4.5.3.1.3).
const maxRoute = 256

// CutPath returns the addr-spec in a path of SMTP, which stands between the angle brackets, without a
// source route: a host should ignore that (RFC 5321, 4.1.1.3 and appendix C). So is the dot that may end
// the name of its domain. A path that has no address is returned as it is.
func CutPath(path string) string {
	spec := path[routeLength(path):]
	if at := strings.LastIndexByte(spec, '@'); at > 0 {
		spec = spec[:at+1] + withoutFinalDot(spec[at+1:])
	}
	if CheckAddress(spec) != nil {
		return path
	}
	return spec
}

// routeLength returns the length of the source route that s begins with, as in "@a,@b:c@d", with its
// colon; 0 if there is none.
func routeLength(s string) int {
	if !strings.HasPrefix(s, "@") || strings.IndexByte(s[:min(len(s), maxRoute)], ':') < 0 {
		return 0
	}
	l := lexer{s: s}
	for l.next().kind == '@' {
		if host := l.next(); host.kind != tokenAtom && host.kind != tokenLiteral {
			return 0
		}
		switch l.next().kind {
		case ',':
			continue
		case ':':
			return l.pos
		default:
			return 0
		}
	}
	return 0
}
