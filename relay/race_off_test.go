//go:build !race

package relay_test

// thinned is how many times fewer dialogues the enumerations play.
const thinned = 1
