package relay

import (
	"context"
	"net"
	"slices"
	"time"

	"esmtpq/relay/smtp"
)

// headStart is how long the better port has before the other is tried as well.
const headStart = time.Second

// openRaced opens a session at one of the ports of a host: the one that accepts first, or else
// the others, in order. Each has its own way of TLS; none goes on without.
func openRaced(ctx context.Context, hosts []*host, ports *portMemory) (*host, *smtp.Conn, []attempt) {
	first, raw, failed := race(ctx, hosts)
	if raw == nil {
		return hosts[0], nil, failed
	}
	conn, err := first.openOver(ctx, raw)
	h := first
	for _, next := range hosts {
		if err == nil || !another(err) {
			break
		}
		if next == first || slices.ContainsFunc(failed, func(a attempt) bool { return a.host == next }) {
			continue
		}
		failed = append(failed, attempt{h, err})
		h = next
		conn, err = h.open(ctx)
	}
	if err != nil {
		return h, nil, append(failed, attempt{h, err})
	}
	ports.learn(h.port())
	return h, conn, nil
}

// race connects to the ports of a host. The first one has a second for itself, and the others begin
// at once where it fails. The failures are those that came before a connection.
func race(ctx context.Context, hosts []*host) (*host, net.Conn, []attempt) {
	type arrival struct {
		host *host
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	arrivals := make(chan arrival, len(hosts))
	begin := func(h *host) {
		go func() {
			conn, err := h.connect(ctx)
			arrivals <- arrival{h, conn, err}
		}()
	}
	begin(hosts[0])
	begun := 1
	rest := func() {
		for ; begun < len(hosts); begun++ {
			begin(hosts[begun])
		}
	}
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	var failed []attempt
	for len(failed) < len(hosts) {
		select {
		case <-timer.C:
			rest()
		case a := <-arrivals:
			if a.err == nil {
				cancel()
				go func() { // a connection that comes too late
					for range begun - len(failed) - 1 {
						if late := <-arrivals; late.conn != nil {
							late.conn.Close()
						}
					}
				}()
				return a.host, a.conn, failed
			}
			failed = append(failed, attempt{a.host, smtp.DialError(ctx, a.host.name, a.err)})
			rest()
		}
	}
	cancel()
	return nil, nil, failed
}

// openOver opens a session over a connection that is there already.
func (h *host) openOver(ctx context.Context, raw net.Conn) (*smtp.Conn, *smtp.Error) {
	config := h.config
	config.Dial = func(ctx context.Context) (net.Conn, error) {
		if conn := raw; conn != nil {
			raw = nil
			return conn, nil
		}
		return h.connect(ctx)
	}
	conn, err := smtp.Open(ctx, &config)
	if raw != nil {
		raw.Close()
	}
	return conn, err
}

// port returns the port of a host.
func (h *host) port() string {
	_, port, _ := net.SplitHostPort(h.addr)
	return port
}

const (
	portsFile = "ports" // those that sessions came about at
	portsFor  = knownFor
)

// A portMemory remembers which port of a host can be used.
type portMemory struct {
	state StateDir
	host  string
}

// portText is an entry of the file, and portsText its form.
type portText struct {
	Host string `json:"host"`
	Port string `json:"port"`
	Time int64  `json:"time"` // Unix time at which it was learned
}

type portsText struct {
	Ports []portText `json:"ports"`
}

// sort puts the host with the port that is remembered first.
func (m *portMemory) sort(hosts []*host) {
	defer m.state.lock()()
	for _, known := range m.load() {
		if i := slices.IndexFunc(hosts, func(h *host) bool { return h.port() == known.Port }); known.Host == m.host && i > 0 {
			h := hosts[i]
			copy(hosts[1:], hosts[:i])
			hosts[0] = h
		}
	}
}

// learn remembers a port.
func (m *portMemory) learn(port string) {
	defer m.state.lock()()
	all, now := m.load(), time.Now()
	for _, known := range all {
		if known.Host == m.host && known.Port == port && now.Sub(time.Unix(known.Time, 0)) < confirmed {
			return
		}
	}
	all = slices.DeleteFunc(all, func(known portText) bool { return known.Host == m.host })
	if len(all) >= maxKnown {
		all = all[len(all)-maxKnown+1:]
	}
	m.state.write(portsFile, portsText{append(all, portText{m.host, port, now.Unix()})})
}

// load reads what was written down, except for what is too old.
func (m *portMemory) load() []portText {
	var file portsText
	m.state.read(portsFile, &file)
	now := time.Now()
	return slices.DeleteFunc(file.Ports, func(k portText) bool {
		at := time.Unix(k.Time, 0)
		return now.Sub(at) > portsFor || at.After(now.Add(time.Hour))
	})
}
