package identity

import (
	"slices"
	"strings"

	"esmtpq/message"
)

// localDomains are domains that always mean this machine.
var localDomains = []string{"localhost", "localhost.localdomain", "localhost6", "localhost6.localdomain6"}

// Resolve returns the address that mail for a recipient goes to, once aliases have been followed.
// local says that it is for this machine: it has no domain, or one of this machine's, which is
// then left out. Such a domain counts only where there is an MDA or an alias for the name, since
// nobody else could deliver the mail; bare says that there was none.
func (c *Config) Resolve(address string) (result string, local, bare bool) {
	for range len(c.Aliases) + 1 { // circles are refused when the file is read
		name, domain := cutDomain(address)
		if domain != "" && !c.isLocalDomain(domain) {
			return address, false, false
		}
		target, ok := c.Aliases[aliasKey(name)]
		if !ok {
			break
		}
		address = target
	}
	name, domain := cutDomain(address)
	switch {
	case domain == "":
		return address, true, true
	case c.MDA != "":
		return name, true, false
	}
	return address, false, false
}

// cutDomain splits an addr-spec; a quoted local part may have an "@" in it.
func cutDomain(address string) (local, domain string) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 || strings.HasSuffix(address, `"`) {
		return address, ""
	}
	return address[:at], address[at+1:]
}

func (c *Config) isLocalDomain(domain string) bool {
	domain = strings.ToLower(domain)
	if slices.Contains(localDomains, domain) {
		return true
	}
	if literal := strings.TrimSuffix(strings.TrimPrefix(domain, "["), "]"); isLoopbackIP(strings.TrimPrefix(literal, "ipv6:")) {
		return true
	}
	return slices.ContainsFunc(c.LocalDomains, func(d string) bool { return fold("x@"+d).ascii == fold("x@"+domain).ascii })
}

// aliasKey returns the form of a local name by which aliases are found: case does not matter.
func aliasKey(name string) string { return strings.ToLower(name) }

// badAlias says what is wrong with what an alias stands for; "" if nothing. A command, a file or
// a list, as in sendmail's file of aliases, would be a way to run or write something that nobody
// expects of an address.
func badAlias(target string) string {
	if strings.ContainsAny(target[:min(1, len(target))], `|/:\`) {
		return "should be an address: a command, a file or an :include: is not supported"
	}
	if message.CheckAddress(target) != nil {
		return "should be one address, or a local name"
	}
	return ""
}

// badAliasName says what is wrong with the name of an alias; "" if nothing.
func badAliasName(name string) string {
	if message.CheckAddress(name) != nil || strings.Contains(name, "@") {
		return "should be lines of a local name, a colon and an address, such as \"root: ann@example.org\""
	}
	return ""
}

// circularAlias returns a name that leads back to itself, the first one of names if possible; "" if
// there is none.
func (c *Config) circularAlias(names []string) string {
	seen := make(map[string]string, len(names)) // the name that the search began with
	for _, start := range names {
		for name := start; c.Aliases[name] != "" && seen[name] == ""; {
			seen[name] = start
			local, domain := cutDomain(c.Aliases[name])
			if domain != "" && !c.isLocalDomain(domain) {
				break
			}
			if name = aliasKey(local); seen[name] == start {
				return name
			}
		}
	}
	return ""
}
