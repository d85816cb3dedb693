package watch

import "runtime/debug"

// rest is called when there is nothing to do and nothing to wait for but events. Memory goes back to
// the system, and the runtime stops to look after itself.
func rest() {
	debug.FreeOSMemory()
	giveBack()
	stillness.enter()
}

// leaveRest is called when something has happened.
func leaveRest() { stillness.leave() }
