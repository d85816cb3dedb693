package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"esmtpq/identity"
)

// A provider is an authorization server, as one identity uses it.
type provider struct {
	issuer    string // "" where it is not known
	authorize string // endpoints; "" for none
	token     string
	device    string
	register  string
	says      bool // answers name the issuer (RFC 9207)

	scope    string
	resource string            // RFC 8707; "" for none
	redirect string            // without a port, if any port will do
	more     map[string]string // further parameters of the authorization request
	style    oauth2.AuthStyle
}

// microsoft returns the provider of one of Microsoft's clouds.
func microsoft(login, resource, tenant string) *provider {
	base := "https://" + login + "/" + tenant + "/oauth2/v2.0/"
	return &provider{
		authorize: base + "authorize", token: base + "token", device: base + "devicecode",
		scope: "https://" + resource + "/SMTP.Send offline_access", redirect: "http://localhost",
		// To be asked for consent again is refused where an administrator has given it for all.
		more: map[string]string{"prompt": "select_account"},
	}
}

// preset returns the provider of a name; nil if there is none.
func preset(name, tenant string) *provider {
	work := tenant
	if work == "" {
		work = "organizations"
	}
	switch name {
	case "google":
		return &provider{
			issuer: "https://accounts.google.com", authorize: "https://accounts.google.com/o/oauth2/v2/auth", token: "https://oauth2.googleapis.com/token",
			scope: "https://mail.google.com/", redirect: "http://127.0.0.1",
			more: map[string]string{"access_type": "offline", "prompt": "consent"},
		}
	case "microsoft":
		return microsoft("login.microsoftonline.com", "outlook.office.com", work)
	case "microsoft-personal":
		return microsoft("login.microsoftonline.com", "outlook.office.com", "consumers")
	case "microsoft-us":
		return microsoft("login.microsoftonline.us", "outlook.office365.us", work)
	case "microsoft-china":
		return microsoft("login.partner.microsoftonline.cn", "partner.outlook.cn", work)
	case "yahoo":
		return &provider{
			authorize: "https://api.login.yahoo.com/oauth2/request_auth", token: "https://api.login.yahoo.com/oauth2/get_token",
			scope: "mail-w", redirect: "https://127.0.0.1",
		}
	case "fastmail":
		return &provider{
			issuer: "https://api.fastmail.com", authorize: "https://api.fastmail.com/oauth/authorize", token: "https://api.fastmail.com/oauth/refresh",
			scope: "https://www.fastmail.com/dev/protocol-smtp offline_access", redirect: "http://localhost",
		}
	}
	return nil
}

// find returns the provider of an identity. It asks the server for what the configuration and the
// presets do not know.
func find(ctx context.Context, o *identity.OAuth) (*provider, error) {
	p := preset(o.Provider, o.Tenant)
	if p == nil {
		p = &provider{issuer: strings.TrimSuffix(o.Provider, "/"), redirect: "http://127.0.0.1", scope: "offline_access",
			// Without consent some servers leave the refresh token out, and say nothing.
			more: map[string]string{"prompt": "consent"}}
	}
	known := p.authorize != "" && p.token != "" || o.TokenURL != ""
	if !known || p.issuer != "" && o.ClientID == "" && o.ClientIDCommand == "" {
		if err := p.discover(ctx); err != nil && !known {
			return nil, err
		}
	}
	for _, set := range [...]struct {
		field *string
		value string
	}{
		{&p.authorize, o.AuthorizeURL}, {&p.token, o.TokenURL}, {&p.device, o.DeviceURL},
		{&p.scope, o.Scope}, {&p.resource, o.Resource}, {&p.redirect, o.RedirectURL},
	} {
		if set.value != "" {
			*set.field = set.value
		}
	}
	if p.style == oauth2.AuthStyleAutoDetect {
		p.style = oauth2.AuthStyleInParams // never to be found out: that sends each failed request twice
	}
	for _, address := range []string{p.authorize, p.token, p.device, p.register} {
		if err := safe(address); err != nil {
			return nil, err
		}
	}
	if p.token == "" {
		return nil, errors.New("no token endpoint is known: set token_url")
	}
	return p, nil
}

