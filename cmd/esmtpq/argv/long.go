package argv

import (
	"strings"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/queue/spool"
)

// The long options of msmtp, which scripts and the settings of mail programs pass to whatever is called
// sendmail. They mean what the letters do; what has no meaning here is ignored; and what would change
// who gets a message, or how it is sent, is refused.

// A longOption is one of them. All have their value behind an equals sign; those that need one may have it in the next
// argument, too.
type longOption struct {
	name  string
	needs bool
	set   func(inv *Invocation, value string) error
}

// findLong returns what a long option means; nil if there is none of the name.
func findLong(name string) *longOption {
	letter := func(c byte, needs bool) *longOption { return &longOption{name, needs, findOption(c).set} }
	switch name {
	case "account":
		return letter('a', true)
	case "file":
		return letter('C', true)
	case "from":
		return letter('f', true)
	case "read-recipients":
		return letter('t', false)
	case "debug":
		return letter('v', false)
	case "read-envelope-from":
		return &longOption{name, false, func(inv *Invocation, _ string) error { inv.ReadFrom = true; return nil }}
	case "dsn-notify":
		return &longOption{name, true, unlessOff(setNotify)}
	case "dsn-return":
		return &longOption{name, true, unlessOff(func(inv *Invocation, v string) error {
			if v == "headers" {
				v = "hdrs"
			}
			return setReturn(inv, v)
		})}
	case "logfile", "logfile-time-format", "timeout", "maildomain":
		return &longOption{name, true, ignore}
	case "syslog", "auto-from", "set-from-header", "set-date-header", "set-msgid-header", "add-missing-from-header", "add-missing-date-header":
		return &longOption{name, false, ignore}
	case "remove-bcc-headers":
		return &longOption{name, false, refuseUnless("on", "Bcc: is always removed")}
	case "undisclosed-recipients":
		return &longOption{name, false, refuseUnless("off", "write To: undisclosed-recipients:; yourself, and name the recipients as arguments")}
	case "protocol":
		return &longOption{name, true, refuseUnless("smtp", "only SMTP is spoken")}
	case "aliases":
		return &longOption{name, true, refuse("write aliases: into the configuration, see man esmtpq.yaml")}
	case "host", "port", "source-ip", "proxy-host", "proxy-port", "socket", "domain", "user", "passwordeval", "tls-trust-file", "tls-crl-file",
		"tls-fingerprint", "tls-key-file", "tls-cert-file", "tls-priorities", "tls-host-override", "tls-min-dh-prime-bits":
		return &longOption{name, true, refuse(inConfiguration)}
	case "auth", "tls", "tls-starttls", "tls-certcheck":
		return &longOption{name, false, refuse(inConfiguration)}
	case "pretend":
		return &longOption{name, false, refuse("type: esmtpq explain ADDRESS")}
	case "serverinfo":
		return &longOption{name, false, refuse("type: esmtpq probe")}
	}
	return nil
}

const inConfiguration = "smart hosts are set in the configuration: write an identity for this one, and choose it by -a NAME or -f ADDRESS"

// refuse returns what refuses an option, and says what to do instead.
func refuse(instead string) func(*Invocation, string) error {
	return func(*Invocation, string) error { return exit.Fail(exit.Usage, "%s", instead) }
}

// refuseUnless is refuse for an option with a value that asks for nothing else than what is done anyway.
func refuseUnless(value, instead string) func(*Invocation, string) error {
	return func(_ *Invocation, v string) error {
		if v == value || v == "" && value == "on" {
			return nil
		}
		return exit.Fail(exit.Usage, "%s", instead)
	}
}

// unlessOff returns what sets an option that may be switched off.
func unlessOff(set func(*Invocation, string) error) func(*Invocation, string) error {
	return func(inv *Invocation, v string) error {
		if v == "off" {
			return nil
		}
		return set(inv, v)
	}
}

// long parses a long option, and reports whether it took the next argument as its value.
func (inv *Invocation) long(arg string, next *string) (took bool, err error) {
	name, value, attached := strings.Cut(arg[len("--"):], "=")
	opt := findLong(name)
	switch {
	case opt == nil:
		return false, exit.Fail(exit.Usage, "unknown option --%s: see --help", spool.Printable(name))
	case opt.needs && !attached && next == nil:
		return false, exit.Fail(exit.Usage, "option --%s needs a value", name)
	case opt.needs && !attached:
		value, took = *next, true
	}
	if err := opt.set(inv, value); err != nil {
		return false, exit.Fail(exit.Usage, "--%s: %w", name, err)
	}
	return took, nil
}
