package early_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Where imports leave a choice, packages are initialised in the order of their paths. So the
// assumptions of this package are tested under other module paths, too. Under every path a
// message is taken, once; and before net has had its turn, if the path sorts before "net".
func TestModulePath(t *testing.T) {
	for _, test := range []struct {
		path  string
		early bool
	}{
		{"github.com/example/esmtpq", true},
		{"zz.example/esmtpq", false},
	} {
		t.Run(test.path, func(t *testing.T) {
			program := buildAs(t, test.path)
			for name, config := range map[string]string{
				".esmtprc":                   "identity = me@example.org\nhostname = smtp.example.org:587\n",
				".config/esmtpq/config.yaml": "identities:\n  - name: me@example.org\n    host: smtp.example.org\n",
			} {
				initialised := submit(t, program, name, config)
				if early := !strings.Contains(initialised, "init net "); early != test.early {
					t.Errorf("%s: early: %t", name, early)
				}
			}
			// Cases that are left to main.
			submit(t, program, ".config/esmtpq/config.yaml", "identities:\n  - {name: me@example.org, host: smtp.example.org}\n")
		})
	}
}

// buildAs builds the program under another module path and returns the path of sendmail.
func buildAs(t *testing.T, module string) string {
	t.Helper()
	stage.NeedsCompiler(t)
	dir := t.TempDir()
	tree := os.DirFS("../../..")
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		if base := filepath.Base(name); filepath.Ext(base) != ".go" && filepath.Ext(base) != ".s" && base != "go.mod" && base != "go.sum" {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		text = bytes.ReplaceAll(text, []byte(`"esmtpq/`), []byte(`"`+module+`/`))
		text = bytes.Replace(text, []byte("module esmtpq\n"), []byte("module "+module+"\n"), 1)
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "sendmail")
	cmd := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/esmtpq")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// submit queues a message and returns what the runtime says about its initialisations.
func submit(t *testing.T, program, name, config string) string {
	t.Helper()
	home := t.TempDir()
	path := filepath.Join(home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "friend@example.net")
	cmd.Env = []string{"HOME=" + home, "ESMTPQ_DELAY=never", "GODEBUG=inittrace=1"}
	cmd.Stdin = strings.NewReader("From: me@example.org\nSubject: hello\n\ntext\n")
	var trace bytes.Buffer
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatalf("sendmail: %v\n%s", err, trace.String())
	}
	mails, err := filepath.Glob(filepath.Join(home, ".esmtp_queue", "[0-9A-F]*", "mail"))
	if err != nil || len(mails) != 1 {
		t.Fatalf("%d mails are in the queue (%v)", len(mails), err)
	}
	if !strings.Contains(trace.String(), "init os ") {
		t.Fatalf("the runtime says nothing of what it initialises:\n%s", trace.String())
	}
	return trace.String()
}
