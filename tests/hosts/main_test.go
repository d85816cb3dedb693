// Package hosts tests esmtpq against the smart hosts that people have: programs by others, each
// started by the test on loopback.
//
// test.sh unpacks and builds them. As root
//
//	go test ./tests/hosts                    the hosts of every day: four minutes
//	go test ./tests/hosts -long              all hosts, at their own limits: half an hour
//	go test ./tests/hosts -run Exim -v       one of them
//
// A host whose program is missing is skipped, and the reason says how to get it; with CI=true the
// everyday ones must be there. Most daemons need root; the others run as any user.
package hosts

import (
	"os"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }
