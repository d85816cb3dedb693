package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"esmtpq/helper"
)

// files are where programs look for logins, in the order of Emacs; the second is encrypted.
var files = [...]string{".authinfo", ".authinfo.gpg", ".netrc"}

// Netrc returns the password from ~/.authinfo, ~/.authinfo.gpg or ~/.netrc.
func Netrc(ctx context.Context, k *Key) (string, error) {
	var looked []string
	for _, name := range files {
		path := filepath.Join(k.Home, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		looked = append(looked, "~/"+name)
		text, err := contents(ctx, path)
		if err != nil {
			return "", fmt.Errorf("~/%s: %w", name, err)
		}
		if password := find(text, k); password != "" {
			return password, nil
		}
	}
	if len(looked) == 0 {
		return "", errors.New("there is no password: set password_command, password_keyring or password, or write ~/.netrc")
	}
	return "", fmt.Errorf("there is no password: %s has none for %s at %s", strings.Join(looked, ", "), k.User, k.Host)
}

// contents returns the text of a file of logins. One that others can read is refused, as a
// configuration with a password is.
func contents(ctx context.Context, path string) (string, error) {
	if strings.HasSuffix(path, ".gpg") {
		out, words, ok, err := run(ctx, maxFile, &helper.Command{Argv: []string{"gpg", "--quiet", "--batch", "--no-tty", "--decrypt", path}})
		switch {
		case err != nil:
			return "", fmt.Errorf("gpg cannot be asked: %w", err)
		case !ok:
			return "", fmt.Errorf("gpg could not decrypt it, or could not ask for the passphrase: %s", lastLine(words))
		}
		return out, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", cause(err)
	}
	if st.Mode().Perm()&0o044 != 0 {
		return "", errors.New("it holds passwords, and other users can read it; type: chmod 600 " + quote(path))
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Geteuid() {
		return "", errors.New("it belongs to another user")
	}
	text, err := readFile(path)
	return string(text), err
}

// find returns the password for a host and user, "" if there is none: of the first entry that
// names both, or else of the first one without a user. An entry with a port must name this one.
func find(text string, k *Key) string {
	any := ""
	for _, e := range entries(text) {
		switch {
		case !e.fallback && !strings.EqualFold(e.machine, k.Host) && !strings.EqualFold(e.machine, k.Host+":"+k.Port):
		case e.port != "" && !samePort(e.port, k.Port):
		case e.login == k.User && e.password != "":
			return e.password
		case e.login == "" && any == "":
			any = e.password
		}
	}
	return any
}

// samePort reports whether two ports are the same, by number or by name.
func samePort(a, b string) bool {
	number := func(s string) string {
		switch s {
		case "smtp":
			return "25"
		case "smtps", "submissions":
			return "465"
		case "submission":
			return "587"
		}
		return s
	}
	return number(a) == number(b)
}

// An entry is one login of a file.
type entry struct {
	machine, login, password, port string
	fallback                       bool // for every machine
}

// entries reads the form of netrc, with the additions of Emacs: values in quotes, and ports.
func entries(text string) []entry {
	var all []entry
	words := &wordReader{text: text}
	for {
		word, ok := words.next(true)
		if !ok {
			return all
		}
		if word == "machine" || word == "default" {
			all = append(all, entry{fallback: word == "default"})
		}
		if word == "macdef" {
			words.skipMacro()
			continue
		}
		if len(all) == 0 || word == "default" {
			continue
		}
		e := &all[len(all)-1]
		fields := map[string]*string{"machine": &e.machine, "login": &e.login, "user": &e.login, "account": new(string), "password": &e.password, "port": &e.port}
		if field := fields[word]; field != nil {
			*field, _ = words.next(false)
		}
	}
}

// A wordReader splits a text into words. A word in double quotes may have blanks and escapes; "#"
// in the place of a key is a comment to the end of the line.
type wordReader struct{ text string }

func (r *wordReader) next(key bool) (string, bool) {
	for {
		r.text = strings.TrimLeft(r.text, " \t\r\n")
		if r.text == "" {
			return "", false
		}
		if r.text[0] != '#' || !key {
			break
		}
		_, r.text, _ = strings.Cut(r.text, "\n")
	}
	if r.text[0] == '"' {
		return r.quoted(), true
	}
	end := strings.IndexAny(r.text, " \t\r\n")
	if end < 0 {
		end = len(r.text)
	}
	word := r.text[:end]
	r.text = r.text[end:]
	return word, true
}

// quoted reads a word in quotes, up to the end of the line at most.
func (r *wordReader) quoted() string {
	var b strings.Builder
	for i := 1; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '\\' && i+1 < len(r.text):
			i++
			b.WriteByte(r.text[i])
		case c == '"' || c == '\n':
			r.text = r.text[i+1:]
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	r.text = ""
	return b.String()
}

// skipMacro skips a macro, which ends with an empty line.
func (r *wordReader) skipMacro() {
	if i := strings.Index(r.text, "\n\n"); i >= 0 {
		r.text = r.text[i:]
		return
	}
	r.text = ""
}
