package relay

import (
	"context"
	"crypto/tls"
	"net"

	"esmtpq/relay/smtp"
)

// A Looked is what one smart host of an identity has shown.
type Looked struct {
	Host, Port string // Port is "" for a local socket, and where no host was found
	View       *smtp.View
	Err        *smtp.Error // nil: mail could be sent
}

// Addr returns the host and port.
func (l *Looked) Addr() string {
	if l.Port == "" {
		return l.Host
	}
	return net.JoinHostPort(l.Host, l.Port)
}

// Look looks at the host, the first where there are several.
func (t *Transport) Look(ctx context.Context) (*smtp.View, *smtp.Error) {
	seen := t.host.look(ctx, false)
	return seen.View, seen.Err
}

// LookAll opens a session as for mail with each host of the identity, and ends it. The sessions are
// whole ones: no ticket of an earlier one makes them shorter, so that the certificates are those that
// the hosts show now. Of several ports of a host, those are left out that would not be tried. If it
// is to forget, what was seen before of the hosts' TLS and logins counts no more.
func (t *Transport) LookAll(ctx context.Context, forget bool) []Looked {
	o := t.host.order
	if o == nil {
		return []Looked{t.host.look(ctx, forget)}
	}
	var all []Looked
	for i := 0; i == 0 || ctx.Err() == nil; i++ {
		s, more, err := o.step(ctx, i)
		if !more {
			break
		}
		if err != nil {
			all = append(all, Looked{Host: o.steps[i].Name, View: &smtp.View{}, Err: err})
			continue
		}
		var hosts []*host
		for _, port := range s.Ports {
			hosts = append(hosts, &port.host)
		}
		(&portMemory{state: hosts[0].memory.state, host: hosts[0].name}).sort(hosts)
		for _, h := range hosts {
			seen := h.look(ctx, forget)
			all = append(all, seen)
			if seen.Err == nil || !another(seen.Err) {
				break
			}
		}
	}
	return all
}

// look looks at one host.
func (h *host) look(ctx context.Context, forget bool) Looked {
	if forget {
		h.forget()
	}
	config := h.config
	config.Dial, config.Ended = h.connect, nil
	settings := config.TLSConfig
	config.TLSConfig = func(name string) (*tls.Config, error) {
		c, err := settings(name)
		if err == nil {
			c.ClientSessionCache = nil
		}
		return c, err
	}
	view, err := smtp.Look(ctx, &config)
	return Looked{h.name, h.port(), view, err}
}
