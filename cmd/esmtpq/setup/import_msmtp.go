package setup

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"esmtpq/identity"
)

// A setting is a value with its line.
type setting struct {
	text string
	line int
}

// An account is one of another program: its settings, those of the accounts that it is made of included.
type account struct {
	name     string
	line     int
	set      map[string]setting
	defaults map[string]setting // those that were there when it began
}

// msmtp reads an msmtprc.
func (im *importer) msmtp(path string) (*imported, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	got := &imported{}
	accounts, standard := msmtpAccounts(text, got)
	for _, a := range accounts {
		if id := got.msmtpIdentity(im, a); id != nil {
			if id.Default = a.name == standard; !id.Default && len(id.Match) == 0 && len(accounts) > 1 {
				got.note(a.line, "account %s has no from, so that no sender chooses it: write match", a.name)
			}
			got.ids = append(got.ids, id)
		}
	}
	if len(got.ids) > 1 {
		got.note(0, "an account was chosen by -a NAME; here the sender's address chooses (sendmail -f, or From:)")
	}
	return got, nil
}

// msmtpAccounts takes the accounts out of a file, and the name of the one that is the default.
func msmtpAccounts(text string, got *imported) (accounts []*account, standard string) {
	defaults := map[string]setting{}
	current := defaults
	var alias *account
	find := func(name string) *account {
		if i := slices.IndexFunc(accounts, func(a *account) bool { return a.name == name }); i >= 0 {
			return accounts[i]
		}
		return nil
	}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value := line, ""
		if n := strings.IndexAny(line, " \t"); n >= 0 {
			key, value = line[:n], unquoted(strings.TrimSpace(line[n:]))
		}
		switch key {
		case "defaults":
			current = defaults // to which is added
		case "account":
			name, bases, inherits := strings.Cut(value, ":")
			name = strings.TrimSpace(name)
			a := &account{name: name, line: i + 1, set: map[string]setting{}, defaults: maps.Clone(defaults)}
			for base := range strings.SplitSeq(bases, ",") {
				b := find(strings.TrimSpace(base))
				switch {
				case !inherits:
				case b == nil:
					got.note(i+1, "account %s is made of one that is not there", name)
				case name == "default":
					standard = b.name
					fallthrough
				default:
					maps.Copy(a.set, b.set)
				}
			}
			current, alias = a.set, nil
			switch {
			case name == "default" && inherits:
				alias = a // another name, unless it has settings of its own
			case name == "default":
				standard = name
				fallthrough
			default:
				accounts = append(accounts, a)
			}
		default:
			if alias != nil {
				accounts, standard, alias = append(accounts, alias), alias.name, nil
			}
			current[key] = setting{value, i + 1}
		}
	}
	for _, a := range accounts {
		maps.Copy(a.defaults, a.set)
		a.set = a.defaults
	}
	if len(accounts) == 0 && len(defaults) > 0 {
		got.note(0, "there are defaults, and no account")
	}
	return accounts, standard
}

// msmtpIdentity makes an identity of an account; nil if that cannot be.
func (got *imported) msmtpIdentity(im *importer, a *account) *identity.Identity {
	id := &identity.Identity{Name: a.name, Host: a.set["host"].text, Port: a.set["port"].text}
	from := a.set["from"]
	switch {
	case strings.Contains(from.text, "%"):
		got.note(from.line, "account %s: from has a placeholder, which has no counterpart: write match by hand", a.name)
	case from.text != "":
		id.Match = []string{from.text}
	}
	if id.Name == "default" && len(id.Match) == 1 && !strings.ContainsAny(from.text, "*?") {
		id.Name = from.text
	}
	if socket := a.set["socket"]; socket.text != "" {
		id.Host, id.Port = im.expand(socket.text), ""
	}
	if id.Host == "" {
		got.note(a.line, "account %s has no host, and is left out", a.name)
		return nil
	}
	got.msmtpLogin(a, id)
	got.msmtpTLS(im, a, id)
	got.msmtpRest(a, id)
	return id
}

// msmtpLogin takes over how to log in.
func (got *imported) msmtpLogin(a *account, id *identity.Identity) {
	auth := a.set["auth"]
	method := strings.ToLower(auth.text)
	if method == "" && auth.line == 0 || method == "off" {
		return
	}
	id.Username = a.set["user"].text
	eval := a.set["passwordeval"]
	switch method {
	case "", "on":
	case "oauthbearer", "xoauth2":
		id.Mechanisms = []string{strings.ToUpper(method)}
		id.TokenCommand = eval.text
		if eval.text == "" {
			got.note(auth.line, "account %s logs in by a token that no command prints: set token_command or oauth by hand", a.name)
		}
		return
	case "external":
		id.Mechanisms = []string{"EXTERNAL"}
	default:
		if m := mechanism(method); m != "" {
			id.Mechanisms = []string{m}
		} else {
			got.note(auth.line, "account %s: the mechanism %s is not known here; the host's best is taken", a.name, method)
		}
	}
	switch {
	case a.set["password"].text != "": // it goes before the command
		id.Password = identity.NewSecret(a.set["password"].text)
	case eval.text != "":
		id.PasswordCommand = eval.text
	case method != "external":
		got.note(auth.line, "account %s has no password: msmtp asked the keyring under a name of its own, ~/.netrc, or a person; here it is looked for in ~/.netrc: set password_keyring or password_command if it is not there", a.name)
	}
}

