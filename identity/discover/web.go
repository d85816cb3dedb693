package discover

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

const (
	maxConfig    = 256 << 10 // octets of an answer
	maxRedirects = 4
)

// web returns a client that asks every name with a dot at its end, and goes on over https alone.
func (s *search) web(keepWithin string) *http.Client {
	dialer := &net.Dialer{Resolver: s.resolver()}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				host, port, err := net.SplitHostPort(addr)
				if err == nil && net.ParseIP(host) == nil && strings.Contains(host, ".") {
					addr = net.JoinHostPort(strings.TrimSuffix(host, ".")+".", port)
				}
				return dialer.DialContext(ctx, network, addr)
			},
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case r.URL.Scheme != "https":
				return errors.New("it leads away from https")
			case len(via) > maxRedirects:
				return errors.New("it leads from one address to the next without end")
			case keepWithin != "" && !within(r.URL.Hostname(), keepWithin):
				return errors.New("it leads to another domain, which the mail address is not for")
			}
			r.Header.Del("Referer")
			return nil
		},
	}
}

// get fetches a document. keepWithin is the domain that it must not lead out of; "" for anywhere.
func (s *search) get(ctx context.Context, address, keepWithin string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "esmtpq")
	answer, err := s.web(keepWithin).Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, &status{answer.StatusCode}
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxConfig+1))
	if err == nil && len(text) > maxConfig {
		err = errNonsense
	}
	return text, err
}

// errNonsense is the error for an answer that is something else.
var errNonsense = errors.New("the answer is something else than a configuration")

// A status is an answer of a web server other than 200.
type status struct{ code int }

// Error implements error.
func (e *status) Error() string {
	return fmt.Sprintf("the web server says %d %s", e.code, http.StatusText(e.code))
}

// webReason says why there is no document, and what that means.
func webReason(err error) (State, string) {
	var dns *net.DNSError
	var st *status
	var cert *tls.CertificateVerificationError
	var name x509.HostnameError
	var ue *url.Error
	switch {
	case errors.As(err, &dns):
		return reason(dns)
	case errors.As(err, &st) && st.code < 500:
		return Nothing, st.Error()
	case errors.As(err, &st):
		return Trouble, st.Error()
	case errors.As(err, &name), errors.As(err, &cert):
		return Nothing, "the web server's certificate is not for this name, or not to be trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return Nothing, "no web server there"
	case errors.Is(err, errNonsense):
		return Nothing, err.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Trouble, "no answer in time"
	case errors.As(err, &ue):
		return Trouble, ue.Err.Error()
	}
	return Trouble, err.Error()
}

// autoconfig asks the domain's own web servers.
func (s *search) autoconfig(ctx context.Context) []Finding {
	places := []string{
		"https://autoconfig." + s.domain + "/mail/config-v1.1.xml",
		"https://" + s.domain + "/.well-known/autoconfig/mail/config-v1.1.xml",
	}
	answers := make([]chan Finding, len(places))
	for i, place := range places {
		answers[i] = make(chan Finding, 1)
		go func() { answers[i] <- s.config(ctx, Autoconfig, place) }()
	}
	var all []Finding
	for i, place := range places {
		select {
		case f := <-answers[i]:
			all = append(all, f)
			if f.State == Found {
				return all
			}
		case <-ctx.Done():
			all = append(all, Finding{Source: Autoconfig, State: Trouble, At: place, Why: "no answer in time"})
		}
	}
	return all
}

// config asks one web server: first without saying for whom. Only if that brings nothing, and only the
// domain's own server autoconfig, is told the address.
func (s *search) config(ctx context.Context, source Source, place string) Finding {
	text, err := s.get(ctx, place, "")
	f := s.read(source, place, text, err)
	var st *status
	if f.State == Found || source != Autoconfig || !strings.HasPrefix(place, "https://autoconfig.") || !errors.As(err, &st) && err != nil {
		return f
	}
	text, err = s.get(ctx, place+"?emailaddress="+url.QueryEscape(s.whole()), s.domain)
	return s.read(source, place, text, err)
}

// read makes a finding of an answer.
func (s *search) read(source Source, place string, text []byte, err error) Finding {
	f := Finding{Source: source, At: place}
	if err != nil {
		f.State, f.Why = webReason(err)
		return f
	}
	root := parseXML(text)
	if root == nil || root.name != "clientconfig" {
		f.State, f.Why = Nothing, errNonsense.Error()
		return f
	}
	s.clientConfig(root, &f)
	return f
}
