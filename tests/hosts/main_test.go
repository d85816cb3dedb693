// Package hosts holds esmtpq against the smart hosts that people have: programs that no one here
// wrote, each started by the test itself on loopback.
//
// test.sh unpacks and builds them. As root
//
//	go test ./tests/hosts                    the hosts of every day: four minutes
//	go test ./tests/hosts -long              all hosts, at their own limits: half an hour
//	go test ./tests/hosts -run Exim -v       one of them
//
// A host whose program is not there is skipped, and the reason says what brings it; with CI=true
// those of every day must be there. Most daemons are root's to start; the others run for anybody.
package hosts

import (
	"os"
	"testing"

	"esmtpq/tests/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Main(m)) }
