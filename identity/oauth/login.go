package oauth

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// loginLimit is how long a person has for the pages of a login.
const loginLimit = 15 * time.Minute

// A Dialogue is a login with a person.
type Dialogue struct {
	*Source
	In  io.Reader // what the person types
	Say func(format string, args ...any)
}

// Login has a login in a browser: the authorization code grant with PKCE (RFC 6749, RFC 7636, RFC
// 8252). The browser ends at an address of this machine; where it runs on another one, the person
// pastes that address.
func (d *Dialogue) Login(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loginLimit)
	defer cancel()
	p, err := find(ctx, d.Identity.OAuth)
	if err != nil {
		return err
	}
	if p.authorize == "" {
		return errors.New("the provider has no page to log in at: try esmtpq oauth login --device")
	}
	back, err := listen(p.redirect)
	if err != nil {
		return err
	}
	defer back.close()
	r, secret, err := d.client(ctx, p, back.redirect)
	if err != nil {
		return err
	}
	conf := oauth2.Config{ClientID: r.ClientID, ClientSecret: secret, RedirectURL: back.redirect, Scopes: strings.Fields(p.scope),
		Endpoint: oauth2.Endpoint{AuthURL: p.authorize, TokenURL: p.token, AuthStyle: p.style}}
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	page := conf.AuthCodeURL(state, append(p.parameters(d.Identity.Username), oauth2.S256ChallengeOption(verifier))...)
	d.Say("Open this address in a browser, and allow the access:\n\n%s\n\n", page)
	if back.listening() {
		d.Say("Then this goes on by itself. If the browser runs on another machine, its last page is an error;\n")
	}
	d.Say("copy the address of the last page, paste it here, and press Return.\n")
	code, err := d.await(ctx, back, p, state)
	if err != nil {
		return withDevice(p, err)
	}
	c := &capture{hide: []string{code, verifier, secret}}
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(verifier)}
	if p.resource != "" {
		options = append(options, oauth2.SetAuthURLParam("resource", p.resource))
	}
	conf.Exchange(context.WithValue(ctx, oauth2.HTTPClient, c.httpClient()), code, options...) // what came of it is in c
	t, failed := c.result(ctx, "the login")
	if failed != nil {
		return withDevice(p, failed)
	}
	return d.store(p, r, t, "")
}

// withDevice adds to a failure that there is another way.
func withDevice(p *provider, err error) error {
	if p.device == "" {
		return err
	}
	return fmt.Errorf("%w; if the provider refuses this way, try esmtpq oauth login --device", err)
}

// parameters returns those of the authorization request that not every provider has.
func (p *provider) parameters(user string) []oauth2.AuthCodeOption {
	var all []oauth2.AuthCodeOption
	for key, value := range p.more {
		all = append(all, oauth2.SetAuthURLParam(key, value))
	}
	if p.resource != "" {
		all = append(all, oauth2.SetAuthURLParam("resource", p.resource))
	}
	if strings.Contains(user, "@") {
		all = append(all, oauth2.SetAuthURLParam("login_hint", user))
	}
	return all
}

// client returns the beginning of a record, with the client that logs in, and the client's secret.
// Where none is configured, the program registers itself if the server allows that.
func (d *Dialogue) client(ctx context.Context, p *provider, redirect string) (*record, string, error) {
	o := d.Identity.OAuth
	r := &record{Identity: d.Identity.Name, Provider: o.Provider, TokenURL: p.token, Header: p.style == oauth2.AuthStyleInHeader}
	id, secret, err := d.Identity.OAuthClient(ctx)
	switch {
	case err != nil:
		return nil, "", err
	case id != "":
		r.ClientID = id
		return r, secret, nil
	case p.register == "" || redirect == "":
		return nil, "", errors.New("there is no client_id, and the provider does not give one by itself: see docs/oauth.md for how to get one, and set client_id")
	}
	got, err := p.registration(ctx, redirect)
	if err != nil {
		return nil, "", err
	}
	r.ClientID, r.ClientSecret = got.ID, got.Secret
	return r, got.Secret, nil
}

// store keeps what a login has brought.
func (d *Dialogue) store(p *provider, r *record, t *tokens, why string) error {
	if t.Refresh == "" {
		if why == "" {
			why = "allow access for longer (the scope " + p.scope + ", perhaps with offline_access)"
		}
		return fmt.Errorf("the provider gave a token for %v and none to renew it with (a refresh token), so that mail would stop then: %s", t.Life.Round(time.Minute), why)
	}
	r.take(t, d.time())
	r.Login = d.time()
	st := at(d.Home, d.Identity.Name)
	ctx, cancel := context.WithTimeout(context.Background(), 2*requestLimit)
	defer cancel()
	unlock, err := st.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return st.write(r)
}

