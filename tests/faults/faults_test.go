//go:build linux && amd64

package faults

import (
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// TestFaults breaks sendmail and deliver in every possible way, and counts what that does to
// mail. Nothing may be lost or torn, or doubled outside the window that docs/reliability.md
// describes.
func TestFaults(t *testing.T) {
	if err := canTrace(t); err != nil {
		stage.Missing(t, err.Error())
	}
	fig := &figures{began: time.Now()}
	defer func() {
		t.Log(fig)
		stage.PrintFigures(t, fig)
	}()
	for _, s := range scenarios {
		t.Run("kill/"+s.program+"/"+s.name, func(t *testing.T) { killPoints(t, fig, s) })
	}
	for _, r := range recordings {
		t.Run("power/"+r.name, func(t *testing.T) { powerCuts(t, fig, r.name, r.work) })
	}
	t.Run("ext4", func(t *testing.T) { realPowerCuts(t, fig, stage.Pick(40, 300)) })
	for _, options := range []string{"size=64k", "size=64k,nr_inodes=20", "size=1m,nr_inodes=24"} {
		t.Run("full/"+options, func(t *testing.T) { fullDisk(t, fig, options) })
	}
	t.Run("read-only", func(t *testing.T) { readOnly(t, fig) })
	t.Run("random", func(t *testing.T) { randomKills(t, fig, stage.Pick(200, 1000)) })
	t.Run("errors", func(t *testing.T) { failingCalls(t, fig) })
}
