package setup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/identity"
)

func nina() *identity.Identity {
	return &identity.Identity{
		Name: "nina@example.net", Match: []string{"nina@example.net"}, Host: "smtp.example.net", Port: "465", TLS: identity.TLSImplicit,
		Username: "nina", Password: identity.NewSecret("pass: #word'\""),
	}
}

// Lines are put into a configuration; every line of it stays, in order, and means what it meant.
func TestAdd(t *testing.T) {
	const one = "identities:\n  - name: ann@example.org\n    host: smtp.example.org\n"
	for name, old := range map[string]string{
		"none":              "",
		"empty":             "\n\n",
		"comments alone":    "# nothing yet\n",
		"no identities":     "mda: /bin/cat\n",
		"one":               one,
		"no line end":       strings.TrimSuffix(one, "\n"),
		"comments":          "# top\n" + one + "    # inside\n# end\n",
		"not indented":      "identities:\n- name: ann@example.org\n  host: smtp.example.org\n",
		"deeper":            "identities:\n      - name: ann@example.org\n        host: smtp.example.org\n",
		"key behind":        one + "\n# about mail for here\nmda: /bin/cat\n",
		"key before":        "mda: /bin/cat\n" + one,
		"default":           one + "    default: true\n",
		"two":               one + "  - name: bob@example.org\n    host: smtp.example.org\n",
		"lists":             one + "    match:\n      - ann@example.org\n      - \"*@example.com\"\n    auth: [plain]\n",
		"name is not first": "identities:\n  - host: smtp.example.org\n    name: ann@example.org\n",
		"text of lines":     one + "    password_command: |\n      echo identities:\n      echo - name\n",
		"document mark":     "---\n" + one,
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			f := &file{path: filepath.Join(home, ".config/esmtpq/config.yaml"), home: home}
			if name != "none" {
				if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(f.path, []byte(old), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			f, err := openFile(home, f.path)
			if err == nil {
				err = f.add([]*identity.Identity{nina()})
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(f.path)
			if err != nil {
				t.Fatal(err)
			}
			rest := string(text)
			for line := range strings.SplitAfterSeq(old, "\n") {
				_, after, found := strings.Cut(rest, strings.TrimRight(line, "\n"))
				if !found {
					t.Errorf("the line %q is gone, or elsewhere:\n%s", line, text)
				}
				rest = after
			}
			cfg, err := identity.Load(identity.LoadOptions{File: f.path, Home: home})
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			id := cfg.Identities[len(cfg.Identities)-1]
			if id.Name != "nina@example.net" || id.Password.Reveal() != "pass: #word'\"" || cfg.Info.Mode() != 0o600 {
				t.Errorf("read as %+v, mode %v\n%s", id, cfg.Info.Mode(), text)
			}
			if strings.Contains(old, "ann") && name != "two" && (cfg.Default == nil || cfg.Default.Name != "ann@example.org") {
				t.Errorf("the default is another:\n%s", text)
			}
		})
	}
}

// What cannot be added to is left alone, and the error has what to put in by hand, without the secret.
func TestAddNothing(t *testing.T) {
	for _, old := range []string{
		"identities: [{name: ann@example.org, host: smtp.example.org}]\n",
		"identities: &a\n  - {name: ann@example.org, host: smtp.example.org}\n...\n",
		"{identities: [{name: ann@example.org, host: smtp.example.org}]}\n",
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := openFile(t.TempDir(), path)
		if err == nil {
			err = f.add([]*identity.Identity{nina()})
		}
		text, _ := os.ReadFile(path)
		if err == nil {
			if cfg, err := identity.Load(identity.LoadOptions{File: path}); err != nil || len(cfg.Identities) != 2 {
				t.Errorf("%q became %q: %v", old, text, err)
			}
			continue
		}
		var f2 *exit.Failure
		if !errors.As(err, &f2) || f2.Code != exit.Config || !strings.Contains(err.Error(), "nina@example.net") || strings.Contains(err.Error(), "#word") || string(text) != old {
			t.Errorf("%q: %v, and the file is %q", old, err, text)
		}
	}
}

// A file that somebody else has written to meanwhile is not replaced.
func TestChangedMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	f, err := openFile(t.TempDir(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = f.add([]*identity.Identity{nina()})
	if text, _ := os.ReadFile(path); exit.Code(err) != exit.TempFail || string(text) != "mine" {
		t.Errorf("%v, and the file is %q", err, text)
	}
}
