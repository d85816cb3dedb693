//go:build linux && amd64

package faults

import (
	"fmt"
	"sync"
	"time"

	"esmtpq/tests/stage"
)

// noLimit is for tests that must run to their end.
const noLimit = 24 * time.Hour

// figures are the results of the fault tests.
type figures struct {
	sync.Mutex
	began time.Time

	killPoints, randomKills, injected, crashStates, realCuts int
	lost, torn, doubled, left, hung, silent                  int
	window                                                   int // second copies inside the window
	kept                                                     int // refused, yet sent: the files could not be removed either
	reported                                                 int // remains of a removal, which deliver reports and leaves alone
}

func (f *figures) add(n *int, more int) {
	f.Lock()
	defer f.Unlock()
	*n += more
}

// remaining returns how much time is left for tests that are worth more the longer they run.
func (f *figures) remaining() time.Duration {
	if stage.Long() {
		return 24 * time.Hour
	}
	return 150*time.Second - time.Since(f.began)
}

func (f *figures) String() string {
	f.Lock()
	defer f.Unlock()
	return fmt.Sprintf("faults: %d kill points, %d random kills, %d failing calls, %d states after a power cut, %d power cuts on ext4: "+
		"lost %d, torn %d, doubled %d, left behind %d, hung %d, silent %d (second copies inside the window %d, refused yet sent %d, remains reported %d)",
		f.killPoints, f.randomKills, f.injected, f.crashStates, f.realCuts,
		f.lost, f.torn, f.doubled, f.left, f.hung, f.silent, f.window, f.kept, f.reported)
}
