#!/bin/sh
# Go 1.26.8: a program that merely links encoding/xml allocates 18 kB for it at every start, as it
# fills a table of the 252 named entities of HTML; encoding/json in the same program takes 32 octets.
#
# The table is xml.HTMLEntity, a variable that anybody may change, so that the linker cannot leave it
# out, although the decoder does not look at it unless it is told to (Decoder.Entity). It is of
# weight where a program is started for each mail.
set -eu

export GOTOOLCHAIN=go1.26.8
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf 'module example\n\ngo 1.26.0\n' >go.mod
cat >main.go <<'END'
package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
)

func main() {
	var feed struct{ Title string }
	if len(os.Args) > 1 { // never here
		json.Unmarshal([]byte(os.Args[1]), &feed)
		xml.Unmarshal([]byte(os.Args[1]), &feed)
	}
}
END
go build -o program .
GODEBUG=inittrace=1 ./program 2>&1 | sed -n 's/^init encoding\/\(xml\|json\) .* \([0-9]*\) bytes, .*/\1 \2/p' | tee out
# seen: json 32, xml 18776
awk '$1 == "xml" && $2 > 15000 { xml = 1 } $1 == "json" && $2 < 1000 { json = 1 } END { exit !(xml && json) }' out
