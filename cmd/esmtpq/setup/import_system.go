package setup

import (
	"path/filepath"
	"strings"

	"esmtpq/identity"
)

// nullmailer reads the file remotes, and the files beside it that say something about sending.
func (im *importer) nullmailer(path string) (*imported, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	got := &imported{}
	var first *identity.Identity
	for i, line := range strings.Split(text, "\n") {
		words := shellWords(strings.TrimSpace(line))
		if len(words) == 0 {
			continue
		}
		id := got.remote(words, i+1)
		switch {
		case id == nil:
		case first == nil:
			first = id
			got.ids = append(got.ids, id)
		case id.Username == first.Username && id.Password.Reveal() == first.Password.Reveal() && id.CAFile == first.CAFile:
			first.Fallbacks = append(first.Fallbacks, identity.Fallback{Host: id.Host, Port: id.Port, TLS: id.TLS})
		default:
			got.note(i+1, "a further host with another login has no counterpart, and is left out")
		}
	}
	if first == nil {
		return got, nil
	}
	beside := func(name string) string {
		text, _ := readFile(filepath.Join(filepath.Dir(path), name))
		line, _, _ := strings.Cut(text, "\n")
		return strings.TrimSpace(line)
	}
	first.Helo = beside("helohost")
	if from := beside("allmailfrom"); from != "" {
		first.ReversePath = bare(from)
	}
	if admin := beside("adminaddr"); admin != "" {
		got.note(0, "adminaddr: mail for local names went to another address; here set qualify_domain, or aliases")
	}
	if domain := or(beside("defaultdomain"), beside("defaulthost")); domain != "" {
		first.QualifyDomain = domain
		got.note(0, "defaultdomain: recipients without a domain get it here (qualify_domain); a domain without a dot stays as it is")
	}
	return got, nil
}

// remote reads one line: a host, a protocol, options.
func (got *imported) remote(words []string, line int) *identity.Identity {
	id := &identity.Identity{Name: "nullmailer", Host: words[0], Default: true}
	options := words[1:]
	if len(options) > 0 && !strings.HasPrefix(options[0], "-") {
		if options[0] != "smtp" {
			got.note(line, "the protocol %s is not known, and the host left out", options[0])
			return nil
		}
		options = options[1:]
	}
	mode, insecure := identity.TLSOff, false
	for _, o := range options {
		name, value, _ := strings.Cut(strings.TrimLeft(o, "-"), "=")
		switch name {
		case "port":
			id.Port = value
		case "user":
			id.Username = value
		case "pass":
			id.Password = identity.NewSecret(value)
		case "ssl":
			mode = identity.TLSImplicit
		case "starttls":
			mode = identity.TLSStartTLS
		case "insecure":
			insecure = true
		case "auth-login":
			id.Mechanisms = []string{"LOGIN"}
		case "x509cafile":
			if !systemAuthorities(value) {
				id.CAFile = value
			}
		case "x509certfile":
			id.ClientCertificate = value
		default:
			got.note(line, "the option --%s has no counterpart", name)
		}
	}
	if insecure {
		got.note(line, "--insecure took any certificate; here it is verified: set tls_fingerprint if it is one of the host's own")
	}
	id.Port = or(id.Port, map[identity.TLSMode]string{identity.TLSImplicit: "465"}[mode])
	id.Port = or(id.Port, "25")
	secure(got, line, id, mode)
	return id
}

// ssmtp reads ssmtp.conf, and revaliases beside it.
func (im *importer) ssmtp(path string) (*imported, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	got := &imported{}
	set := map[string]setting{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		key, value, found := strings.Cut(line, "=")
		if found && line[0] != '#' {
			set[strings.ToLower(strings.TrimSpace(key))] = setting{unquoted(strings.TrimSpace(value)), i + 1}
		}
	}
	hub := set["mailhub"]
	id := &identity.Identity{Name: "ssmtp", Host: or(hub.text, "mailhub"), Default: true, Username: set["authuser"].text}
	if host, port, both := strings.Cut(id.Host, ":"); both {
		id.Host, id.Port = host, port
	}
	if pass := set["authpass"].text; pass != "" {
		id.Password = identity.NewSecret(pass)
	}
	mode := identity.TLSOff
	switch {
	case isOn(set["usestarttls"].text):
		mode = identity.TLSStartTLS
	case isOn(set["usetls"].text):
		mode = identity.TLSImplicit
	}
	id.Port = or(id.Port, map[bool]string{true: "465", false: "25"}[mode == identity.TLSImplicit])
	secure(got, hub.line, id, mode)
	if mode != identity.TLSOff {
		got.note(hub.line, "ssmtp verified no certificate; here it is verified")
	}
	if ca := set["tls_ca_file"].text; !systemAuthorities(ca) {
		id.CAFile = ca
	}
	if strings.EqualFold(set["authmethod"].text, "cram-md5") {
		id.Mechanisms = []string{"CRAM-MD5"}
	}
	id.ClientCertificate, id.ClientKey = set["tlscert"].text, set["tlskey"].text
	if !isOn(set["usetlscert"].text) {
		id.ClientCertificate, id.ClientKey = "", ""
	}
	got.ssmtpNames(set, id)
	if aliases, err := readFile(filepath.Join(filepath.Dir(path), "revaliases")); err == nil {
		for i, line := range strings.Split(aliases, "\n") {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				got.note(0, "revaliases, line %d: the sender of a local user is not rewritten here; give that user an identity of the address", i+1)
			}
		}
	}
	got.ids = append(got.ids, id)
	return got, nil
}

// ssmtpNames takes over what names are made of.
func (got *imported) ssmtpNames(set map[string]setting, id *identity.Identity) {
	if s := set["root"]; s.text != "" {
		got.note(s.line, "root: mail for users with a low number went there; here write aliases, such as root: you@example.org")
	}
	if s := set["rewritedomain"]; s.text != "" {
		id.QualifyDomain = s.text
		got.note(s.line, "rewriteDomain: recipients without a domain get it here (qualify_domain); senders are what the program says")
	}
	if s := set["fromlineoverride"]; s.line == 0 || !isOn(s.text) {
		got.note(s.line, "FromLineOverride off: ssmtp replaced From:; here it stays, and chooses the identity")
	}
	if s := set["hostname"]; s.text != "" {
		id.Helo = s.text
	}
}
