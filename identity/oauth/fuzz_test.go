package oauth

import (
	"strings"
	"testing"
)

// Whatever a server answers, there are tokens with a time, or a failure of one short line.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","expires_in":3599.5}`), 200)
	f.Add([]byte(`error=invalid_grant&error_description=x`), 400)
	f.Add([]byte(`<html>`), 503)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		a := &answer{status: status, body: body}
		if failed := a.failure("it"); failed != nil {
			if len(failed.Text) > 700 || strings.ContainsAny(failed.Text, "\r\n\x00") {
				t.Errorf("%q", failed.Text)
			}
			return
		}
		if got, ok := parseTokens(body); ok && (got.Access == "" || got.Life <= 0 || got.Life > maxLife) {
			t.Errorf("%q: %+v", body, got)
		}
	})
}
