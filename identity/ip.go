package identity

import (
	"strconv"
	"strings"
)

// Package net/netip can do all this, but linking it costs a submission 6 % more CPU time: it
// imports unique, before which nearly everything else is initialised (see cmd/esmtpq/early).

// parseIPv4 reads an address in dotted decimal.
func parseIPv4(s string) (ip []byte, ok bool) {
	for field := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(field, 10, 8)
		if err != nil || field != strconv.Itoa(int(n)) || len(ip) == 4 {
			return nil, false
		}
		ip = append(ip, byte(n))
	}
	return ip, len(ip) == 4
}

// parseIPv6 reads an address as RFC 4291, 2.2, writes it; a zone may follow (RFC 4007, 11).
func parseIPv6(s string) (ip []byte, ok bool) {
	s, zone, zoned := strings.Cut(s, "%")
	head, tail, elided := strings.Cut(s, "::")
	ip, ok = parseGroups(head)
	rest, okToo := parseGroups(tail)
	zeros := 16 - len(ip) - len(rest)
	switch {
	case !ok || !okToo || zoned && zone == "":
		return nil, false
	case elided && zeros < 2 || !elided && zeros != 0:
		return nil, false
	case elided && strings.Contains(head, "."):
		return nil, false // dotted decimal that is not at the end
	}
	return append(append(ip, make([]byte, zeros)...), rest...), true
}

// parseGroups reads groups of hexadecimal digits, the last two of which can be an IPv4 address.
func parseGroups(s string) (ip []byte, ok bool) {
	if s == "" {
		return nil, true
	}
	for {
		group, rest, more := strings.Cut(s, ":")
		if four, ok := parseIPv4(group); ok && !more {
			return append(ip, four...), true
		}
		n, err := strconv.ParseUint(group, 16, 16)
		if err != nil || len(group) > 4 {
			return nil, false
		}
		ip = append(ip, byte(n>>8), byte(n))
		if !more {
			return ip, true
		}
		s = rest
	}
}

// isMapped reports whether an IPv6 address stands for an IPv4 address (RFC 4291, 2.5.5.2).
func isMapped(ip []byte) bool {
	return string(ip[:12]) == "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"
}

func isIPAddress(s string) bool {
	_, ok := parseIPv4(s)
	return ok || isIPv6(s)
}

func isIPv6(s string) bool {
	_, ok := parseIPv6(s)
	return ok
}

// isLoopbackIP reports whether s is a loopback address.
func isLoopbackIP(s string) bool {
	if ip, ok := parseIPv4(s); ok {
		return ip[0] == 127
	}
	ip, ok := parseIPv6(s)
	if ok && isMapped(ip) {
		return ip[12] == 127
	}
	return ok && string(ip) == "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
}
