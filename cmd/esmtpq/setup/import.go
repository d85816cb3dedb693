package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/identity/secret"
	"esmtpq/identity/tree"
	"esmtpq/identity/yaml"
	"esmtpq/queue/spool"
)

const importHelp = `  --apply                add it to the configuration, instead of printing it
  --keyring              with --apply: put passwords that are in the files into the keyring
  --in-clear             with --apply: copy passwords that are in the files
  --kind KIND            what the files are: msmtp, nullmailer, ssmtp, mutt, aerc, git or esmtp,
                         where their names do not say it
  -C FILE                add to this configuration
Without FILE, the files that these programs read are read, as far as they are there.
`

// imported is what a file says, in our words.
type imported struct {
	ids   []*identity.Identity
	notes []string     // what means something else here, or has no counterpart; without secrets
	head  []tree.Field // settings of the whole configuration, from an esmtprc
}

// note adds a remark on a line; 0 is the whole file.
func (im *imported) note(line int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if line > 0 {
		text = fmt.Sprintf("line %d: %s", line, text)
	}
	if !slices.Contains(im.notes, text) {
		im.notes = append(im.notes, text)
	}
}

// A format is the kind of a file of another program.
type format struct {
	kind  string
	names []string // how its base names end
	paths []string // where it is looked for; ~ is the home directory
	read  func(im *importer, path string) (*imported, error)
}

// formats returns all kinds. (A table would be made at each start of the program.)
func formats() []format {
	return []format{
		{"esmtp", []string{"esmtprc"}, []string{"~/.esmtprc"}, (*importer).esmtp},
		{"msmtp", []string{"msmtprc", "msmtp/config"}, []string{"~/.msmtprc", "~/.config/msmtp/config"}, (*importer).msmtp},
		{"mutt", []string{"muttrc"}, []string{"~/.muttrc", "~/.mutt/muttrc", "~/.config/mutt/muttrc", "~/.neomuttrc", "~/.config/neomutt/neomuttrc"}, (*importer).mutt},
		{"aerc", []string{"accounts.conf"}, []string{"~/.config/aerc/accounts.conf"}, (*importer).aerc},
		{"git", []string{"gitconfig", "git/config"}, []string{"~/.gitconfig", "~/.config/git/config"}, (*importer).git},
		{"nullmailer", []string{"nullmailer/remotes", "remotes"}, []string{"/etc/nullmailer/remotes"}, (*importer).nullmailer},
		{"ssmtp", []string{"ssmtp.conf"}, []string{"/etc/ssmtp/ssmtp.conf"}, (*importer).ssmtp},
	}
}

// An importer reads files of other programs.
type importer struct {
	c    *door.Call
	ctx  context.Context
	home string
	file *file

	apply, keyring, inClear bool
	kind                    string

	all  []*identity.Identity
	head []tree.Field
	from []string // files that identities are from
}

// importFiles is the verb import.
func importFiles(c *door.Call) error {
	if c.AsksHelp("--kind") {
		return c.Help(importHelp)
	}
	im := &importer{c: c}
	config := ""
	names, err := words(c.Args, map[string]*string{"--kind": &im.kind, "-C": &config},
		map[string]*bool{"--apply": &im.apply, "--keyring": &im.keyring, "--in-clear": &im.inClear}, "import")
	switch {
	case err != nil:
		return err
	case im.keyring && im.inClear:
		return exit.Fail(exit.Usage, "only one of --keyring and --in-clear can be given")
	}
	if im.home, err = whoami.Home(); err != nil {
		return err
	}
	if im.file, err = openFile(im.home, config); err != nil {
		return err
	}
	var stop context.CancelFunc
	im.ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return im.run(names)
}

// run reads all files, and prints or adds what they say.
func (im *importer) run(names []string) error {
	if err := im.readAll(names); err != nil {
		return err
	}
	if len(im.all) == 0 {
		return exit.Fail(exit.Unavailable, "nothing to import was found")
	}
	im.settleDefault()
	if !im.apply {
		return im.print()
	}
	if im.file.other != "" && !slices.Contains(im.from, im.file.other) {
		return im.file.usable()
	}
	return im.add()
}

// readAll reads the files that are named, or all that are there.
func (im *importer) readAll(names []string) error {
	type source struct {
		path string
		f    format
	}
	var sources []source
	for _, name := range names {
		f, err := im.formatOf(name)
		if err != nil {
			return err
		}
		sources = append(sources, source{name, f})
	}
	for _, f := range formats() {
		for _, path := range f.paths {
			path = im.expand(path)
			if st, err := os.Stat(path); len(names) == 0 && err == nil && st.Mode().IsRegular() && (im.kind == "" || im.kind == f.kind) {
				sources = append(sources, source{path, f})
			}
		}
	}
	for _, s := range sources {
		got, err := s.f.read(im, s.path)
		switch {
		case err != nil && len(names) > 0:
			return exit.Fail(exit.NoInput, "%s: %s", spool.Printable(s.path), spool.Printable(err.Error()))
		case err != nil:
			im.remark(s.path, err.Error())
			continue
		}
		for _, text := range got.notes {
			im.remark(s.path, text)
		}
		im.take(s.path, got)
	}
	return nil
}

