package oauth

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"esmtpq/identity"
)

// margin is how long before its end a token is renewed. Some hosts refuse one that is about to end.
const margin = 10 * time.Minute

// youngToken is how long a token is taken for as good as it gets: if a host refuses it, another one
// of the same login will not help.
const youngToken = time.Minute

// A Source has the access tokens of an identity.
type Source struct {
	Home     string
	Identity *identity.Identity

	now func() time.Time // time.Now, if nil
}

func (s *Source) time() time.Time {
	if s.now != nil {
		return s.now().Round(0)
	}
	return time.Now().Round(0) // the clock of the wall goes on in sleep
}

// Login is the command that helps when there is no token.
func (s *Source) login() string { return "run: esmtpq oauth login " + shellWord(s.Identity.Name) }

// shellWord returns a word as one types it in a shell.
func shellWord(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-+,@%", r)
	}) || s == "" {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// Token returns an access token: the one at hand if it is good for a while, or else a new one. If
// refused is not empty, the host has refused that token, and another one is returned, or the same
// if there is no other. The error says what to do.
func (s *Source) Token(ctx context.Context, refused string) (string, error) {
	st := at(s.Home, s.Identity.Name)
	if r, err := st.read(); err == nil && s.fits(r) == nil && r.Answer == "" && s.good(r, refused, margin) {
		return r.Access, nil
	}
	unlock, err := st.lock(ctx)
	if err != nil {
		return "", &Failure{Text: "the tokens are locked by another run of esmtpq: " + err.Error(), cause: err}
	}
	defer unlock()
	r, err := st.read() // another delivery may have renewed it meanwhile
	switch {
	case errors.Is(err, errNone):
		return "", errors.New("there has been no login; " + s.login())
	case err != nil:
		return "", err
	}
	if err := s.fits(r); err != nil {
		return "", err
	}
	if err := settleAnswer(st, r); err != nil {
		return "", err
	}
	return s.renewed(ctx, st, r, refused)
}

// good reports whether the token of a record can be used for that long.
func (s *Source) good(r *record, refused string, long time.Duration) bool {
	// A token that does not last for long is renewed in the second half of its life.
	long = min(long, r.Expires.Sub(r.Obtained)/2)
	return r.Access != "" && r.Access != refused && s.time().Add(long).Before(r.Expires)
}

// fits returns an error if the record is of another login than the one that is configured.
func (s *Source) fits(r *record) error {
	o := s.Identity.OAuth
	if r.Provider != o.Provider || o.ClientID != "" && o.ClientID != r.ClientID || o.TokenURL != "" && o.TokenURL != r.TokenURL {
		return errors.New("the configuration names another provider or client than at the login; " + s.login())
	}
	return nil
}

// settleAnswer takes the tokens of an answer that was stored and not looked at: a crash came
// between.
func settleAnswer(st *store, r *record) error {
	if r.Answer == "" {
		return nil
	}
	if t, ok := parseTokens([]byte(r.Answer)); ok {
		r.take(t, r.Asked)
	}
	r.Answer, r.Asked = "", time.Time{}
	return st.write(r)
}

// take takes tokens over, which came at this time.
func (r *record) take(t *tokens, now time.Time) {
	r.Access, r.Expires, r.Obtained, r.Failed = t.Access, now.Add(t.Life), now, ""
	if t.Refresh != "" {
		r.Refresh = t.Refresh
	}
	if t.Scope != "" {
		r.Scope = t.Scope
	}
}

// renewed returns a token under the lock: the one that is there if it will do, or a new one.
func (s *Source) renewed(ctx context.Context, st *store, r *record, refused string) (string, error) {
	old := s.good(r, refused, 0) // it can still be used if there is no new one
	switch {
	case s.good(r, refused, margin):
		return r.Access, nil
	case refused != "" && r.Access == refused && s.time().Before(r.Obtained.Add(youngToken)) && s.time().After(r.Obtained):
		return refused, nil
	case old && !r.Asked.IsZero():
		// A renewal was sent and not answered. Sent again, it would be the second use of a refresh
		// token, for which a server may end the whole login.
		return r.Access, nil
	}
	err := s.renew(ctx, st, r)
	if err != nil && old {
		return r.Access, nil
	}
	if err != nil {
		return "", err
	}
	return r.Access, nil
}

// renew asks the server for new tokens, and stores them.
func (s *Source) renew(ctx context.Context, st *store, r *record) error {
	secret, err := s.secret(ctx, r)
	if err != nil {
		return err
	}
	c := &capture{
		hide: []string{r.Refresh, r.Access, secret},
		before: func() error {
			r.Asked = s.time()
			return st.write(r)
		},
		after: func(body []byte) error {
			r.Answer = string(body)
			return st.write(r)
		},
	}
	conf := oauth2.Config{ClientID: r.ClientID, ClientSecret: secret, Endpoint: oauth2.Endpoint{TokenURL: r.TokenURL, AuthStyle: r.style()}}
	old := &oauth2.Token{RefreshToken: r.Refresh}
	conf.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, c.httpClient()), old).Token() // what came of it is in c
	t, failed := c.result(ctx, "the renewal of the access token")
	if failed == nil {
		r.take(t, s.time())
		r.Answer, r.Asked = "", time.Time{}
		return st.write(r)
	}
	r.Failed = failed.Text
	if c.answer != nil && (c.answer.status != 0 && c.answer.err == nil || !c.answer.sent) {
		r.Asked = time.Time{} // it was answered, or never went out
	}
	r.Answer = ""
	if err := st.write(r); err != nil {
		return err
	}
	if failed.Permanent {
		return &Failure{Text: failed.Text + "; " + s.login(), Permanent: true, Code: failed.Code}
	}
	return &Failure{Text: failed.Text + "; it is tried again", Code: failed.Code}
}

// style returns how the client's secret is sent. It is never left to be found out.
func (r *record) style() oauth2.AuthStyle {
	if r.Header {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

// secret returns the client's secret; "" for a public client.
func (s *Source) secret(ctx context.Context, r *record) (string, error) {
	if o := s.Identity.OAuth; o.ClientID == "" && o.ClientIDCommand == "" {
		return r.ClientSecret, nil // as registered
	}
	id, secret, err := s.Identity.OAuthClient(ctx)
	if err == nil && id != r.ClientID {
		err = errors.New("the client_id is another one than at the login; " + s.login())
	}
	return secret, err
}
