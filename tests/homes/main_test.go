// Package homes tests the built program with homes on the file systems that people have: btrfs, xfs,
// overlayfs, and FUSE. They are mounted for each test, in a mount namespace of its own, which takes
// root and loop devices; what a machine does not have is said and left out.
package homes

import (
	"os"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }
