package identity

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// A RuleKind is one way of choosing an identity.
type RuleKind int

const (
	ByDefault RuleKind = iota // nothing matched: the default identity
	ByAddress                 // the address is listed
	ByPattern                 // a pattern matches the address
	ByName                    // the submitter named it
)

// A Rule says why an identity was chosen.
type Rule struct {
	Kind  RuleKind
	Match string // the address, pattern or name, as configured; "" for ByDefault
}

// Matched reports whether the identity is meant for the address.
func (r Rule) Matched() bool { return r.Kind == ByAddress || r.Kind == ByPattern }

// String explains the rule, for "identity NAME, chosen by ...".
func (r Rule) String() string {
	switch r.Kind {
	case ByAddress:
		return "address " + r.Match
	case ByPattern:
		return "pattern " + r.Match
	case ByName:
		return "its name"
	}
	return "default"
}

// Choose returns the identity for a sender's address, "" where there is none: the one that lists
// the address, or else the first one with a pattern that matches it, or else the default. Case
// does not matter, and a domain is the same in its U-label and A-label forms (RFC 5890, 2.3.2.1).
// The error is a *ConfigError: nothing matches and there is no default.
func (c *Config) Choose(from string) (*Identity, Rule, error) {
	if from != "" {
		if i, rule := find(from, len(c.Identities), func(i int) []string { return c.Identities[i].Match }); i >= 0 {
			return c.Identities[i], rule, nil
		}
	}
	if c.Default != nil {
		return c.Default, Rule{}, nil
	}
	e := &ConfigError{File: c.File, Text: "no identity is the default, and there is no sender address to choose one by",
		Hint: "write \"default: true\" into one of the identities"}
	if from != "" {
		e.Text = fmt.Sprintf("no identity matches %q, and none is the default", from)
	}
	return nil, Rule{}, e
}

// find returns the index of the first of n lists that has the address itself or, if none has, a
// pattern that matches it; -1 if there is none.
func find(address string, n int, list func(i int) []string) (int, Rule) {
	f := fold(address)
	for i := range n {
		for _, m := range list(i) {
			if fold(m).ascii == f.ascii {
				return i, Rule{ByAddress, m}
			}
		}
	}
	for i := range n {
		for _, m := range list(i) {
			if isPattern(m) && f.fits(strings.ToLower(m)) {
				return i, Rule{ByPattern, m}
			}
		}
	}
	return -1, Rule{}
}

// Named returns the identity of a name, and for "default" the default one where none is called so. The
// error is a *ConfigError.
func (c *Config) Named(name string) (*Identity, Rule, error) {
	for _, id := range c.Identities {
		if id.Name == name {
			return id, Rule{ByName, name}, nil
		}
	}
	if name == "default" && c.Default != nil {
		return c.Default, Rule{ByName, name}, nil
	}
	return nil, Rule{}, &ConfigError{File: c.File, Text: fmt.Sprintf("there is no identity with the name %q", name),
		Hint: "see esmtpq config for those there are"}
}

// Address returns the identity's own address: its name where that is one, else
// the first address it lists; "" where it has none.
func (id *Identity) Address() string {
	if isAddress(id.Name) {
		return id.Name
	}
	for _, m := range id.Match {
		if isAddress(m) {
			return m
		}
	}
	return ""
}

// ReversePath returns the address for MAIL FROM for mail of identity id, chosen by rule; "" is
// the null reverse-path. given is what the submitter gave (-f), nil for nothing; from is the
// address of the From: field, "" for none; login and hostname are the user's and this machine's
// names.
//
// A null reverse-path stays null, or bounces could bounce. Otherwise it is the first of these
// that applies: the forced one; the one given; the From: address, where the identity is meant for
// it; the identity's own address; the From: address whatever it is; login@hostname.
//
// If the given name has no domain, as from cron, it is completed with the identity's
// QualifyDomain or else hostname, except that the user's own login name becomes the identity's
// own address: a smart host would refuse both "user" and "user@laptop".
func (c *Config) ReversePath(id *Identity, rule Rule, given *string, from, login, hostname string) string {
	address, _ := c.ReversePathAndReason(id, rule, given, from, login, hostname)
	return address
}

