package hosts

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"esmtpq/tests/stage"
)

// onlyLong skips a test that takes long, or whose host is missing in everyday runs.
func onlyLong(t *testing.T) {
	t.Helper()
	if !stage.Long() {
		t.Skip("only with -long")
	}
}

// unpacked returns the directory of a host's packages in the cache, and skips the test if that
// lacks file.
func unpacked(t *testing.T, name, file string) string {
	t.Helper()
	dir := filepath.Join(stage.Hosts(t), name)
	if !stage.Exists(filepath.Join(dir, file)) {
		lacking(t, fmt.Sprintf("%s of %s is not unpacked: ./test.sh does it, those of few with --long", file, name))
	}
	return dir
}

// program returns the path of a server that test.sh builds, and skips the test if it is missing.
func program(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(stage.Hosts(t), "bin", name)
	if !stage.Exists(path) {
		lacking(t, name+" is not built: ./test.sh does it, few of them only with --long")
	}
	return path
}

// lacking ends a test that cannot be run. In CI the everyday ones must run.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" && !stage.Long() {
		t.Fatal(what)
	}
	t.Skip(what)
}
