#!/bin/sh
# Go 1.26.8, net/mail: a Date: field with the zone EST is five hours off, or right, depending on the
# zone of the machine that reads it.
#
# RFC 5322, 4.3 gives EST, CDT and six more a fixed offset. ParseDate hands the name to the time
# package, which knows the names of the local zone only, and takes any other one for an offset of
# zero, without an error. So one header is two instants on two machines.
set -eu

export GOTOOLCHAIN=go1.26.8
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'END'
module example

go 1.26.0
END
cat >main.go <<'END'
package main

import (
	"fmt"
	"net/mail"
	"os"
	_ "time/tzdata"
)

func main() {
	for _, zone := range []string{"EST", "-0500", "PDT"} {
		date, err := mail.ParseDate("Mon, 2 Jan 2006 15:04:05 " + zone)
		fmt.Println(os.Getenv("TZ"), zone, date.UTC().Format("15:04"), err)
	}
}
END
go build -o read .
{
	TZ=UTC ./read
	TZ=America/New_York ./read
} | tee out
# seen: UTC EST 15:04 <nil>
# seen: America/New_York EST 20:04 <nil>
# seen: UTC PDT 15:04 <nil> (RFC 5322: 22:04)
grep -q '^UTC EST 15:04 <nil>$' out
grep -q '^UTC -0500 20:04 <nil>$' out
grep -q '^UTC PDT 15:04 <nil>$' out
grep -q '^America/New_York EST 20:04 <nil>$' out
grep -q '^America/New_York -0500 20:04 <nil>$' out
