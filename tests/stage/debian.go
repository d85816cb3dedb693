package stage

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Needs skips the test if a program is missing. In CI (CI=true) nothing may be missing.
func Needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			Missing(t, program+" is not installed: ./test.sh installs it, or says what to install")
		}
	}
}

// Missing skips the test because something is missing; in CI the test fails.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Debian returns the directory into which test.sh unpacks packages that must not be installed on
// a machine just for a test: daemons, and packages that depend on them. If the file does not
// exist, the test is skipped.
func Debian(t testing.TB, file string) string {
	t.Helper()
	root := os.Getenv("ESMTPQ_TEST_DEBIAN")
	if root == "" && os.Geteuid() == 0 {
		root = "/var/cache/esmtpq-test/root"
	} else if root == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		root = filepath.Join(cache, "esmtpq-test", "root")
	}
	if _, err := os.Stat(filepath.Join(root, file)); err != nil {
		Missing(t, file+" is not unpacked: ./test.sh does it")
	}
	return root
}

// UnpackedLibraries returns the search path of the libraries below the directory that Debian
// returns.
func UnpackedLibraries(root string) string {
	dirs, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
	return strings.Join(dirs, ":")
}
