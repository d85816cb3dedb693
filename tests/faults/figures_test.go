//go:build linux && amd64

package faults

import (
	"fmt"
	"sync"
	"time"

	"esmtpq/tests/stage"
)

// noLimit is for what has to be done to the end.
const noLimit = 24 * time.Hour

// Figures are what the fault tests come to.
type figures struct {
	sync.Mutex
	began time.Time

	killPoints, randomKills, injected, crashStates, realCuts int
	lost, torn, doubled, left, hung, silent                  int
	window                                                   int // second copies inside the window
	kept                                                     int // refused, yet sent: what it had written could not be removed either
	reported                                                 int // remains of a removal that deliver reports and leaves alone
}

func (f *figures) add(n *int, more int) {
	f.Lock()
	defer f.Unlock()
	*n += more
}

// remaining is how much time is left for tests that are worth more the longer they go on.
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
