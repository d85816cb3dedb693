// Package hosts tests the built program with real mail servers as smart hosts.
package hosts

import (
	"os"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }
