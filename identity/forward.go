package identity

import "strings"

// forwarded returns the host and port that a line's ssh forwards a local port to, as in
// "ssh -f -L 25025:smtp.example.org:587 gateway 'sleep 5'"; "" if it does not forward that port, or
// leads to the far end itself.
func forwarded(line, localPort string) (host, port string) {
	words := strings.Fields(line)
	for i, word := range words {
		word = strings.Trim(word, `'"`)
		flags, spec, _ := strings.Cut(word, "L")
		if len(flags) == 0 || flags[0] != '-' || strings.Trim(flags[1:], "46AaCfGgKkMNnqsTtVvXxYy") != "" {
			continue
		}
		if !strings.HasPrefix(word, flags+"L") {
			continue // no L at all
		}
		if spec == "" && i+1 < len(words) {
			spec = strings.Trim(words[i+1], `'"`)
		}
		if host, port, ok := forwardedTo(spec, localPort); ok && !loopback(host) {
			return host, port
		}
	}
	return "", ""
}

// forwardedTo takes [bind:]port:host:hostport apart; ok says that it is for a local port.
func forwardedTo(spec, localPort string) (host, port string, ok bool) {
	at := strings.LastIndexByte(spec, ':')
	if at < 0 || badPort(spec[at+1:]) != "" {
		return "", "", false
	}
	rest, port := spec[:at], spec[at+1:]
	if before, found := strings.CutSuffix(rest, "]"); found {
		at = strings.LastIndexByte(before, '[')
		if at < 1 || !isIPv6(before[at+1:]) {
			return "", "", false
		}
		host, rest = before[at+1:], before[:at-1]
	} else if at = strings.LastIndexByte(rest, ':'); at >= 0 {
		host, rest = rest[at+1:], rest[:at]
	}
	if !isIPv6(host) && badHost(host) != "" {
		return "", "", false
	}
	return host, port, rest == localPort || strings.HasSuffix(rest, ":"+localPort)
}

// behindForward makes the host behind a forwarded port the one that the certificate is for, unless
// the configuration names another.
func (id *Identity) behindForward(named bool) (port string) {
	if id.Preconnect == "" || !loopback(id.Host) {
		return ""
	}
	host, port := forwarded(id.Preconnect, id.Port)
	if host != "" && !named {
		id.TLSName = host
	}
	return port
}
