package identity

import (
	"fmt"
	"slices"
	"strings"
)

// printedSetting reports whether a setting ends up in a command to the host, a
// header or a log line, where a line end would begin another.
func printedSetting(name string) bool {
	switch name {
	case "user", "username", "pass", "password", "passphrase", "certificate_passphrase", "proxy_password",
		"preconnect", "postconnect", "mda", "force_mda", "password_command", "proxy_password_command", "token_command", "client_id_command", "client_secret", "tunnel", "command":
		return false
	}
	return true
}

// badValue says what is wrong with a value, without quoting it; "" if nothing.
func badValue(value string, printed bool) string {
	for i := 0; i < len(value); i++ {
		if value[i] == 0 {
			return "holds a NUL octet"
		}
		if printed && (value[i] < ' ' || value[i] == 0x7f) {
			return "holds a control character"
		}
	}
	return ""
}

// splitHost takes host, host:port, [v6] or [v6]:port apart; port is "" where there is none. The
// text says what is wrong, without quoting.
func splitHost(s string) (host, port, text string) {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		host, after, ok := strings.Cut(rest, "]")
		if !ok || !isIPv6(host) {
			return "", "", "should have an IPv6 address between its brackets"
		}
		if after == "" {
			return host, "", ""
		}
		port, ok := strings.CutPrefix(after, ":")
		if !ok {
			return "", "", "has something other than a port after its bracket"
		}
		return host, port, badPort(port)
	}
	if isIPv6(s) {
		return s, "", ""
	}
	host, port, found := strings.Cut(s, ":")
	if text := badHost(host); text != "" {
		return "", "", text
	}
	if found {
		return host, port, badPort(port)
	}
	return host, "", ""
}

func badHost(host string) string {
	if host == "" {
		return "has no host name"
	}
	if badDomain(strings.TrimSuffix(host, ".")) != "" || strings.ContainsAny(host, "[/") {
		return "is no host name"
	}
	return ""
}

// badPort says what is wrong with a port, which must be a number or a service name.
func badPort(port string) string {
	if port == "" {
		return "has no port after its colon"
	}
	if isNumber([]byte(port)) {
		port = strings.TrimLeft(port, "0")
		if port == "" || len(port) > 5 || len(port) == 5 && port > "65535" || port[0] == '-' {
			return "has a port that is not between 1 and 65535"
		}
		return ""
	}
	if strings.ContainsAny(port, ": \t[]/@") || !isService(port) {
		return "has a port that is neither a number nor a service in " + servicesFile + ": write the number, such as 587"
	}
	return ""
}

// implicitPort reports whether a port is that of SMTP inside TLS (RFC 8314, 7.3).
func implicitPort(port string) bool {
	return port == "465" || port == "submissions" || port == "smtps"
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") || isLoopbackIP(host)
}

// nameUnnamed gives each identity without a name a name that no other has.
func (c *Config) nameUnnamed() {
	for _, id := range c.Identities {
		if id.Name != "" {
			continue
		}
		name := "default"
		for n := 2; slices.ContainsFunc(c.Identities, func(o *Identity) bool { return o.Name == name }); n++ {
			name = fmt.Sprintf("default-%d", n)
		}
		id.Name = name
	}
}

// findDefault sets Default to the identity that is marked.
func (c *Config) findDefault() {
	for _, id := range c.Identities {
		if id.Default {
			c.Default = id
		}
	}
}

// warnClear remarks on a password that will not be sent, because the session is
// in clear.
func (c *Config) warnClear(id *Identity, line int) {
	if id.TLS != TLSOff || id.Private() || !id.Password.IsSet() && id.PasswordCommand == "" && !id.UsesToken() {
		return
	}
	setting := "tls: starttls"
	if c.Format == FormatEsmtprc {
		setting = "starttls = required"
	}
	c.warn(line, "the password is never sent without TLS; write "+setting)
}
