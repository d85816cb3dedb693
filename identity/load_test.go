package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A world is a file system and an environment to load a configuration from.
type world struct {
	t    *testing.T
	root string
	env  map[string]string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, root: t.TempDir(), env: map[string]string{}}
	for _, dir := range []string{"home/.config/esmtpq", "etc/esmtpq", "xdg/esmtpq"} {
		if err := os.MkdirAll(w.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.root, name) }

// write creates a file with exactly this mode, whatever the umask.
func (w *world) write(name, text string, mode fs.FileMode) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chmod(w.path(name), mode); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) load(file string) (*Config, error) {
	return Load(LoadOptions{
		File:   file,
		Home:   w.path("home"),
		Etc:    w.path("etc"),
		Getenv: func(key string) string { return w.env[key] },
	})
}

const (
	someYAML    = "identities: [{name: a@x.example, host: mail.x.example}]\n"
	someEsmtprc = "hostname = mail.x.example\n"
)

// All places have a file at first; the first one is used, then it is removed.
func TestLoadOrder(t *testing.T) {
	w := newWorld(t)
	places := []string{"home/.config/esmtpq/config.yaml", "etc/esmtpq/config.yaml", "home/.esmtprc", "etc/esmtprc"}
	for _, place := range append(places, "named", "env.yml", "xdg/esmtpq/config.yaml") {
		text := someEsmtprc
		if ext := filepath.Ext(place); ext == ".yaml" || ext == ".yml" {
			text = someYAML
		}
		w.write(place, text, 0o644)
	}
	expect := func(file, place, format string) {
		t.Helper()
		c, err := w.load(file)
		if err != nil {
			t.Fatalf("%s: %v", place, err)
		}
		if c.File != w.path(place) || c.Format != format {
			t.Fatalf("loaded %s as %s, want %s as %s", c.File, c.Format, place, format)
		}
	}
	w.env["ESMTPQ_CONFIG"] = w.path("env.yml")
	w.env["XDG_CONFIG_HOME"] = w.path("xdg")
	expect(w.path("named"), "named", FormatEsmtprc)
	expect("", "env.yml", FormatYAML)
	w.env["ESMTPQ_CONFIG"] = ""
	expect("", "xdg/esmtpq/config.yaml", FormatYAML)
	w.env["XDG_CONFIG_HOME"] = "xdg" // relative: the same as not set
	for _, place := range places {
		format := FormatEsmtprc
		if strings.HasSuffix(place, ".yaml") {
			format = FormatYAML
		}
		expect("", place, format)
		if err := os.Remove(w.path(place)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.load("")
	var ce *ConfigError
	if !errors.As(err, &ce) || !errors.Is(err, ErrNoConfig) {
		t.Fatalf("without any: %v", err)
	}
	for _, name := range []string{"~/.esmtprc", "~/.config/esmtpq/config.yaml"} {
		if !strings.Contains(ce.Hint, name) {
			t.Errorf("the hint %q does not name %s", ce.Hint, name)
		}
	}
}

func TestLoadWithoutHome(t *testing.T) {
	w := newWorld(t)
	w.write("etc/esmtprc", someEsmtprc, 0o644)
	for _, home := range []string{"", "home"} {
		c, err := Load(LoadOptions{Home: home, Etc: w.path("etc"), Getenv: func(string) string { return "" }})
		if err != nil || c.File != w.path("etc/esmtprc") {
			t.Errorf("home %q: %v, %v", home, c, err)
		}
	}
}

// A file that exists and cannot be used is an error; the next one is not tried.
func TestLoadNoFallThrough(t *testing.T) {
	tests := []struct {
		name  string
		setUp func(w *world)
		file  string
		want  string
	}{
		{"a directory", func(w *world) { os.Mkdir(w.path("home/.esmtprc"), 0o755) }, "", "home/.esmtprc: is not a regular file"},
		{"a FIFO", func(w *world) { syscall.Mkfifo(w.path("home/.esmtprc"), 0o600) }, "", "home/.esmtprc: is not a regular file"},
		{"too large", func(w *world) { w.write("home/.esmtprc", strings.Repeat("#\n", 1<<19)+"\n", 0o600) }, "",
			"home/.esmtprc: is larger than 1 MiB"},
		{"a syntax error", func(w *world) { w.write("home/.esmtprc", "x", 0o600) }, "", "home/.esmtprc:1: syntax error: "},
		{"-C without file", func(w *world) {}, "none", "none: cannot be read: no such file or directory"},
		{"$ESMTPQ_CONFIG without file", func(w *world) { w.env["ESMTPQ_CONFIG"] = w.path("none") }, "", "none: cannot be read: no such file"},
		{"a loop of links", func(w *world) { os.Symlink(".esmtprc", w.path("home/.esmtprc")) }, "",
			"home/.esmtprc: cannot be read: too many levels"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("etc/esmtprc", someEsmtprc, 0o644)
			test.setUp(w)
			file := test.file
			if file != "" {
				file = w.path(file)
			}
			c, err := w.load(file)
			var ce *ConfigError
			if !errors.As(err, &ce) || errors.Is(err, ErrNoConfig) {
				t.Fatalf("%v, %v", c, err)
			}
			if !strings.HasPrefix(err.Error(), w.path(test.want)) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// Permissions to read or write a configuration.
func TestLoadMode(t *testing.T) {
	const (
		secretRC       = "password = " + canary + "\n"
		passphraseRC   = "certificate_passphrase = " + canary + "\n"
		secretYAML     = "identities: [{name: a@x.example, host: h, password: " + canary + "}]\n"
		passphraseYAML = "identities: [{name: a@x.example, host: h, certificate_passphrase: " + canary + "}]\n"
		commandYAML    = "identities: [{name: a@x.example, host: h, password_command: pass}]\n"
	)
	const rc, yaml, etcRC, etcYAML = "home/.esmtprc", "home/.config/esmtpq/config.yaml", "etc/esmtprc", "etc/esmtpq/config.yaml"
	tests := []struct {
		file, text string
		mode       fs.FileMode
		refused    string // the command to type, with the file's path to follow
	}{
		{rc, secretRC, 0o600, ""},
		{rc, secretRC, 0o400, ""},
		{rc, secretRC, 0o710, ""},
		{rc, secretRC, 0o640, "chmod 600 "},
		{rc, secretRC, 0o604, "chmod 600 "},
		{rc, secretRC, 0o644, "chmod 600 "},
		{rc, passphraseRC, 0o644, "chmod 600 "},
		{rc, someEsmtprc, 0o644, ""},
		{rc, someEsmtprc, 0o664, ""}, // the umask of many
		{rc, someEsmtprc, 0o646, "chmod go-w "},
		{rc, someEsmtprc, 0o602, "chmod go-w "},
		{yaml, secretYAML, 0o600, ""},
		{yaml, secretYAML, 0o640, "chmod 600 "},
		{yaml, passphraseYAML, 0o604, "chmod 600 "},
		{yaml, commandYAML, 0o644, ""},
		{etcRC, secretRC, 0o600, ""},
		{etcRC, secretRC, 0o640, ""}, // for the group of people who may send
		{etcRC, secretRC, 0o644, "chmod o= "},
		{etcRC, someEsmtprc, 0o644, ""},
		{etcYAML, secretYAML, 0o640, ""},
		{etcYAML, secretYAML, 0o644, "chmod o= "},
	}
	for _, test := range tests {
		w := newWorld(t)
		w.write(test.file, test.text, test.mode)
		c, err := w.load("")
		switch {
		case test.refused == "" && err != nil:
			t.Errorf("%s %o: %v", test.file, test.mode, err)
		case test.refused != "" && err == nil:
			t.Errorf("%s %o: accepted: %v", test.file, test.mode, c)
		case err != nil:
			var ce *ConfigError
			if !errors.As(err, &ce) || !strings.HasSuffix(err.Error(), "; type: "+test.refused+w.path(test.file)) || strings.Contains(err.Error(), canary) {
				t.Errorf("%s %o: %v", test.file, test.mode, err)
			}
		}
	}
}

// A link is followed, and the checks are of the file it leads to.
func TestLoadLink(t *testing.T) {
	w := newWorld(t)
	w.write("dotfile", "password = x\n", 0o600)
	if err := os.Symlink(w.path("dotfile"), w.path("home/.esmtprc")); err != nil {
		t.Fatal(err)
	}
	if c, err := w.load(""); err != nil || c.File != w.path("home/.esmtprc") {
		t.Errorf("%v, %v", c, err)
	}
	w.write("dotfile", "password = x\n", 0o644)
	if c, err := w.load(""); err == nil {
		t.Errorf("accepted: %v", c)
	}
}

// fileInfo is a file's owner and mode, as the kernel would say.
type fileInfo struct {
	fs.FileInfo
	mode fs.FileMode
	uid  uint32
}

func (f fileInfo) Mode() fs.FileMode { return f.mode }
func (f fileInfo) Sys() any          { return &syscall.Stat_t{Uid: f.uid} }

func TestCheckFileOwner(t *testing.T) {
	tests := []struct {
		owner uint32
		euid  int
		want  string
	}{
		{1000, 1000, ""},
		{0, 1000, ""},
		{0, 0, ""},
		{1001, 1000, "rc: belongs to another user (uid 1001, and this is uid 1000)"},
		{1000, 0, "rc: belongs to another user (uid 1000, and this is uid 0)"},
	}
	for _, test := range tests {
		err := checkFile(fileInfo{mode: 0o600, uid: test.owner}, "rc", test.euid)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("owner %d, we are %d: %q, want %q", test.owner, test.euid, got, test.want)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for path, want := range map[string]string{
		"/home/ann/.esmtprc": "/home/ann/.esmtprc",
		"/home/a b/.esmtprc": "'/home/a b/.esmtprc'",
		"/it's":              `'/it'\''s'`,
		"/$HOME":             "'/$HOME'",
	} {
		if got := shellQuote(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// With "esmtpq config >~/.config/esmtpq/config.yaml", the file exists, empty, before it is
// written.
func TestEmptyFileConfiguresNothing(t *testing.T) {
	home := t.TempDir()
	empty := filepath.Join(home, ".config/esmtpq/config.yaml")
	if err := os.MkdirAll(filepath.Dir(empty), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{empty: "", filepath.Join(home, ".esmtprc"): "hostname = smtp.example.org\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	none := func(string) string { return "" }
	cfg, err := Load(LoadOptions{Home: home, Getenv: none, Etc: t.TempDir()})
	if err != nil || cfg.Format != FormatEsmtprc {
		t.Errorf("%+v, %v: want the esmtprc", cfg, err)
	}
	// When it is asked for by name, it is a mistake.
	if _, err := Load(LoadOptions{File: empty, Home: home, Getenv: none}); err == nil {
		t.Error("an empty file named with -C was taken for a configuration")
	}
}
