#!/bin/sh
# golang.org/x/oauth2 0.38.0 sends a refresh that fails a second time, if no AuthStyle is set.
#
# With the zero value, AuthStyleAutoDetect, a failed request is repeated with the client's secret in
# another place, whatever the failure was: a 503 too. A server that rotates refresh tokens takes the
# second use of one for a theft, and revokes all tokens of the login. With an AuthStyle there is one
# request.
set -eu

export GOTOOLCHAIN=go1.26.8
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'END'
module example

go 1.26.0

require golang.org/x/oauth2 v0.38.0
END
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"golang.org/x/oauth2"
)

func main() {
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInParams} {
		var used []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _, basic := r.BasicAuth()
			used = append(used, fmt.Sprintf("%s (basic %v)", r.FormValue("refresh_token"), basic))
			w.WriteHeader(503)
		}))
		config := oauth2.Config{ClientID: "id", ClientSecret: "secret",
			Endpoint: oauth2.Endpoint{TokenURL: server.URL, AuthStyle: style}}
		config.TokenSource(context.Background(), &oauth2.Token{RefreshToken: "once"}).Token()
		fmt.Println(style, len(used), used)
		server.Close()
	}
}
END
GOFLAGS=-mod=mod go run . | tee out
# seen: 0 2 [once (basic true) once (basic false)]
# seen: 1 1 [once (basic false)]
grep -qxF '0 2 [once (basic true) once (basic false)]' out
grep -qxF '1 1 [once (basic false)]' out
