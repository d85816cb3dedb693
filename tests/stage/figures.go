package stage

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var long = flag.Bool("long", false,
	"run in exhaustive form the tests that sample by default: some ten minutes rather than two")

// Long reports whether tests that sample by default are to be exhaustive.
func Long() bool { return *long }

// Pick returns one value by default, and another with -long.
func Pick[T any](short, all T) T {
	if Long() {
		return all
	}
	return short
}

// PrintFigures prints what a long test has counted, and appends it to the file that
// ESMTPQ_TEST_FIGURES names: go test shows nothing of a test that passes.
func PrintFigures(t testing.TB, fig fmt.Stringer) {
	fmt.Println(fig)
	name := os.Getenv("ESMTPQ_TEST_FIGURES")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err == nil {
		_, err = fmt.Fprintln(f, fig)
		f.Close()
	}
	if err != nil {
		t.Error(err)
	}
}
