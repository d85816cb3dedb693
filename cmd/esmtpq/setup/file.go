package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/google/renameio/v2"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/identity"
	"esmtpq/identity/tree"
	"esmtpq/identity/yaml"
	"esmtpq/queue/spool"
)

// A file is the configuration that identities are added to. What is in it already stays as it is,
// octet for octet: lines are put in, none is changed.
type file struct {
	path, home string
	old        []byte           // what is in it; nil if there is no such file
	mode       fs.FileMode      // of the file; 0 if there is none
	config     *identity.Config // what is in effect now; nil if nothing
	head       []tree.Field     // settings that a new file begins with
	other      string           // another file that is in effect now, which this one would replace; "" if none
}

// openFile finds the configuration: the one that is named, or the one that is in effect, or none yet.
func openFile(home, named string) (*file, error) {
	f := &file{path: named, home: home}
	if named == "" {
		f.path = identity.PersonalFile(home)
	}
	switch strings.ToLower(filepath.Ext(f.path)) {
	case ".yaml", ".yml":
	default:
		return nil, exit.Fail(exit.Config, "%s: only a YAML file can be added to, whose name ends in .yaml", spool.Printable(f.path))
	}
	if path, err := filepath.EvalSymlinks(f.path); err == nil {
		f.path = path // the link stays
	}
	info, err := os.Stat(f.path)
	if err == nil {
		f.mode = info.Mode().Perm()
		f.old, err = os.ReadFile(f.path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, exit.Fail(exit.Config, "%w", err)
	}
	if len(f.old) == 0 && named != "" {
		return f, nil
	}
	cfg, err := identity.Load(identity.LoadOptions{File: named, Home: home})
	switch {
	case errors.Is(err, identity.ErrNoConfig), len(f.old) == 0 && errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil && f.lacksIdentities():
		return f, nil
	case err != nil:
		return nil, submit.ConfigFailure(err)
	}
	f.config = cfg
	if len(f.old) == 0 {
		f.other = cfg.File
	}
	return f, nil
}

// lacksIdentities reports whether the file is good but for the identities, of which there are none yet.
func (f *file) lacksIdentities() bool {
	_, err := identity.ParseYAML(f.path, append(f.old[:len(f.old):len(f.old)], "\nidentities:\n  - name: first\n    host: localhost\n"...), f.home)
	return err == nil
}

// shown returns the path for people.
func (f *file) shown() string { return spool.Printable(f.path) }

// identity returns the identity that is for exactly this address already; nil if there is none.
func (f *file) identity(address string) *identity.Identity {
	if f.config == nil {
		return nil
	}
	for _, id := range f.config.Identities {
		if id.Lists(address) {
			return id
		}
	}
	return nil
}

// first reports whether nothing is configured yet: the first identity is the default.
func (f *file) first() bool { return f.config == nil }

// usable returns an error if something else is in effect, which would be without effect as soon as
// there is this file.
func (f *file) usable() error {
	if f.other == "" {
		return nil
	}
	return &exit.Failure{Code: exit.Config,
		Err:  fmt.Errorf("%s is in effect now, and would not be any more with %s beside it", spool.Printable(f.other), f.shown()),
		Hint: "to take it along, type: esmtpq import --apply " + spool.Printable(f.other),
	}
}

// text returns what is added for some identities, as YAML.
func (f *file) text(ids []*identity.Identity, reveal bool) ([]byte, error) {
	var b bytes.Buffer
	root := identity.Entries(ids, reveal)
	root.Fields = append(f.head[:len(f.head):len(f.head)], root.Fields...)
	err := yaml.Write(&b, root, "")
	return b.Bytes(), err
}

// print prints what would be added.
func (f *file) print(w io.Writer, ids []*identity.Identity, reveal bool) error {
	b, err := f.text(ids, reveal)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// add adds identities to the file, with their secrets. The file is there with all of them afterwards, or
// as it was.
func (f *file) add(ids []*identity.Identity) error {
	content, err := f.with(ids)
	if err != nil {
		return err
	}
	mode := f.mode
	if mode == 0 || holdsSecret(ids) {
		mode = 0o600
	}
	dir := filepath.Dir(f.path)
	_, missing := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f.unwritable(err)
	}
	pending, err := renameio.NewPendingFile(f.path, renameio.WithPermissions(mode), renameio.IgnoreUmask(), renameio.WithTempDir(dir))
	if err != nil {
		return f.unwritable(err)
	}
	defer pending.Cleanup()
	if _, err := pending.Write(content); err != nil {
		return f.unwritable(err)
	}
	if err := f.unchanged(); err != nil {
		return err
	}
	if err := pending.CloseAtomicallyReplace(); err != nil {
		return f.unwritable(err)
	}
	if missing != nil {
		dir = filepath.Dir(dir)
	}
	syncDir(dir)
	syncDir(filepath.Dir(f.path))
	return nil
}

func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

func (f *file) unwritable(err error) error {
	return exit.Spool("nothing has been saved: cannot write "+f.shown(), err)
}

// unchanged returns an error if somebody else has written to the file meanwhile.
func (f *file) unchanged() error {
	now, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) && f.old == nil || err == nil && f.old != nil && bytes.Equal(now, f.old) {
		return nil
	}
	return exit.Fail(exit.TempFail, "%s has been changed meanwhile; nothing has been saved: begin again", f.shown())
}

