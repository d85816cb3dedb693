// Package hostile attacks the built program: as a smart host, as the author of a message, as a
// caller, as another user, and by chance.
package hostile

import (
	"os"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }
