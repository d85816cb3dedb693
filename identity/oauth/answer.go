package oauth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"esmtpq/identity"
)

// Limits of a request.
const (
	requestLimit = 30 * time.Second
	maxAnswer    = 256 << 10
)

// client makes all requests. A redirect is not followed: one of a token endpoint would send secrets
// to wherever it points. Nothing is sent twice.
var client = &http.Client{
	Timeout:       requestLimit,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: requestLimit, DisableKeepAlives: true,
	},
}

// An answer is what came back to a request.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error    // there is none, or no whole one
	sent   bool     // the server may have got the request
	hide   []string // secrets that must not show, should the server repeat them
}

// fetch makes a request.
func fetch(req *http.Request) *answer {
	a := &answer{}
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteHeaders: func() { a.sent = true }}))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "esmtpq")
	resp, err := client.Do(req)
	if err != nil {
		a.err = withoutURL(err)
		return a
	}
	defer resp.Body.Close()
	a.status, a.header, a.sent = resp.StatusCode, resp.Header, true
	a.body, a.err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return a
}

// withoutURL returns the cause of an error of the client: addresses may have secrets in them.
func withoutURL(err error) error {
	var with *url.Error
	if errors.As(err, &with) {
		if with.Timeout() {
			return fmt.Errorf("no answer within %v", requestLimit)
		}
		return with.Err
	}
	return err
}

// A Failure is why there is no token.
type Failure struct {
	Text      string
	Permanent bool   // only a person can help
	Code      string // the server's own word for it, such as invalid_grant; "" for none

	cause error // nil for none
}

// Unwrap returns the cause, if there is one.
func (f *Failure) Unwrap() error { return f.cause }

// Error implements error.
func (f *Failure) Error() string { return f.Text }

// Passing reports whether another attempt, or another network, may be all that it takes.
func (f *Failure) Passing() bool { return !f.Permanent }

// refusal is the error that a server says (RFC 6749, section 5.2).
type refusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// refused returns the error that an answer says, whatever type it claims to have: some servers say
// it in plain text, or beside the status 200.
func (a *answer) refused() refusal {
	var r refusal
	if json.Unmarshal(a.body, &r) == nil && r.Error != "" {
		return r
	}
	if a.looksLikeHTML() {
		return refusal{}
	}
	if form, err := url.ParseQuery(string(a.body)); err == nil && form.Get("error") != "" {
		return refusal{form.Get("error"), form.Get("error_description")}
	}
	for _, code := range []string{"invalid_grant", "invalid_client", "unauthorized_client", "access_denied"} {
		if a.status >= 400 && bytes.Contains(a.body, []byte(code)) {
			return refusal{Error: code}
		}
	}
	return refusal{}
}

func (a *answer) looksLikeHTML() bool {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<")) || kind == "text/html" && !bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("{"))
}

// failure returns why an answer is none that can be used; nil if it may be. what names the request.
func (a *answer) failure(what string) *Failure {
	said := a.refused()
	said.Error, said.Description = a.hidden(said.Error), a.hidden(said.Description)
	code := clean(said.Error)
	switch {
	case a.err != nil:
		return &Failure{Text: what + " failed: " + clean(a.err.Error())}
	case a.status == http.StatusTooManyRequests || a.status == http.StatusRequestTimeout || a.status >= 500:
		return &Failure{Text: fmt.Sprintf("%s failed: the server is busy or in trouble (status %d)%s", what, a.status, a.later()), Code: code}
	case said.Error != "":
		text := what + " was refused: " + code
		if said.Description != "" {
			text += " (" + clean(said.Description) + ")"
		}
		return &Failure{Text: text, Code: code, Permanent: permanent(code)}
	case a.looksLikeHTML():
		return &Failure{Text: fmt.Sprintf("%s failed: a web page answers in place of the server (status %d), perhaps that of a network which wants a login", what, a.status)}
	case a.status >= 300 && a.status < 400:
		return &Failure{Text: fmt.Sprintf("%s failed: the server sends it elsewhere (status %d), perhaps a network which wants a login", what, a.status)}
	case a.status < 200 || a.status > 299:
		return &Failure{Text: fmt.Sprintf("%s failed: status %d", what, a.status), Permanent: a.status == http.StatusUnauthorized}
	}
	return nil
}

// hidden returns words of the server without secrets of ours, as they are and as they went out: a
// server may repeat the form or the Authorization header that it got.
func (a *answer) hidden(s string) string {
	for _, secret := range a.hide {
		if secret == "" {
			continue
		}
		escaped := url.QueryEscape(secret)
		all := []string{secret, escaped, url.PathEscape(secret)}
		for before := range 3 { // of octets, in what is base64 as a whole
			text := base64.StdEncoding.EncodeToString([]byte("xx"[:before] + escaped))
			if within := text[(8*before+5)/6 : 8*(before+len(escaped))/6]; len(within) >= 6 {
				all = append(all, within)
			}
		}
		for _, form := range all {
			s = strings.ReplaceAll(s, form, identity.Mask)
			if like, err := regexp.Compile("(?i)" + regexp.QuoteMeta(form)); err == nil { // %2F is %2f; it must be UTF-8
				s = like.ReplaceAllLiteralString(s, identity.Mask)
			}
		}
	}
	return s
}

// later says when to come back, if the server does.
func (a *answer) later() string {
	if n, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && n > 0 {
		return fmt.Sprintf(", again after %v", min(time.Duration(n)*time.Second, 24*time.Hour))
	}
	return ""
}

// permanent reports whether an error of a server is one that only a person can do something about.
// The words of RFC 6749 are not all that there are.
func permanent(code string) bool {
	switch code {
	case "temporarily_unavailable", "server_error", "slow_down", "authorization_pending":
		return false
	}
	return true
}

// clean returns the words of a server on one line, short, and without control characters.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	s = strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "?")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "..."
	}
	return s
}

