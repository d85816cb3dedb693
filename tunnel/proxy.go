package tunnel

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/proxy"
)

// The kinds of a Proxy.
const (
	SOCKS5 = "socks5" // RFC 1928
	HTTP   = "http"   // CONNECT (RFC 9110, 9.3.6)
)

// A Proxy connects to a smart host for us. It looks up the host's name, too.
type Proxy struct {
	Kind     string // SOCKS5 or HTTP
	Host     string
	Port     string // a number or a service
	User     string // to log in with (RFC 1929; Basic, RFC 7617); "" for no login
	Password string
}

// String returns the proxy as it is configured, without what it is logged in with.
func (p *Proxy) String() string { return p.Kind + "://" + net.JoinHostPort(p.Host, p.Port) }

// A ProxyError says why a proxy brought no connection about. It wraps nothing: what the system says
// of a proxy is not so of the smart host.
type ProxyError struct {
	Proxy string // Proxy.String
	Text  string
}

func (e *ProxyError) Error() string { return "the proxy " + e.Proxy + " " + e.Text }

// failed returns the error for what has gone wrong. A proxy may repeat what it was told.
func (p *Proxy) failed(text string) *ProxyError { return &ProxyError{p.String(), p.masked(text)} }

// minSecret is the length from which a password is looked for: a shorter one occurs in ordinary words.
const minSecret = 4

// masked returns words of the proxy without the password.
func (p *Proxy) masked(text string) string {
	if len(p.Password) < minSecret {
		return text
	}
	for _, form := range [...]string{p.basic(), base64.StdEncoding.EncodeToString([]byte(p.Password)), p.Password} {
		text = strings.ReplaceAll(text, form, "***")
	}
	return text
}

// basic returns user name and password as HTTP carries them (RFC 7617).
func (p *Proxy) basic() string {
	return base64.StdEncoding.EncodeToString([]byte(p.User + ":" + p.Password))
}

// connect asks the proxy at the other end of conn for a connection to a host, and returns that. It
// reads no octet that is the host's.
func (p *Proxy) connect(ctx context.Context, conn socket, host, port string) (net.Conn, error) {
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		return nil, p.failed("cannot be told of port " + port + ", which is no service here")
	}
	target := net.JoinHostPort(asciiHost(host), strconv.Itoa(number))
	ask := p.socks
	if p.Kind == HTTP {
		ask = p.http
	}
	begun := time.Now()
	if err := ask(ctx, conn, target); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
			took := time.Since(begun).Round(100 * time.Millisecond)
			return nil, p.failed(fmt.Sprintf("did not answer within %v: it may wait for %s, or be no %s proxy", took, target, p.Kind))
		}
		return nil, err
	}
	return &proxied{socket: conn, proxy: p, target: target}, nil
}

// socks asks a SOCKS5 proxy.
func (p *Proxy) socks(ctx context.Context, conn socket, target string) error {
	var auth *proxy.Auth
	if p.User != "" {
		auth = &proxy.Auth{User: p.User, Password: p.Password}
	}
	dialer, err := proxy.SOCKS5("tcp", net.JoinHostPort(p.Host, p.Port), auth, connected{conn})
	if err != nil {
		return p.failed(err.Error())
	}
	_, err = dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", target)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return p.failed(p.socksReason(err, target))
}

// connected is a dialer for which the connection to the proxy is there already.
type connected struct{ conn net.Conn }

func (c connected) Dial(string, string) (net.Conn, error) { return c.conn, nil }
func (c connected) DialContext(context.Context, string, string) (net.Conn, error) {
	return c.conn, nil
}

// socksReason says what an error of package proxy means.
func (p *Proxy) socksReason(err error, target string) string {
	said := cause(err)
	reply, refused := strings.CutPrefix(said, "unknown error ")
	version, other := strings.CutPrefix(said, "unexpected protocol version ")
	switch {
	case refused && reply == "connection not allowed by ruleset":
		return "does not allow connections to " + target
	case refused && reply == "general SOCKS server failure":
		return "cannot connect to " + target + " and does not say why; it may not know the name"
	case refused:
		return "cannot connect to " + target + ": " + reply
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET):
		return "closed the connection without an answer: it cannot connect to " + target + ", or is no SOCKS5 proxy"
	case other && version == strconv.Itoa('H'):
		return "answers in HTTP: it may have to be proxy: http://"
	case other:
		return "does not answer as a SOCKS5 proxy: check its port"
	case said == "no acceptable authentication methods" && p.User == "":
		return "wants a login: set proxy: socks5://user@host:port, and proxy_password"
	case said == "no acceptable authentication methods":
		return "takes no login by user name and password"
	case strings.Contains(said, "authentication failed"):
		return "refuses the user name or the proxy_password"
	}
	return "cannot be used: " + said
}