// safe returns an error for an address that a secret must not go to.
func safe(address string) error {
	u, err := url.Parse(address)
	if address == "" || err == nil && u.Scheme == "https" || err == nil && u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%s is no address that begins with https", clean(address))
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// metadata is what an authorization server says about itself (RFC 8414, section 2).
type metadata struct {
	Issuer    string   `json:"issuer"`
	Authorize string   `json:"authorization_endpoint"`
	Token     string   `json:"token_endpoint"`
	Device    string   `json:"device_authorization_endpoint"`
	Register  string   `json:"registration_endpoint"`
	Says      bool     `json:"authorization_response_iss_parameter_supported"`
	Methods   []string `json:"token_endpoint_auth_methods_supported"`
	Scopes    []string `json:"scopes_supported"`
}

// discover asks the server where its endpoints are. What is known stays.
func (p *provider) discover(ctx context.Context) error {
	if err := safe(p.issuer); err != nil {
		return err
	}
	u, err := url.Parse(p.issuer)
	if err != nil {
		return err
	}
	// RFC 8414, section 3, puts the name before the path of the issuer, OpenID Connect behind it.
	path := strings.TrimSuffix(u.Path, "/")
	u.Path = ""
	var last error
	for _, where := range []string{
		u.String() + "/.well-known/oauth-authorization-server" + path, u.String() + path + "/.well-known/openid-configuration",
	} {
		var m metadata
		if last = getJSON(ctx, where, &m); last != nil {
			continue
		}
		if strings.TrimSuffix(m.Issuer, "/") != p.issuer {
			return fmt.Errorf("%s says that it is another server, %s (RFC 8414, section 3.3)", p.issuer, clean(m.Issuer))
		}
		p.take(&m)
		return nil
	}
	return fmt.Errorf("%s does not say where its endpoints are: %w", p.issuer, last)
}

// take takes over what is not known yet.
func (p *provider) take(m *metadata) {
	for _, set := range [...]struct {
		field *string
		value string
	}{{&p.authorize, m.Authorize}, {&p.token, m.Token}, {&p.device, m.Device}, {&p.register, m.Register}} {
		if *set.field == "" {
			*set.field = set.value
		}
	}
	p.says = m.Says
	if slices.Contains(m.Methods, "client_secret_basic") && !slices.Contains(m.Methods, "client_secret_post") && !slices.Contains(m.Methods, "none") {
		p.style = oauth2.AuthStyleInHeader
	}
	if p.scope == "offline_access" && slices.Contains(m.Scopes, mailScope) {
		p.scope = mailScope + " offline_access"
	}
}

// mailScope is the scope of public clients for mail (draft-ietf-mailmaint-oauth-public).
const mailScope = "urn:ietf:params:oauth:scope:mail"

// registered is a client that a server knows (RFC 7591, section 3.2.1).
type registered struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// registration registers this program as a public client with the server.
func (p *provider) registration(ctx context.Context, redirect string) (*registered, error) {
	body, err := json.Marshal(map[string]any{
		"client_name": "esmtpq", "redirect_uris": []string{redirect}, "token_endpoint_auth_method": "none",
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
		"application_type": "native", "scope": p.scope,
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.register, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	a := fetch(req)
	var r registered
	if f := a.failure("the registration"); f != nil {
		return nil, f
	}
	if json.Unmarshal(a.body, &r) != nil || r.ID == "" {
		return nil, errors.New("the server's answer to the registration has no client_id")
	}
	return &r, nil
}

// getJSON reads a JSON document.
func getJSON(ctx context.Context, address string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	a := fetch(req)
	if f := a.failure("the request"); f != nil {
		return f
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return errors.New("it is no JSON")
	}
	return nil
}