// Tokens are the tokens of an answer.
type tokens struct {
	Access  string
	Refresh string // "" for none
	Scope   string
	Life    time.Duration
}

// The life of a token whose server does not say how long it is good, and the longest that is believed.
const (
	usualLife = time.Hour
	maxLife   = 90 * 24 * time.Hour
)

// parseTokens reads the tokens of an answer: JSON, or a form. Numbers may have a fraction, or be
// texts.
func parseTokens(body []byte) (*tokens, bool) {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		form, err := url.ParseQuery(string(body))
		if err != nil || form.Get("access_token") == "" {
			return nil, false
		}
		fields = map[string]any{}
		for key := range form {
			fields[key] = form.Get(key)
		}
	}
	text := func(key string) string {
		s, _ := fields[key].(string)
		return s
	}
	t := &tokens{Access: text("access_token"), Refresh: text("refresh_token"), Scope: text("scope"), Life: life(fields["expires_in"])}
	return t, t.Access != "" && text("error") == ""
}

// life returns how long a token is good.
func life(v any) time.Duration {
	if t, ok := seconds(v); ok {
		return t
	}
	return usualLife
}

// seconds returns a time that is given in seconds; false if there is none.
func seconds(v any) (time.Duration, bool) {
	n, ok := v.(float64)
	if s, isText := v.(string); isText {
		parsed, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		n, ok = parsed, err == nil
	}
	if !ok || math.IsNaN(n) || n <= 0 {
		return 0, false
	}
	return time.Duration(min(n, maxLife.Seconds()) * float64(time.Second)), true
}

// A capture is the transport under the library: it hands the answer on and keeps it.
type capture struct {
	answer *answer
	hide   []string
	before func() error            // called before the request goes out; may be nil
	after  func(body []byte) error // called with an answer that may have tokens, before anybody looks at it; may be nil
}

// RoundTrip implements http.RoundTripper.
func (c *capture) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.answer != nil {
		return nil, errors.New("a second request")
	}
	c.answer = &answer{}
	if c.before != nil {
		if c.answer.err = c.before(); c.answer.err != nil {
			return nil, c.answer.err
		}
	}
	a := fetch(req.Clone(req.Context()))
	c.answer, a.hide = a, c.hide
	if a.err != nil {
		return nil, a.err
	}
	if c.after != nil && bytes.Contains(a.body, []byte("access_token")) {
		if a.err = c.after(a.body); a.err != nil {
			return nil, a.err
		}
	}
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: a.header, Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

// httpClient returns the client for the library.
func (c *capture) httpClient() *http.Client {
	return &http.Client{Transport: c, CheckRedirect: client.CheckRedirect}
}

// result returns the tokens that were captured.
func (c *capture) result(ctx context.Context, what string) (*tokens, *Failure) {
	if c.answer == nil {
		return nil, &Failure{Text: what + " was not sent"}
	}
	if ctx.Err() != nil && c.answer.err != nil {
		return nil, &Failure{Text: what + " was interrupted"}
	}
	if f := c.answer.failure(what); f != nil {
		return nil, f
	}
	t, ok := parseTokens(c.answer.body)
	if !ok {
		return nil, &Failure{Text: what + " failed: the server's answer has no access token"}
	}
	return t, nil
}