// ReversePathAndReason also says in a few words why it is this one.
func (c *Config) ReversePathAndReason(
	id *Identity, rule Rule, given *string, from, login, hostname string,
) (address, reason string) {
	switch {
	case given != nil && *given == "":
		return "", "null, as given"
	case id.ReversePath != "":
		return Expand(id.ReversePath, login), "forced by the identity"
	case given != nil && hasDomain(*given):
		return *given, "as given"
	case given != nil:
		return id.complete(*given, login, hostname), "as given, completed"
	case rule.Matched() && hasDomain(from):
		return from, "the author's"
	case id.Address() != "":
		return id.Address(), "the identity's own"
	case hasDomain(from):
		return from, "the author's"
	}
	return login + "@" + hostname, "your login name at this machine"
}

// complete gives a reverse-path without a domain one.
func (id *Identity) complete(address, login, hostname string) string {
	switch {
	case address == login && id.Address() != "":
		return id.Address()
	case id.QualifyDomain != "":
		return address + "@" + id.QualifyDomain
	}
	return address + "@" + hostname
}

// Expand returns a forced reverse-path or Sender with %u replaced by the login name and %% by a
// percent sign. A percent sign with any other character behind it, or with none, is removed
// together with that character, as in esmtp.
func Expand(s, login string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case i < len(s) && s[i] == 'u':
			b.WriteString(login)
		case i < len(s) && s[i] == '%':
			b.WriteByte('%')
		}
	}
	return b.String()
}

func isPattern(s string) bool { return strings.ContainsAny(s, "*?") }

// isAddress reports whether s is one address with a domain, not a pattern.
func isAddress(s string) bool { return hasDomain(s) && !isPattern(s) }

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

func hasDomain(s string) bool {
	local, domain := splitAddress(s)
	return local != "" && domain != ""
}

// splitAddress splits at the last "@"; a quoted local part may hold others.
func splitAddress(s string) (local, domain string) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// A folded address is one that is ready to be compared: in lower case, and, where its domain is
// an internationalized one, in both of its forms.
type folded struct{ ascii, unicode string }

func fold(address string) folded {
	address = strings.ToLower(address)
	local, domain := splitAddress(address)
	if !strings.Contains(domain, "xn--") && isASCII(domain) {
		return folded{address, address}
	}
	f := folded{address, address}
	if a, err := idna.Lookup.ToASCII(domain); err == nil {
		f.ascii = local + "@" + a
	}
	if u, err := idna.Lookup.ToUnicode(domain); err == nil {
		f.unicode = local + "@" + u
	}
	return f
}

// fits reports whether a pattern in lower case matches the address. A pattern with an "@" is
// matched with local part and domain separately, one without with the whole address.
func (f folded) fits(pattern string) bool {
	return covers(pattern, f.ascii) || f.unicode != f.ascii && covers(pattern, f.unicode)
}

func covers(pattern, address string) bool {
	if !strings.Contains(pattern, "@") {
		return glob(pattern, address)
	}
	lp, dp := splitAddress(pattern)
	la, da := splitAddress(address)
	return glob(lp, la) && glob(dp, da)
}

// glob matches s with a pattern in which "*" stands for any octets and "?" for one.
func glob(pattern, s string) bool { return globbed(pattern, s, false) }

// globbed is glob for a text or, with all, for another pattern: it reports whether everything is matched
// that the other matches, since only a "*" can stand for a "*". It only goes back to the last "*", so
// the product of the lengths bounds its time.
func globbed(pattern, s string, all bool) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == s[i] || pattern[p] == '?' && !(all && s[i] == '*')):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
