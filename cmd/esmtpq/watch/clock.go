package watch

import "errors"

// errClockSet says that the clock was set, or the machine has slept, and that nobody else will tell.
var errClockSet = errors.New("the clock was set")

// An event is what happens to a clock.
type event int

const (
	expired event = iota // the time has come
	stepped              // the clock was set
	resumed              // the machine has slept
)
