#!/bin/sh
# gopkg.in/yaml.v3 3.0.1 reads 0465 as 309, and 0587 as 587, into the same int field, without an error.
#
# A whole number that begins with 0 is octal, as in YAML 1.1; one with an 8 or a 9 in it cannot be,
# falls through to the floating-point numbers, and these go into an int where nothing is lost. So the
# two ports of mail submission, each written with a leading zero, are read in different bases. Into a
# string field both come as they are written. YAML 1.2, which the package follows otherwise, has 0o465.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'END'
module example

go 1.24

require gopkg.in/yaml.v3 v3.0.1
END
cat >main.go <<'END'
package main

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

func main() {
	for _, text := range []string{"465", "0465", "0587", "0o465", "465.0", "4_6_5"} {
		var number struct{ Port int }
		var anything struct{ Port any }
		var words struct{ Port string }
		document := []byte("port: " + text)
		first := yaml.Unmarshal(document, &number)
		second := yaml.Unmarshal(document, &anything)
		third := yaml.Unmarshal(document, &words)
		fmt.Println(text, number.Port, fmt.Sprintf("%T", anything.Port), words.Port, first, second, third)
	}
}
END
export GOFLAGS=-mod=mod
go run . | tee out
# seen: 0465 309 int 0465 <nil> <nil> <nil>
# seen: 0587 587 float64 0587 <nil> <nil> <nil>
grep -q '^465 465 int 465 <nil> <nil> <nil>$' out
grep -q '^0465 309 int 0465 <nil> <nil> <nil>$' out
grep -q '^0587 587 float64 0587 <nil> <nil> <nil>$' out
