package hostile

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"esmtpq/tests/stage"
)

// TestHostile attacks the program from everywhere: as a smart host, as the author of a message,
// as a caller, as another user, and by chance. Nothing may be lost, torn or sent twice, nothing
// may hang, and no attacker may get in.
func TestHostile(t *testing.T) {
	fig := &hostileFigures{}
	defer func() { stage.PrintFigures(t, fig) }()
	for _, attack := range []struct {
		from string
		run  func(*testing.T, *hostileFigures)
	}{
		{"host", hostileReplies},
		{"network", hostileNetwork},
		{"body", smugglingBodies},
		{"header", smugglingHeaders},
		{"arguments", evilCommandLines},
		{"transcript", transcriptPaths},
		{"recipients", crowdedEnvelope},
		{"planted", plantedEntries},
		{"queue", foreignQueues},
		{"clock", clockJumps},
		{"umask", oddMasks},
		{"limits", tightLimits},
		{"descriptors", closedDescriptors},
		{"signals", signalsAtAnyTime},
		{"suspended", suspended},
		{"secrets shown", secretArtefacts},
		{"secrets for proxies", proxySecrets},
		{"secrets misplaced", misplacedSecrets},
		{"secrets open", openSecrets},
		{"secrets of processes", secretProcesses},
		{"crowd", crowd},
		{"cron", overlappingRuns},
		{"agent", agentThatSends},
	} {
		t.Run(attack.from, func(t *testing.T) { attack.run(t, fig) })
	}
}

// hostileFigures are the results of the attacks.
type hostileFigures struct {
	dialogues, arguments, bodies, plants, kills, submissions atomic.Int64
	lost, torn, doubled, window                              atomic.Int64
}

func (f *hostileFigures) String() string {
	return fmt.Sprintf("hostile: %d dialogues, %d injected arguments, %d smuggling bodies, %d planted entries, %d kills over %d submissions: "+
		"lost %d, torn %d, doubled %d (second copies inside the window %d)",
		f.dialogues.Load(), f.arguments.Load(), f.bodies.Load(), f.plants.Load(), f.kills.Load(), f.submissions.Load(),
		f.lost.Load(), f.torn.Load(), f.doubled.Load(), f.window.Load())
}

// sideBySide runs subtests on some workers. They mostly wait, so their number does not depend on
// that of the processors.
func sideBySide[T any](t *testing.T, workers int, cases []T, name func(T) string, run func(*testing.T, T)) {
	next := make(chan T)
	done := make(chan struct{})
	for range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			for c := range next {
				t.Run(name(c), func(t *testing.T) { run(t, c) })
			}
		}()
	}
	for _, c := range cases {
		next <- c
	}
	close(next)
	for range workers {
		<-done
	}
}

// asRoot reports whether the tests may do what only root can.
func asRoot() bool { return os.Geteuid() == 0 }
