package identity

import "strings"

// A Proxy makes the connection to a smart host.
type Proxy struct {
	Scheme string // "socks5" or "http"
	User   string // to log in at the proxy with, by Identity.ProxyPassword; "" for no login
	Host   string // name or address, an IPv6 address without brackets
	Port   string // number or service name
}

// String returns the proxy as YAML spells it.
func (p *Proxy) String() string {
	user := ""
	if p.User != "" {
		user = p.User + "@"
	}
	return p.Scheme + "://" + user + joinHost(p.Host, p.Port)
}

// parseProxy reads scheme://[user@]host:port. The text says what is wrong, without quoting.
func parseProxy(s string) (p *Proxy, text string) {
	scheme, rest, found := strings.Cut(s, "://")
	p = &Proxy{Scheme: strings.ToLower(scheme)}
	switch {
	case !found:
		return nil, "should be like socks5://host:port or http://host:port"
	case p.Scheme == "socks5h": // curl's name for what is always so here
		p.Scheme = "socks5"
	case p.Scheme != "socks5" && p.Scheme != "http":
		return nil, "should begin with socks5:// or http://"
	}
	rest = strings.TrimSuffix(rest, "/")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if p.User, rest = rest[:at], rest[at+1:]; p.User == "" || len(p.User) > 255 {
			return nil, "should have a user name of 1 to 255 octets before its @"
		}
		if strings.Contains(p.User, ":") {
			return nil, "has a password in it: give that as proxy_password"
		}
	}
	if p.Host, p.Port, text = splitHost(rest); text == "" && p.Port == "" {
		text = "needs a port, such as socks5://localhost:1080"
	}
	if text != "" {
		return nil, text
	}
	return p, ""
}

// joinHost returns host:port, or the path of a local socket alone.
func joinHost(host, port string) string {
	switch {
	case port == "":
		return host
	case strings.Contains(host, ":"):
		return "[" + host + "]:" + port
	}
	return host + ":" + port
}

// IsSocket reports whether the smart host is reached at a local socket, whose path is Host.
func (id *Identity) IsSocket() bool { return strings.HasPrefix(id.Host, "/") }

// Addr returns host and port as one text, with an IPv6 address in brackets; the path of a local
// socket; or the domain behind "srv:".
func (id *Identity) Addr() string {
	if id.SRV {
		return id.Written()
	}
	return joinHost(id.Host, id.Port)
}

// Private reports whether nobody can read what goes to the smart host in clear: it is this machine
// itself, or the far end of a tunnel. A host behind that end is another one, wherever the tunnel
// ends. Behind a proxy this machine is the proxy's, so both must be here.
func (id *Identity) Private() bool {
	switch {
	case id.IsSocket():
		return true
	case id.Forwarded:
		return false
	case id.Proxy != nil:
		return loopback(id.Host) && loopback(id.Proxy.Host)
	}
	return loopback(id.Host)
}