// A backChannel is the loopback address that a browser ends at (RFC 8252, section 7.3).
type backChannel struct {
	redirect  string // the whole address
	listeners []net.Listener
	server    *http.Server
	came      chan url.Values
}

// listen waits for the browser at a redirect address; without a port, any that is free is taken. At
// an address that only another program can have, nothing is waited for.
func listen(redirect string) (*backChannel, error) {
	b := &backChannel{redirect: redirect, came: make(chan url.Values, 1)}
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme == "" {
		return nil, errors.New("redirect_url is no address such as http://127.0.0.1")
	}
	if u.Scheme != "http" || !loopback(u.Hostname()) {
		return b, nil
	}
	port := u.Port()
	for _, host := range loopbackHosts(u.Hostname()) {
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			if len(b.listeners) > 0 {
				continue // of two addresses for localhost one may be missing
			}
			return nil, fmt.Errorf("nothing can wait for the browser: %w", err)
		}
		b.listeners = append(b.listeners, l)
		_, port, _ = net.SplitHostPort(l.Addr().String())
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	b.redirect = u.String()
	b.serve(u.Path)
	return b, nil
}

func loopbackHosts(host string) []string {
	if host == "localhost" {
		return []string{"127.0.0.1", "::1"}
	}
	return []string{host}
}

// serve answers the browser.
func (b *backChannel) serve(path string) {
	if path == "" {
		path = "/"
	}
	b.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		q := r.URL.Query()
		if r.URL.Path != path || !q.Has("code") && !q.Has("error") {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, "Done. Go back to the terminal; this page can be closed.\n")
		select {
		case b.came <- q:
		default:
		}
	})}
	for _, l := range b.listeners {
		go b.server.Serve(l)
	}
}

func (b *backChannel) listening() bool { return b.server != nil }

// close ends the waiting, once the browser has its page.
func (b *backChannel) close() {
	if b.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if b.server.Shutdown(ctx) != nil {
		b.server.Close()
	}
}

// await waits for the authorization code, from the browser or from the person. Answers that do not
// belong to this login are passed over.
func (d *Dialogue) await(ctx context.Context, back *backChannel, p *provider, state string) (string, error) {
	typed := make(chan string)
	go func() {
		defer close(typed)
		lines := bufio.NewScanner(d.In)
		lines.Buffer(nil, 64<<10)
		for lines.Scan() {
			select {
			case typed <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		var code string
		var err error
		select {
		case q := <-back.came:
			code, err = p.code(q, state)
		case line, ok := <-typed:
			if !ok {
				if typed = nil; !back.listening() {
					return "", errors.New("the input ended before the address was pasted")
				}
				continue
			}
			code, err = p.pasted(line, state)
		case <-ctx.Done():
			return "", errors.New("nobody has allowed the access in time")
		}
		switch {
		case errors.Is(err, errForeign):
			d.Say("That answer belongs to another login, or to none. Paste the whole address of the last page.\n")
		case err != nil || code != "":
			return code, err
		}
	}
}

// errForeign is the error for an answer that does not belong to the login.
var errForeign = errors.New("the answer belongs to another login")

// code takes the authorization code out of an answer.
func (p *provider) code(q url.Values, state string) (string, error) {
	if q.Get("state") != state {
		return "", errForeign
	}
	if iss := q.Get("iss"); iss != "" && p.issuer != "" && strings.TrimSuffix(iss, "/") != p.issuer || iss == "" && p.says {
		return "", fmt.Errorf("the answer is of another server than %s (RFC 9207): somebody may be mixing up logins", p.issuer)
	}
	if code := q.Get("error"); code != "" {
		return "", &Failure{Text: strings.TrimSpace("the login was refused: " + clean(code) + " " + clean(q.Get("error_description"))), Code: clean(code), Permanent: true}
	}
	return q.Get("code"), nil
}

// pasted takes the authorization code out of what a person pastes: the address of the last page, its
// query, or the code alone, which some providers show on a page.
func (p *provider) pasted(line, state string) (string, error) {
	line = strings.TrimSpace(line)
	switch {
	case line == "":
		return "", nil
	case strings.Contains(line, "code=") || strings.Contains(line, "error="):
		if _, query, ok := strings.Cut(line, "?"); ok {
			line = query
		}
		line, _, _ = strings.Cut(line, "#")
		q, err := url.ParseQuery(line)
		if err != nil {
			return "", errForeign
		}
		return p.code(q, state)
	case strings.ContainsAny(line, " :?&"):
		return "", errForeign
	}
	return line, nil
}
