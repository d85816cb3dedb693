package tunnel

import (
	"context"
	"errors"
	"net"
	"strings"

	"golang.org/x/net/idna"
)

// An Endpoint is a smart host as it is dialled: directly, at a local socket, or by a proxy.
type Endpoint struct {
	Host  string // a name, an address, or the path of a local socket
	Port  string // a number or a service; "" for a local socket
	Proxy *Proxy // nil for none
	// Source is an address of this machine to connect from, Family "4" or "6" for the only version of
	// IP to connect by; "" for any.
	Source, Family string
}

// Dial connects to the smart host. The caller sets the limit by ctx, which only bounds the dialling.
// An error of the proxy is a [ProxyError].
func (e *Endpoint) Dial(ctx context.Context) (net.Conn, error) {
	return e.dial(ctx, e.dialer().DialContext)
}

// dialer returns what makes the first connection.
func (e *Endpoint) dialer() *net.Dialer {
	d := &net.Dialer{}
	if ip := net.ParseIP(e.Source); ip != nil && !strings.HasPrefix(e.Host, "/") {
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	return d
}

// dial connects by way of a function that makes the connection to the host, or to the proxy before it.
func (e *Endpoint) dial(ctx context.Context, direct func(ctx context.Context, network, addr string) (net.Conn, error)) (net.Conn, error) {
	network, addr := e.first()
	conn, err := direct(ctx, network, addr)
	switch {
	case err != nil && e.Proxy != nil:
		return nil, e.Proxy.failed("cannot be reached: " + cause(err) + "; is it running?")
	case err != nil && network == "unix":
		return nil, errors.New(cause(err))
	case err != nil:
		return nil, err
	case e.Proxy == nil:
		return conn, nil
	}
	through, err := e.Proxy.connect(ctx, conn.(socket), e.Host, e.Port)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return through, nil
}

// first returns the network and the address that are dialled first.
func (e *Endpoint) first() (network, addr string) {
	switch {
	case e.Proxy != nil:
		return "tcp" + e.Family, net.JoinHostPort(asciiHost(e.Proxy.Host), e.Proxy.Port)
	case strings.HasPrefix(e.Host, "/"):
		return "unix", e.Host
	}
	return "tcp" + e.Family, net.JoinHostPort(asciiHost(e.Host), e.Port)
}

// asciiHost returns the form of a host name that resolvers and proxies know.
func asciiHost(name string) string {
	if ascii, err := idna.Lookup.ToASCII(name); err == nil {
		return ascii
	}
	return name // an address, or a name that will be refused
}

// cause returns what the system has said, without what it was asked for.
func cause(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "its name cannot be looked up: " + dns.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}
