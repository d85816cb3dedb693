package watch

// An event is what happens to a clock.
type event int

const (
	expired event = iota // the time has come
	stepped              // the clock was set
	resumed              // the machine has slept
)
