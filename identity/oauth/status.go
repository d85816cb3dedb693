package oauth

import (
	"context"
	"errors"
	"time"
)

// Status is what is known of the login of an identity.
type Status struct {
	Login   time.Time // when the person logged in
	Expires time.Time // of the access token
	Scope   string
	Failed  string // why the last renewal failed; "" if it did not
	Missing string // why there is no token at all; "" if there is one
}

// Status tells about the login without any request.
func (s *Source) Status() Status {
	r, err := at(s.Home, s.Identity.Name).read()
	if err == nil {
		err = s.fits(r)
	}
	switch {
	case errors.Is(err, errNone):
		return Status{Missing: "no login yet; " + s.login()}
	case err != nil:
		return Status{Missing: err.Error()}
	}
	return Status{Login: r.Login, Expires: r.Expires, Scope: r.Scope, Failed: r.Failed}
}

// Logout forgets the tokens of the identity. It reports whether there were any.
func (s *Source) Logout(ctx context.Context) (bool, error) {
	st := at(s.Home, s.Identity.Name)
	unlock, err := st.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	_, err = st.read()
	return !errors.Is(err, errNone), st.remove()
}
