package identity

import (
	"fmt"
	"os"
	"strings"

	"esmtpq/message"
)

// badAddress says what is wrong with an address that mail is to be sent as; "" if nothing.
func badAddress(value string) string {
	switch {
	case endsInDot(value):
		return finalDot
	case message.CheckAddress(value) != nil:
		return "is no address such as ann@example.org"
	case !hasDomain(value):
		return "has no domain: an address is needed, such as ann@example.org"
	}
	return ""
}

// badSender is badAddress for a Sender: field, which may have a display name as well.
func badSender(value string) string {
	addrs, bad := message.ParseArgument(value)
	switch {
	case len(addrs) != 1 || len(bad) > 0 || strings.HasSuffix(strings.TrimSpace(value), ";"): // of a group, RFC 6854
		return "is not one address such as ann@example.org"
	case addrs[0].Domain == "":
		return "has no domain: an address is needed, such as ann@example.org"
	}
	return ""
}

// badMatch says what is wrong with an address or a pattern that senders are compared with; "" if
// nothing. It may be a local name, without a domain.
func badMatch(value string) string {
	literal := strings.NewReplacer("*", "x", "?", "x").Replace(value)
	switch {
	case strings.ContainsAny(value, "<>"):
		return "should be an address or pattern alone, without angle brackets"
	case strings.HasPrefix(value, "@"):
		return `has nothing before its "@": for all addresses of a domain write "*@example.org"`
	case endsInDot(literal):
		return finalDot
	case message.CheckAddress(literal) != nil:
		return `is neither an address such as ann@example.org nor a pattern such as "*@example.org"`
	}
	return ""
}

// badName says what is wrong with the name of an identity; "" if nothing. A name with an "@" is
// used as an address.
func badName(value string) string {
	switch {
	case !strings.Contains(value, "@") || badMatch(value) == "":
		return ""
	case strings.ContainsAny(value, "<> "):
		return `has more in it than an address: write the address alone, such as ann@example.org`
	}
	return `has an "@" in it and is no address such as ann@example.org`
}

// finalDot says what is wrong with a name that ends in a dot, as DNS has it and SMTP has not.
const finalDot = "ends in a dot: write it without"

// endsInDot reports whether a dot is all that is wrong with an address.
func endsInDot(value string) bool {
	rest, ok := strings.CutSuffix(value, ".")
	return ok && message.CheckAddress(rest) == nil && message.CheckAddress(value) != nil
}

// badDomain says what is wrong with a domain, or the name of a host; "" if nothing.
func badDomain(value string) string {
	switch {
	case endsInDot("login@" + value):
		return finalDot
	case message.CheckAddress("login@"+value) != nil:
		return "is no domain such as example.org"
	}
	return ""
}

// badHelo says what is wrong with the name for EHLO; "" if nothing.
func badHelo(value string) string {
	text := badDomain(value)
	if text == "" || text == finalDot {
		return text
	}
	return "is no host name such as laptop.example.org"
}

// badCommand says what is wrong with a command that gets notices; "" if nothing.
func badCommand(value string) string {
	if badAddress(value) == "" {
		return "should be a command, not an address"
	}
	return badLine(value)
}

// badLine says what is wrong with a line for the shell, as far as that can be seen without one: a
// quote that never ends; "" if nothing. In a here-document and in $'…' quotes have rules of their own.
func badLine(line string) string {
	if strings.Contains(line, "<<") || strings.Contains(line, "$'") {
		return ""
	}
	open := byte(0)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && open != '\'':
			i++
		case open != 0:
			if c == open {
				open = 0
			}
		case c == '\'' || c == '"':
			open = c
		case c == '#' && (i == 0 || strings.IndexByte(" \t\n;&|(", line[i-1]) >= 0):
			n := strings.IndexByte(line[i:], '\n')
			if n < 0 {
				return ""
			}
			i += n
		}
	}
	if open != 0 {
		return "has a quote (" + string(open) + ") that does not end"
	}
	return ""
}

// badSetting says what is wrong with the value of a setting, by its name in YAML; "" if nothing.
// The login name, which %u stands for in some settings, is checked when they are used: see
// CheckForced.
func badSetting(name, value string) string {
	switch {
	case value == "":
		return ""
	case name == "reverse_path":
		return badAddress(Expand(value, "login"))
	case name == "sender":
		return badSender(Expand(value, "login"))
	case name == "name":
		return badName(value)
	case name == "match":
		return badMatch(value)
	case name == "qualify_domain":
		return badDomain(value)
	case name == "helo":
		return badHelo(value)
	case name == "tls_name" && !isIPv6(value):
		return badHost(value)
	case name == "notify":
		return badCommand(value)
	case name == "preconnect" || name == "postconnect" || name == "password_command" || name == "token_command" || name == "command":
		return badLine(value)
	}
	return ""
}

// CheckForced returns an error if the login name turns a forced address of an identity into
// something that is no address.
func (c *Config) CheckForced(id *Identity, login string) error {
	for _, forced := range [...]struct {
		name, value string
		bad         func(string) string
	}{{"reverse_path", id.ReversePath, badAddress}, {"sender", id.Sender, badSender}} {
		if !strings.Contains(forced.value, "%u") {
			continue // reported when it was read
		}
		if text := forced.bad(Expand(forced.value, login)); text != "" {
			return &ConfigError{
				File: c.File,
				Line: c.LineOf(id, forced.name),
				Text: fmt.Sprintf("%s of identity %s: with the login name for %%u it %s", forced.name, id.Name, text),
				Hint: "write the address without %u",
			}
		}
	}
	return nil
}

// servicesFile has the names of services, which the resolver reads as well.
const servicesFile = "/etc/services"

// isService reports whether a port can be given by this name. The usual ones are known without a
// look at the file.
func isService(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "smtp", "submission", "submissions", "smtps":
		return true
	}
	text, err := os.ReadFile(servicesFile)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 || !strings.HasSuffix(words[1], "/tcp") {
			continue
		}
		for i, w := range words {
			if i != 1 && strings.ToLower(w) == name {
				return true
			}
		}
	}
	return false
}