// maxAnswer bounds the header of a proxy's answer, in octets.
const maxAnswer = 4 << 10

// http asks an HTTP proxy. Of a refusal it reads the header only: the page behind it need not end.
func (p *Proxy) http(ctx context.Context, conn socket, target string) error {
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	if p.User != "" {
		request += "Proxy-Authorization: Basic " + p.basic() + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		stop()
		return p.httpError(err, target)
	}
	answer := bufio.NewReader(io.LimitReader(single{conn}, maxAnswer))
	r, err := http.ReadResponse(answer, &http.Request{Method: http.MethodConnect})
	if !stop() {
		return context.Cause(ctx)
	}
	conn.SetDeadline(time.Time{})
	switch {
	case err != nil:
		return p.httpError(err, target)
	case r.StatusCode/100 == 2:
		return nil
	}
	return p.failed(p.httpReason(r, target))
}

// A single reads one octet at a time, so that a buffer before it never holds more than was asked for:
// the host's greeting comes right behind the proxy's answer.
type single struct{ r io.Reader }

func (s single) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 1)]) }

// httpError says why there is no answer.
func (p *Proxy) httpError(err error, target string) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		return p.failed("closed the connection without an answer to CONNECT " + target)
	}
	return p.failed("does not answer as an HTTP proxy: check its port")
}

// httpReason says what an answer means. Many statuses are the proxy's words for trouble in the network.
func (p *Proxy) httpReason(r *http.Response, target string) string {
	status := clipped(p.masked(r.Status))
	if squid := r.Header.Get("X-Squid-Error"); squid != "" {
		status += " (" + clipped(p.masked(squid)) + ")"
	}
	_, port, _ := net.SplitHostPort(target)
	switch {
	case r.StatusCode == http.StatusProxyAuthRequired && p.User == "":
		return "wants a login: set proxy: http://user@host:port, and proxy_password: " + status
	case r.StatusCode == http.StatusProxyAuthRequired || r.StatusCode == http.StatusUnauthorized: // the latter is tinyproxy's
		return "refuses the user name or the proxy_password: " + status
	case r.StatusCode == http.StatusForbidden:
		return "forbids a connection to " + target + ": it may have to be told to allow port " + port + ": " + status
	}
	return "cannot connect to " + target + ": " + status
}

// clipped returns words of a proxy that are short enough for a reason, on one line.
func clipped(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), 100)]
}

// A proxied is a connection that a proxy carries.
type proxied struct {
	socket
	proxy   *Proxy
	target  string
	greeted atomic.Bool // something has come from the other side
}

// Read implements net.Conn. Until something has come, the proxy may be what is wrong.
func (c *proxied) Read(b []byte) (int, error) {
	n, err := c.socket.Read(b)
	switch {
	case n > 0:
		c.greeted.Store(true)
	case c.greeted.Load():
	case err == io.EOF || errors.Is(err, syscall.ECONNRESET):
		err = c.proxy.failed("closed the connection before anything came from " + c.target)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = &silentError{c.proxy, err}
	}
	return n, err
}

// RemoteAddr is the smart host's address as it was asked for, not the proxy's.
func (c *proxied) RemoteAddr() net.Addr { return address(c.target) }

// A silentError is the error of a deadline before the greeting.
type silentError struct {
	proxy *Proxy
	err   error
}

func (e *silentError) Error() string { return e.err.Error() + "; " + e.Said() }
func (e *silentError) Unwrap() error { return e.err }

// Said returns the text to add to a reason that names the deadline.
func (e *silentError) Said() string { return "the connection is the proxy's, " + e.proxy.String() }