func holdsSecret(ids []*identity.Identity) bool {
	for _, id := range ids {
		if id.Password.IsSet() || id.ProxyPassword.IsSet() || id.CertificatePassphrase.IsSet() || id.OAuth != nil && id.OAuth.ClientSecret.IsSet() {
			return true
		}
	}
	return false
}

// with returns the content of the file with identities in it. There are several ways to put them in, of which the
// first counts that leaves everything else with the meaning that it has.
func (f *file) with(ids []*identity.Identity) ([]byte, error) {
	whole, err := f.text(ids, true)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(f.old)) == 0 {
		return f.checked(append(f.old[:len(f.old):len(f.old)], whole...), ids)
	}
	var first error
	for _, content := range f.candidates(whole) {
		good, err := f.checked(content, ids)
		if err == nil {
			return good, nil
		}
		if first == nil {
			first = err
		}
	}
	masked, err := f.text(ids, false)
	if err != nil {
		return nil, err
	}
	return nil, &exit.Failure{Code: exit.Config,
		Err:  fmt.Errorf("%s has a form that nothing can be added to without changing what is there", f.shown()),
		Hint: "put this under its identities by hand, with the secret in place of the mask:\n" + string(masked),
	}
}

// candidates returns the ways to put a list of identities into the file.
func (f *file) candidates(whole []byte) [][]byte {
	old := string(f.old)
	if !strings.HasSuffix(old, "\n") {
		old += "\n"
	}
	items := strings.TrimPrefix(string(whole), "identities:\n")
	lines := strings.SplitAfter(old, "\n")
	begin, indent := -1, ""
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case strings.HasPrefix(line, "identities:"):
			begin = i
		case begin >= 0 && strings.HasPrefix(trimmed, "- ") && indent == "":
			indent = "x" + line[:len(line)-len(trimmed)]
		}
	}
	if begin < 0 {
		return [][]byte{[]byte(old + string(whole))}
	}
	if indent != "" {
		items = reindent(items, indent[1:])
	}
	// Behind the last line of the list: at the end of the file, or before the key that follows.
	end := begin + 1
	for end < len(lines) && (strings.TrimSpace(lines[end]) == "" || strings.ContainsAny(lines[end][:1], " -#\n")) {
		end++
	}
	for end > begin+1 && end < len(lines) && (strings.TrimSpace(lines[end-1]) == "" || lines[end-1][0] == '#') {
		end--
	}
	join := func(lines []string) string { return strings.Join(lines, "") }
	var all [][]byte
	for _, head := range []string{join(lines[:end]), f.withDefault(lines[:end])} {
		if head != "" {
			all = append(all, []byte(head+items+join(lines[end:])))
		}
	}
	return all
}

// withDefault returns the lines with the default marked that is the default by being alone; "" if there is
// no such.
func (f *file) withDefault(lines []string) string {
	if f.config == nil || len(f.config.Identities) != 1 {
		return ""
	}
	id := f.config.Identities[0]
	at := f.config.LineOf(id, "name")
	if at == 0 || at > len(lines) || f.config.LineOf(id, "default") > 0 {
		return ""
	}
	line := lines[at-1]
	column := strings.Index(line, "name")
	if column < 0 {
		return ""
	}
	return strings.Join(lines[:at], "") + strings.Repeat(" ", column) + "default: true\n" + strings.Join(lines[at:], "")
}

// reindent moves a list of items, which yaml.Write writes with two blanks before each, to another
// indentation.
func reindent(items, indent string) string {
	var b strings.Builder
	for line := range strings.SplitAfterSeq(items, "\n") {
		if line != "" {
			b.WriteString(indent + strings.TrimPrefix(line, "  "))
		}
	}
	return b.String()
}

// checked returns a content if it is read as what is in effect now and the identities in addition.
func (f *file) checked(content []byte, ids []*identity.Identity) ([]byte, error) {
	cfg, err := identity.ParseYAML(f.path, content, f.home)
	if err != nil {
		return nil, err
	}
	n := 0
	if f.config != nil && f.other == "" {
		n = len(f.config.Identities)
	}
	if len(cfg.Identities) != n+len(ids) {
		return nil, errors.New("identities are missing")
	}
	for i, id := range ids {
		if !same(cfg.Identities[n+i], id) {
			return nil, errors.New("an identity came out differently")
		}
	}
	if n == 0 {
		return content, nil
	}
	before, _ := f.config.Tree() // it says which one is the default, too
	cfg.Identities = cfg.Identities[:n]
	after, _ := cfg.Tree()
	if !reflect.DeepEqual(before, after) {
		return nil, errors.New("what was there came out differently")
	}
	return content, nil
}

// same reports whether an identity is read as it was meant, secrets included. The default is looked at
// for all identities together.
func same(got, want *identity.Identity) bool {
	a, b := *got, *want
	a.Default, b.Default = false, false
	if a.Password.Reveal() != b.Password.Reveal() || a.ProxyPassword.Reveal() != b.ProxyPassword.Reveal() || a.CertificatePassphrase.Reveal() != b.CertificatePassphrase.Reveal() {
		return false
	}
	return reflect.DeepEqual(identity.Entries([]*identity.Identity{&a}, true), identity.Entries([]*identity.Identity{&b}, true))
}
