package oauth

import (
	"encoding/base64"
	"net/url"
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

// A server that repeats what it got does not show secrets, however they went out.
func TestRepeatedSecrets(t *testing.T) {
	for _, secret := range []string{"plain-secret", "1//0gREFRESH+x/y=z", "GOC SPX/é=%", "octets\xff\xfe/REFRESH"} {
		for _, form := range []string{
			secret, url.Values{"refresh_token": {secret}}.Encode(), strings.ReplaceAll(url.QueryEscape(secret), "%2F", "%2f"), "/x/" + url.PathEscape(secret),
			"Basic " + base64.StdEncoding.EncodeToString([]byte("c:"+url.QueryEscape(secret))), base64.StdEncoding.EncodeToString([]byte("cid:" + url.QueryEscape(secret))),
		} {
			a := &answer{status: 400, body: []byte(url.Values{"error": {"invalid_request"}, "error_description": {"got " + form + " there"}}.Encode()), hide: []string{secret}}
			text := a.failure("it").Text
			if !strings.Contains(text, "***") || strings.Contains(text, form) || strings.Contains(text, "REFRESH") || strings.Contains(text, "SPX") {
				t.Errorf("%q: %s", form, text)
			}
		}
	}
}
