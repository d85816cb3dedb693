package stage

import (
	"os"
	"path/filepath"
	"testing"
)

// Hosts returns the directory into which test.sh unpacks, builds and fetches servers.
func Hosts(t testing.TB) string {
	t.Helper()
	if root := os.Getenv("ESMTPQ_TEST_DEBIAN"); root != "" {
		return filepath.Join(filepath.Dir(root), "hosts")
	}
	if os.Geteuid() == 0 {
		return "/var/cache/esmtpq-test/hosts"
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "esmtpq-test", "hosts")
}
