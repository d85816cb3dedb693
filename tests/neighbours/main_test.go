// Package neighbours tests the built program among the other users and programs of a machine: those that speak
// SMTP to it, and a sweep of all users.
package neighbours

import (
	"os"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }
