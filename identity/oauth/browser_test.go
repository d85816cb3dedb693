package oauth

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A browser is a person who allows everything: it follows every redirect, and sends every form that
// it meets.
type browser struct {
	t    testing.TB
	http *http.Client
}

func newBrowser(t testing.TB) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

var (
	formTag  = regexp.MustCompile(`(?s)<form.*?action="([^"]*)"`)
	inputTag = regexp.MustCompile(`<(?:input|button)[^>]*>`)
	attr     = regexp.MustCompile(`([a-z]+)="([^"]*)"`)
)

// visit opens a page and goes on to the last one, whose address and text it returns.
func (b *browser) visit(address string, typed map[string]string) (last *url.URL, text string) {
	b.t.Helper()
	resp, err := b.http.Get(address)
	for range 10 {
		if err != nil {
			b.t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		last, text = resp.Request.URL, string(body)
		form := formTag.FindStringSubmatch(text)
		if form == nil || resp.StatusCode >= 400 {
			return last, text
		}
		to, err := last.Parse(html.UnescapeString(form[1]))
		if err != nil {
			b.t.Fatal(err)
		}
		resp, err = b.http.PostForm(to.String(), fill(text, typed))
		if err != nil {
			b.t.Fatal(err)
		}
	}
	b.t.Fatalf("form after form: %s", text)
	return nil, ""
}

// fill fills in a form.
func fill(text string, typed map[string]string) url.Values {
	values := url.Values{}
	for _, tag := range inputTag.FindAllString(text, -1) {
		a := map[string]string{}
		for _, m := range attr.FindAllStringSubmatch(tag, -1) {
			a[m[1]] = html.UnescapeString(m[2])
		}
		if name := a["name"]; name != "" && name != "abort" && !strings.Contains(tag, "disabled") {
			values.Set(name, a["value"])
			if typed[name] != "" {
				values.Set(name, typed[name])
			}
		}
	}
	return values
}
