//go:build linux && amd64

package homes

import (
	"os"
	"os/exec"
	"testing"

	"esmtpq/tests/stage"
)

// The tests that kill the programs and let their calls fail hold with homes on btrfs and on FUSE as
// well; -long runs all of them.
func TestFaultsOnOtherHomes(t *testing.T) {
	stage.NeedsCompiler(t)
	for name, mount := range map[string]func(t *testing.T) string{
		"btrfs":  func(t *testing.T) string { return newDisk(t, "btrfs", "512M").dir },
		"bindfs": fuses["bindfs"],
	} {
		t.Run(name, func(t *testing.T) {
			namespace(t)
			cmd := exec.Command("go", "test", "-run", stage.Pick("TestFaults/kill/sendmail", "TestFaults/(kill|random|errors)"), ".")
			cmd.Dir = stage.Source(t, "tests/faults")
			cmd.Env = append(os.Environ(), "TMPDIR="+mount(t), "ESMTPQ_TEST_FIGURES=")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
