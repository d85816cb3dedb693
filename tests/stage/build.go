package stage

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Names are the names of the program besides its own.
var Names = []string{"sendmail", "deliver", "mailq", "newaliases"}

// Main runs the tests of a package, and then removes the program that they tested.
func Main(m *testing.M) int {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	return code
}

// BinDir returns the directory with esmtpq and the symbolic links that install.sh makes. The
// first test that asks for the program builds it, once, as install.sh does. If the tests run
// without the go command (compiled, as another user), ESMTPQ_TEST_BIN names the directory of the
// program.
func BinDir(t testing.TB) string {
	t.Helper()
	dir, err := binDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Program returns the path of the program under one of its names.
func Program(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(BinDir(t), name)
}

var built string // the directory to be removed in the end

var binDir = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("ESMTPQ_TEST_BIN"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "esmtpq-bin-")
	if err != nil {
		return "", err
	}
	built = dir
	return dir, build(dir)
})

func build(dir string) error {
	root, err := root()
	if err != nil {
		return err
	}
	if err := dependOn(root); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-tags", "nethttpomithttp2", "-trimpath", "-ldflags", "-s -w -X main.version=test",
		"-o", filepath.Join(dir, "esmtpq"), "./cmd/esmtpq")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	for _, name := range Names {
		if err := os.Symlink("esmtpq", filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o755)
}

// dependOn makes the outcome of the tests depend on the source of the program. The go command
// keeps the outcome of tests as long as their package, and the files that they have opened, are
// unchanged. It does not know which files are read by a compiler that a test starts, so a test
// looks at all of these. (It must be a test: the go command does not see files that are opened
// before the first test begins either.)
func dependOn(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".s") || name == "go.mod" {
			_, err = os.Stat(path)
		}
		return err
	})
}

// root finds the directory of the repository, above the one that go test runs a package's tests in.
func root() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if Exists(filepath.Join(dir, "go.mod")) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the directory of the tests")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// Source returns the path of a file or directory of the repository.
func Source(t testing.TB, name string) string {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// NeedsCompiler skips the test if the tests run without the go command.
func NeedsCompiler(t testing.TB) {
	t.Helper()
	if os.Getenv("ESMTPQ_TEST_BIN") != "" {
		t.Skip("these tests run without the go command")
	}
}
