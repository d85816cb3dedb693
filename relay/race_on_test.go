//go:build race

package relay_test

// thinned is how many times fewer dialogues the enumerations play: the race detector makes each one twenty
// times as slow, and finds nothing in the next that was not in the last.
const thinned = 19
