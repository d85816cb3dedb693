package setup

import (
	"errors"
	"net/url"
	"os"
	"strings"

	"esmtpq/identity"
)

// maxImport bounds a file that is imported, in octets.
const maxImport = 1 << 20

// readFile reads a small file.
func readFile(path string) (string, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return "", errors.New("cannot be read: " + plain(err))
	case !st.Mode().IsRegular():
		return "", errors.New("is not a regular file")
	case st.Size() > maxImport:
		return "", errors.New("is larger than 1 MiB")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", errors.New("cannot be read: " + plain(err))
	}
	return strings.TrimPrefix(strings.ReplaceAll(string(b), "\r\n", "\n"), "\ufeff"), nil
}

// plain returns what the system said, without the path.
func plain(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// isOn reads a switch as other programs write it.
func isOn(value string) bool {
	switch strings.ToLower(value) {
	case "on", "yes", "true", "1":
		return true
	}
	return false
}

// bare returns the address of a mailbox; "" if there is none.
func bare(mailbox string) string {
	spec, why := oneAddress(mailbox)
	if why != "" {
		return ""
	}
	return spec
}

// secure sets how a session is protected. Where there would be no protection although there is a login,
// STARTTLS is wanted: a password is never sent in clear here.
func secure(im *imported, line int, id *identity.Identity, mode identity.TLSMode) {
	id.TLS = mode
	if mode != identity.TLSStartTLS && mode != identity.TLSImplicit && !id.Private() && id.Username != "" {
		id.TLS = identity.TLSStartTLS
		im.note(line, "identity %s: sent the password without TLS, or could be made to; here TLS is required", id.Name)
	}
}

// systemAuthorities reports whether a file has the authorities of the system, which are the default.
func systemAuthorities(path string) bool {
	switch path {
	case "", "system", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem":
		return true
	}
	return false
}

// fromURL takes host, port, user and password of an address such as smtps://user@host:465.
func fromURL(text string, id *identity.Identity) (scheme string, err error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found || scheme == "" {
		return "", errors.New("is no address such as smtps://user@host")
	}
	rest, _, _ = strings.Cut(rest, "/")
	rest, _, _ = strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, password, has := strings.Cut(rest[:at], ":")
		if user, err = url.PathUnescape(user); err == nil {
			id.Username = user
			password, err = url.PathUnescape(password)
		}
		if err != nil {
			return "", errors.New("has a percent sign that means nothing")
		}
		if has && password != "" {
			id.Password = identity.NewSecret(password)
		}
		rest = rest[at+1:]
	}
	host, port, _ := strings.Cut(rest, ":")
	if v6, after, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]"); ok && strings.HasPrefix(rest, "[") {
		host, port = v6, strings.TrimPrefix(after, ":")
	}
	if id.Host, id.Port = host, port; host == "" {
		return "", errors.New("has no host")
	}
	return strings.ToLower(scheme), nil
}

// unquoted takes the double quotes around a value away.
func unquoted(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// shellWords splits a line into words, with the quotes and backslashes of a shell. Commands in backticks
// stay together, with their marks.
func shellWords(line string) []string {
	var all []string
	var word strings.Builder
	quote, begun := byte(0), false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == '`':
			word.WriteByte(c)
			if c == '`' {
				quote = 0
			}
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			begun = true
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, begun = c, true
		case c == '`':
			quote, begun = c, true
			word.WriteByte(c)
		case c == ' ' || c == '\t':
			if begun {
				all = append(all, word.String())
			}
			word.Reset()
			begun = false
		case c == '#' && !begun:
			return all
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if begun {
		all = append(all, word.String())
	}
	return all
}

// mechanism returns our name of a way to log in; "" for none here.
func mechanism(name string) string {
	switch name = strings.ToUpper(name); name {
	case "PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "XOAUTH2", "OAUTHBEARER":
		return name
	}
	return ""
}