// formatOf finds out what a file is.
func (im *importer) formatOf(path string) (format, error) {
	full, _ := filepath.Abs(path)
	var kinds []string
	for _, f := range formats() {
		kinds = append(kinds, f.kind)
		if im.kind == f.kind || im.kind == "" && slices.ContainsFunc(f.names, func(end string) bool { return strings.HasSuffix(full, end) }) {
			return f, nil
		}
	}
	return format{}, exit.Fail(exit.Usage, "%s: say what it is with --kind: %s", spool.Printable(path), strings.Join(kinds, ", "))
}

// expand replaces ~ by the home directory.
func (im *importer) expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(im.home, rest)
	}
	return path
}

func (im *importer) remark(path, text string) {
	fmt.Fprintf(im.c.Err, "%s: %s\n", spool.Printable(path), spool.Printable(text))
}

// take takes over what a file says, but for identities that are there already.
func (im *importer) take(path string, got *imported) {
	im.head = append(im.head, got.head...)
	for _, id := range got.ids {
		if by := im.known(id); by != "" {
			im.remark(path, "identity "+id.Name+" is left out: it is in "+by+" already")
			continue
		}
		if err := im.valid(id); err != nil {
			im.remark(path, "identity "+id.Name+" is left out: "+err.Error())
			continue
		}
		im.all = append(im.all, id)
		im.from = append(im.from, path)
	}
}

// known says where an identity of the same name or address is; "" for nowhere.
func (im *importer) known(id *identity.Identity) string {
	for i, other := range im.all {
		if same(other, id) || other.Name == id.Name || id.Address() != "" && other.Lists(id.Address()) {
			return im.from[i]
		}
	}
	if im.file.config != nil && im.file.other == "" {
		for _, other := range im.file.config.Identities {
			if other.Name == id.Name || id.Address() != "" && other.Lists(id.Address()) {
				return im.file.path
			}
		}
	}
	return ""
}

// valid returns what is wrong with an identity that would be written.
func (im *importer) valid(id *identity.Identity) error {
	alone := &file{path: "config.yaml", home: im.home}
	_, err := alone.with([]*identity.Identity{id})
	var ce *identity.ConfigError
	if errors.As(err, &ce) {
		return errors.New(ce.Text)
	}
	return err
}

// settleDefault leaves one default: that of the configuration, or the first that is one, or the first.
func (im *importer) settleDefault() {
	best := slices.IndexFunc(im.all, func(id *identity.Identity) bool { return id.Default })
	for i, id := range im.all {
		id.Default = (im.file.config == nil || im.file.other != "") && i == max(best, 0)
	}
}

// print prints what would be added, with secrets masked.
func (im *importer) print() error {
	root := identity.Entries(im.all, false)
	root.Fields = append(im.head, root.Fields...)
	files := slices.Compact(slices.Clone(im.from))
	for i, f := range files {
		files[i] = spool.Printable(f)
	}
	return yaml.Write(im.c.Out, root, "# Read from "+strings.Join(files, ", "))
}

// add adds the identities to the configuration.
func (im *importer) add() error {
	var clear []string
	for _, id := range im.all {
		if id.Password.IsSet() {
			clear = append(clear, spool.Printable(id.Name))
		}
	}
	if len(clear) > 0 && !im.keyring && !im.inClear {
		return exit.Fail(exit.Usage, "nothing has been saved: the passwords of %s are in the files in clear; say --keyring or --in-clear for where they are to be", strings.Join(clear, ", "))
	}
	for _, id := range im.all {
		if !im.keyring || !id.Password.IsSet() {
			continue
		}
		k := &secret.Key{Host: id.Host, Port: id.Port, User: id.Username, Identity: id.Name}
		if err := secret.Store(im.ctx, k, id.Password.Reveal()); err != nil {
			return exit.Fail(exit.TempFail, "nothing has been saved: %s", spool.Printable(err.Error()))
		}
		id.Password, id.PasswordKeyring = identity.Secret{}, true
	}
	if len(im.file.old) == 0 {
		im.file.head = im.head
	} else if len(im.head) > 0 {
		im.remark(im.file.path, "what is not about one identity, such as mda, was not taken over, since there is a configuration already")
	}
	if err := im.file.add(im.all); err != nil {
		return err
	}
	fmt.Fprintf(im.c.Err, "Added to %s: %s. To try it: esmtpq probe\n", im.file.shown(), spool.Printable(door.Plural(len(im.all), "identity", "identities")))
	return nil
}

// esmtp reads an esmtprc, by its own rules.
func (im *importer) esmtp(path string) (*imported, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	cfg, err := identity.Load(identity.LoadOptions{File: full, Home: im.home})
	if err != nil {
		return nil, err
	}
	got := &imported{ids: cfg.Identities, notes: cfg.Warnings}
	root, _ := cfg.Tree()
	for _, f := range root.Fields {
		if f.Key != "identities" {
			got.head = append(got.head, f)
		}
	}
	return got, nil
}