// msmtpTLS takes over how the session is protected.
func (got *imported) msmtpTLS(im *importer, a *account, id *identity.Identity) {
	on, starttls := isOn(a.set["tls"].text) || a.set["tls"].line > 0 && a.set["tls"].text == "", true
	if s := a.set["tls_starttls"]; s.line > 0 {
		starttls = s.text == "" || isOn(s.text)
	}
	mode := identity.TLSOff
	switch {
	case on && starttls:
		mode = identity.TLSStartTLS
	case on:
		mode = identity.TLSImplicit
	}
	if id.Port == "" && !id.IsSocket() {
		id.Port = map[bool]string{true: "465", false: "25"}[mode == identity.TLSImplicit]
	}
	secure(got, a.set["tls"].line, id, mode)
	if s := a.set["tls_fingerprint"]; s.text != "" {
		if digits := strings.ReplaceAll(s.text, ":", ""); len(digits) == 64 {
			id.Fingerprints = []string{"sha256:" + strings.ToLower(digits)}
		} else {
			got.note(s.line, "account %s: a fingerprint of SHA-1 or MD5 is not taken; the certificate is verified as usual", a.name)
		}
	} else if s := a.set["tls_trust_file"]; !systemAuthorities(s.text) {
		id.CAFile = im.expand(s.text)
	}
	if s := a.set["tls_certcheck"]; s.line > 0 && s.text != "" && !isOn(s.text) {
		got.note(s.line, "account %s: any certificate was taken; here it is verified: set tls_fingerprint if it is one of the host's own", a.name)
	}
	id.TLSName = a.set["tls_host_override"].text
	id.ClientCertificate, id.ClientKey = im.expand(a.set["tls_cert_file"].text), im.expand(a.set["tls_key_file"].text)
}

// msmtpRest takes over the rest, and names what has no counterpart.
func (got *imported) msmtpRest(a *account, id *identity.Identity) {
	id.Helo = a.set["domain"].text
	if s := a.set["timeout"]; s.text != "" && s.text != "off" {
		if n, err := strconv.Atoi(s.text); err == nil && n > 0 {
			id.Timeout = time.Duration(n) * time.Second
		}
	}
	if s := a.set["proxy_host"]; s.text != "" {
		port := a.set["proxy_port"].text
		if port == "" {
			port = "1080"
		}
		id.Proxy = &identity.Proxy{Scheme: "socks5", Host: s.text, Port: port}
	}
	if s := a.set["allow_from_override"]; s.text == "off" && len(id.Match) == 1 {
		id.ReversePath = id.Match[0]
	}
	said := map[string]string{
		"logfile": "there is no log file", "syslog": "nothing goes to syslog", "aliases": "put the aliases of local names under aliases",
		"auto_from": "a sender is made from From:, or from the identity", "maildomain": "set qualify_domain for addresses without a domain",
		"set_from_header": "a From: field is never replaced, and made if it is missing; set sender to have a Sender: field",
		"from_full_name":  "the name is that of the login, or the one of sendmail -F",
		"dsn_notify":      "ask for it with sendmail -N", "dsn_return": "ask for it with sendmail -R",
		"source_ip": "the system chooses the address", "tls_priorities": "the versions of TLS are 1.2 and 1.3, see tls_min",
		"tls_crl_file": "revoked certificates are not looked up", "protocol": "only SMTP is spoken to a host; for LMTP see mda",
		"ntlmdomain": "NTLM is not known", "undisclosed_recipients": "the header is sent as it is",
		"remove_bcc_headers": "Bcc: is always removed", "eval": "lines are not made by commands", "tls_min_dh_prime_bits": "old key exchanges are not used",
	}
	for _, key := range slices.Sorted(maps.Keys(a.set)) {
		s := a.set[key]
		if what := said[key]; what != "" && !(key == "protocol" && s.text == "smtp") && !(key == "remove_bcc_headers" && s.text != "off") && !(key == "syslog" && s.text == "off") {
			got.note(s.line, "%s means something else here: %s", key, what)
		}
	}
}
