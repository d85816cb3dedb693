// Package setup tests esmtpq setup with real name servers, web servers and smart hosts, in a network
// that has nothing else.
package setup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"esmtpq/tests/stage"
)

// resolvVariable names the file that is /etc/resolv.conf inside the network of the tests.
const resolvVariable = "ESMTPQ_TEST_RESOLV"

// rootVariable names a clean Debian system, which takes a network to make.
const rootVariable = "ESMTPQ_TEST_ROOT"

// TestMain runs the tests in a network and a mount namespace of their own, in which ports 53, 443, 465
// and 587 of loopback are free, and /etc/resolv.conf is a file of theirs.
func TestMain(m *testing.M) {
	if os.Getenv(resolvVariable) != "" {
		os.Exit(stage.Main(m))
	}
	code, err := inside()
	if err != nil {
		fmt.Println("no namespace to be had here, all tests are skipped:", err)
		code = 0
		if os.Getenv("CI") == "true" && os.Geteuid() == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

// inside runs this program again in the namespaces.
func inside() (code int, err error) {
	enter := []string{"--mount", "--net", "--propagation", "private"}
	if os.Geteuid() != 0 {
		enter = append(enter, "--user", "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(enter, "ip", "link", "set", "lo", "up")...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	dir, err := os.MkdirTemp("", "esmtpq-setup-test-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	resolv := filepath.Join(dir, "resolv.conf")
	if err := os.WriteFile(resolv, []byte(resolvConf), 0o644); err != nil {
		return 0, err
	}
	const script = `set -e
ip link set lo up
real=$(readlink -f /etc/resolv.conf || true)
[ -e "$real" ] || { mkdir -p "$(dirname "$real")"; : >"$real"; }
mount --bind "$1" "$real"
shift
exec "$@"`
	var root string
	if slices.Contains(os.Args, "-long") || slices.Contains(os.Args, "-long=true") {
		if _, err := exec.LookPath("debootstrap"); err == nil && os.Geteuid() == 0 {
			root = filepath.Join(dir, "root")
			if err := stage.Bootstrap("bookworm", root); err != nil {
				return 0, err
			}
		}
	}
	args := append(enter, "sh", "-c", script, "sh", resolv, os.Args[0])
	cmd := exec.Command("unshare", append(args, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), resolvVariable+"="+resolv, rootVariable+"="+root)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return max(ended.ExitCode(), 1), nil
	}
	return 0, err
}
