package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// deviceGrant is the grant of RFC 8628.
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// Times of the device grant (RFC 8628, sections 3.2 and 3.5).
const (
	usualInterval = 5 * time.Second
	slower        = 5 * time.Second
)

// A device is a server's answer to the request for a device code.
type device struct {
	code, user, page, complete string
	interval, life             time.Duration
}

// LoginDevice has a login at another device: the person opens a page there, and types a code (RFC
// 8628).
func (d *Dialogue) LoginDevice(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	p, err := find(ctx, d.Identity.OAuth)
	if err != nil {
		return err
	}
	if p.device == "" {
		return errors.New("the provider has no login by code for mail: leave --device out; on a machine without a browser, paste the address of the last page")
	}
	r, secret, err := d.client(ctx, p, "")
	if err != nil {
		return err
	}
	dev, err := p.deviceCode(ctx, r, secret)
	if err != nil {
		return withBrowser(err)
	}
	d.Say("Open this address in a browser on any machine:\n\n%s\n\nand type this code there: %s\n", dev.page, dev.user)
	if dev.complete != "" {
		d.Say("(or open %s)\n", dev.complete)
	}
	t, err := p.poll(ctx, r, secret, dev)
	if err != nil {
		return withBrowser(err)
	}
	return d.store(p, r, t, "log in without --device, which the provider may treat better")
}

// withBrowser adds to a failure that there is another way.
func withBrowser(err error) error {
	return fmt.Errorf("%w; if the provider refuses this way, leave --device out", err)
}

// post sends a form with the client's name and secret.
func (p *provider) post(ctx context.Context, address string, r *record, secret string, form url.Values) *answer {
	header := p.style == oauth2.AuthStyleInHeader && secret != ""
	if !header {
		form.Set("client_id", r.ClientID)
	}
	if !header && secret != "" {
		form.Set("client_secret", secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return &answer{err: err}
	}
	if header {
		req.SetBasicAuth(url.QueryEscape(r.ClientID), url.QueryEscape(secret))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a := fetch(req)
	a.hide = []string{secret, form.Get("device_code")}
	return a
}

// deviceCode asks for a device code.
func (p *provider) deviceCode(ctx context.Context, r *record, secret string) (*device, error) {
	form := url.Values{"scope": {p.scope}}
	if p.resource != "" {
		form.Set("resource", p.resource)
	}
	a := p.post(ctx, p.device, r, secret, form)
	if f := a.failure("the request for a code"); f != nil {
		return nil, f
	}
	var fields map[string]any
	if json.Unmarshal(a.body, &fields) != nil {
		return nil, errors.New("the server's answer to the request for a code makes no sense")
	}
	text := func(names ...string) string {
		for _, name := range names {
			if s, ok := fields[name].(string); ok && s != "" {
				return s
			}
		}
		return ""
	}
	dev := &device{
		code: text("device_code"), user: clean(text("user_code")), page: clean(text("verification_uri", "verification_url")),
		complete: clean(text("verification_uri_complete")), interval: usualInterval, life: loginLimit,
	}
	if t, ok := seconds(fields["interval"]); ok {
		dev.interval = max(min(t, time.Minute), time.Second)
	}
	if t, ok := seconds(fields["expires_in"]); ok {
		dev.life = min(t, loginLimit)
	}
	if dev.code == "" || dev.user == "" || dev.page == "" {
		return nil, errors.New("the server's answer to the request for a code has none")
	}
	return dev, nil
}

// poll asks for the tokens until the person has allowed the access. Trouble of the server or the
// network between two requests is no reason to give up.
func (p *provider) poll(ctx context.Context, r *record, secret string, dev *device) (*tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, dev.life)
	defer cancel()
	interval := dev.interval
	for {
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return nil, errors.New("nobody has allowed the access in time")
		}
		a := p.post(ctx, p.token, r, secret, url.Values{"grant_type": {deviceGrant}, "device_code": {dev.code}})
		failed := a.failure("the login")
		if failed == nil {
			if t, ok := parseTokens(a.body); ok {
				return t, nil
			}
			continue
		}
		switch {
		case failed.Code == "slow_down":
			interval += slower
		case failed.Code == "expired_token":
			return nil, errors.New("nobody has allowed the access in time")
		case failed.Permanent:
			return nil, failed
		}
	}
}
