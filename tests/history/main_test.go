// Package clients tests the built program with the programs that call it: mail readers, git, cron,
// mailing tools, shells and people.
package history

import (
	"os"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }
