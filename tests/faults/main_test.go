// Package faults breaks the built program at every point at which a process, a disk or a machine
// can fail, and counts what that does to mail.
package faults

import (
	"os"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }
