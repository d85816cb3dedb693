package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"esmtpq/identity/tree"
)

// An OAuth says where an identity gets its access tokens (package oauth).
type OAuth struct {
	Provider string // name of a preset, or the address of an issuer
	Tenant   string // of Microsoft; "" for any

	ClientID        string
	ClientSecret    Secret // none for a public client
	ClientIDCommand string // shell command that prints the client ID, and the secret in a second line

	Scope, Resource                                string // "" for the provider's
	AuthorizeURL, TokenURL, DeviceURL, RedirectURL string // likewise
}

// A providerHost is the smart host of a provider.
type providerHost struct {
	host, port string
	tls        TLSMode
}

// hostOf returns the smart host that belongs to a provider; false if the name is none.
func hostOf(provider string) (providerHost, bool) {
	switch provider {
	case "google":
		return providerHost{"smtp.gmail.com", "465", TLSImplicit}, true
	case "microsoft":
		return providerHost{"smtp.office365.com", "587", TLSStartTLS}, true
	case "microsoft-personal":
		return providerHost{"smtp-mail.outlook.com", "587", TLSStartTLS}, true
	case "microsoft-us":
		return providerHost{"smtp.office365.us", "587", TLSStartTLS}, true
	case "microsoft-china":
		return providerHost{"smtp.partner.outlook.cn", "587", TLSStartTLS}, true
	case "yahoo":
		return providerHost{"smtp.mail.yahoo.com", "465", TLSImplicit}, true
	case "fastmail":
		return providerHost{"smtp.fastmail.com", "465", TLSImplicit}, true
	}
	return providerHost{}, false
}

// providerOf returns the provider that a smart host belongs to; "" if that is none of those known.
func providerOf(host string) string {
	for _, name := range [...]string{"google", "microsoft", "microsoft-personal", "microsoft-us", "microsoft-china", "yahoo", "fastmail"} {
		if h, _ := hostOf(name); strings.EqualFold(h.host, host) {
			return name
		}
	}
	return ""
}

// providerHost gives an identity without a host that of its provider, if that has one.
func (r *yamlReader) providerHost(id *Identity, seen map[string]*tree.Node) bool {
	h, ok := hostOf(id.OAuth.Provider)
	if !ok {
		return false
	}
	id.Host, id.Port = h.host, h.port
	if seen["port"] != nil || seen["tls"] != nil {
		r.fail(seen["oauth"].Line, "port and tls without host: leave them out, or write the host of the provider, too")
	}
	id.TLS = h.tls
	return true
}

// oauth reads where tokens come from: the name of a provider, or a mapping.
func (r *yamlReader) oauth(v *tree.Node, path string) *OAuth {
	o := &OAuth{}
	if v.Kind == tree.Text {
		o.Provider = r.text(v, path)
		r.provider(o, v.Line, path)
		return o
	}
	texts := map[string]*string{
		"provider": &o.Provider, "tenant": &o.Tenant, "client_id": &o.ClientID, "client_id_command": &o.ClientIDCommand,
		"scope": &o.Scope, "resource": &o.Resource,
		"authorize_url": &o.AuthorizeURL, "token_url": &o.TokenURL, "device_url": &o.DeviceURL, "redirect_url": &o.RedirectURL,
	}
	r.mapping(v, path, func(key string, v *tree.Node) bool {
		switch field := texts[key]; {
		case field != nil:
			*field = r.text(v, path+"."+key)
		case key == "client_secret":
			o.ClientSecret = r.secret(v, path+"."+key)
		default:
			return false
		}
		return true
	})
	r.provider(o, v.Line, path)
	switch {
	case o.ClientIDCommand != "" && (o.ClientID != "" || o.ClientSecret.IsSet()):
		r.fail(v.Line, "%s has a client_id_command and beside it a client_id or client_secret", path)
	case o.ClientSecret.IsSet() && o.ClientID == "":
		r.fail(v.Line, "%s has a client_secret and no client_id", path)
	}
	return o
}

// provider checks the provider, and the part of an address that a tenant is.
func (r *yamlReader) provider(o *OAuth, line int, path string) {
	_, named := hostOf(o.Provider)
	if !named && !strings.HasPrefix(o.Provider, "https://") && !strings.HasPrefix(o.Provider, "http://localhost") && !strings.HasPrefix(o.Provider, "http://127.0.0.1") {
		r.fail(line, "%s should be google, microsoft, microsoft-personal, microsoft-us, microsoft-china, yahoo, fastmail, or an address that begins with https", path)
	}
	for i := range len(o.Tenant) {
		c := o.Tenant[i] | 0x20
		if (c < 'a' || c > 'z') && (o.Tenant[i] < '0' || o.Tenant[i] > '9') && c != '-' && c != '.' {
			r.fail(line, "%s.tenant should be a domain or an ID", path)
			break
		}
	}
	for _, address := range [...]string{o.AuthorizeURL, o.TokenURL, o.DeviceURL} {
		if address != "" && !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://localhost") && !strings.HasPrefix(address, "http://127.0.0.1") {
			r.fail(line, "%s: an address should begin with https", path)
		}
	}
}

// addOAuth adds where tokens come from.
func addOAuth(n *tree.Node, o *OAuth) {
	if o == nil {
		return
	}
	m := &tree.Node{Kind: tree.Map}
	addText(m, "provider", o.Provider)
	addText(m, "tenant", o.Tenant)
	addText(m, "client_id", o.ClientID)
	addSecret(m, "client_secret", o.ClientSecret, "copy it from the file above")
	addText(m, "client_id_command", o.ClientIDCommand)
	addText(m, "scope", o.Scope)
	addText(m, "resource", o.Resource)
	addText(m, "authorize_url", o.AuthorizeURL)
	addText(m, "token_url", o.TokenURL)
	addText(m, "device_url", o.DeviceURL)
	addText(m, "redirect_url", o.RedirectURL)
	add(n, "oauth", m)
}

// OAuthClient returns the client ID and secret with which the identity is known to its provider; ""
// for none.
func (id *Identity) OAuthClient(ctx context.Context) (clientID, secret string, err error) {
	o := id.OAuth
	if o.ClientIDCommand == "" {
		return o.ClientID, o.ClientSecret.Reveal(), nil
	}
	if id.Run == nil {
		return "", "", errors.New("there is nothing here to run the client_id_command with")
	}
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	stdout, _, err := id.Run(ctx, o.ClientIDCommand)
	if err != nil {
		return "", "", fmt.Errorf("the client_id_command failed: %v", err)
	}
	first, rest, _ := bytes.Cut(stdout, []byte("\n"))
	second, _, _ := bytes.Cut(rest, []byte("\n"))
	clientID, secret = strings.TrimSpace(string(first)), strings.TrimSpace(string(second))
	if clientID == "" {
		return "", "", errors.New("the client_id_command printed nothing")
	}
	return clientID, secret, nil
}
