package relay

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"esmtpq/relay/smtp"
)

// inOrder returns the hosts of several servers as InOrder has them; "" is a port that refuses
// connections.
func inOrder(t *testing.T, scripts ...string) (*host, []*scriptServer) {
	t.Helper()
	var all []*Transport
	var servers []*scriptServer
	for i, script := range scripts {
		h := &host{addr: refusing(t), dialTime: patience}
		if script != "" {
			s := serve(t, script, nil)
			servers, h = append(servers, s), s.host()
		}
		h.name = "mx" + string(rune('1'+i))
		h.config.Name, h.config.Private = h.name, true
		tr := &Transport{host: host{name: h.name, addr: h.addr, dialTime: h.dialTime, config: h.config}}
		if strings.Contains(strings.Join(scripts, ""), "AUTH") {
			tr.host.config.Login = asMe("secret", nil)
		}
		all = append(all, tr)
	}
	steps := make([]Step, len(all))
	for i, tr := range all {
		steps[i].Ports = []*Transport{tr}
	}
	return &InOrder(all[0], steps...).host, servers
}

// refusing returns an address at which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// What leads to the next host, and what does not.
func TestHostsInOrder(t *testing.T) {
	plain := "C: AUTH PLAIN " + b64("\x00me\x00secret") + "\n"
	open := "S: 220 mx\nC: EHLO client.example.org\nS: 250 mx"
	good := open + oneMessage
	login := start("PLAIN") + plain + "S: 235 welcome" + oneMessage
	const delayed = "1 x1@example.com delayed/identity "
	for _, test := range []struct {
		name    string
		scripts []string
		want    string
	}{
		{"refused connection", []string{"", good}, sent},
		{"greeting 421", []string{"S: 421 4.3.2 closing\n! close", good}, sent},
		{"greeting 554", []string{"S: 554 5.3.2 no service\n! hang", good}, sent},
		{"closed at the greeting", []string{"! close", good}, sent},
		{"EHLO 451", []string{"S: 220 mx\nC: EHLO client.example.org\nS: 451 4.3.0 later\n! hang", good}, sent},
		{"AUTH 454", []string{start("PLAIN") + plain + "S: 454 4.7.0 later\n! hang", login}, sent},
		{"AUTH 535", []string{start("PLAIN") + plain + "S: 535 5.7.8 bad password\n! hang", ""}, delayed + "5.7.8 535 bad password"},
		{"the first works", []string{good, ""}, sent},
		{"the third works", []string{"", "", good}, sent},
		{"none works", []string{"", "S: 421 4.3.2 closing\n! close"},
			delayed + "4.4.1 none of 2 hosts can be used: cannot connect to mx1 (127.0.0.1:..."},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, _ := inOrder(t, test.scripts...)
			run(t, h, message("1", "x1@example.com")).expect(test.want)
		})
	}
}

// The host that a session came about with is the first to be tried for the rest of the run, and one
// that fails later leads on to the next.
func TestHostsAreRemembered(t *testing.T) {
	open := "S: 220 mx\nC: EHLO client.example.org\nS: 250 mx"
	h, servers := inOrder(t,
		"S: 421 4.3.2 closing\n! close\n---\n"+open+oneMessage,
		open+oneMessage+"---\n"+open+oneMessage+"---\nS: 421 4.3.2 closing\n! close")
	for range 3 {
		run(t, h, message("1", "x1@example.com")).expect(sent)
	}
	for i, s := range servers {
		select {
		case <-s.met:
		default:
			t.Errorf("server %d had fewer connections than it should have", i+1)
		}
	}
}

// A session that was opened beforehand counts, as does its failure.
func TestHostsPrepared(t *testing.T) {
	h, _ := inOrder(t, "", "S: 220 mx\nC: EHLO client.example.org\nS: 250 mx"+oneMessage)
	h.prepare(context.Background())
	run(t, h, message("1", "x1@example.com")).expect(sent)
	if h.order.good.name != "mx2" {
		t.Errorf("the best host is %s", h.order.good.name)
	}
}

func TestAnotherHost(t *testing.T) {
	for _, at := range []smtp.Stage{smtp.StageMAIL, smtp.StageRCPT, smtp.StageDATA, smtp.StageEnd, smtp.StageLocal} {
		if another(&smtp.Error{At: at, Kind: smtp.KindLost}) {
			t.Errorf("a failure at %s leads to another host", at)
		}
	}
	for _, kind := range []smtp.Kind{smtp.KindStopped, smtp.KindRefused} {
		if another(&smtp.Error{At: smtp.StageAUTH, Kind: kind}) {
			t.Errorf("%v leads to another host", kind)
		}
	}
}

// ports returns the transports to ports of one host that are played by scripts; "" is a port that
// refuses connections, and "-" one that never answers. How a port is protected goes with it.
func ports(t *testing.T, state string, config *tls.Config, ca string, scripts ...string) *host {
	t.Helper()
	var all []*Transport
	for i, script := range scripts {
		h := &host{addr: refusing(t), dialTime: patience}
		if script == "-" {
			h.dial = func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		} else if script != "" {
			h = serve(t, script, config).host()
		}
		h.config.TLS, h.config.TLSConfig, h.config.TLSName = []smtp.TLSMode{smtp.TLSImplicit, smtp.TLSStartTLS}[i], tlsFiles{ca: ca}.config, "mx.example.org"
		tr := &Transport{host: host{name: "mx.example.org", addr: h.addr, dial: h.dial, dialTime: h.dialTime, config: h.config}}
		tr.host.memory.state, tr.host.memory.key = StateAt(state), h.addr
		all = append(all, tr)
	}
	return &InOrder(all[1], Step{Ports: all}).host
}

// The port that can be used is used, whatever is wrong with the other; never one without TLS.
func TestPorts(t *testing.T) {
	ca := newAuthority(t)
	config := ca.server(t, "mx.example.org")
	const clear = "S: 220 mx\nC: EHLO client.example.org\nS: 250 mx\n"
	const implicit = "! tls\nS: 220 mx" + ehlo + oneMessage
	const starttls = beforeTLS + "S: 220 go\n! tls\n" + ehlo + oneMessage
	for _, test := range []struct{ name, implicit, starttls, want string }{
		{"both", implicit, "", sent},
		{"refused", "", starttls, sent},
		{"silent", "-", starttls, sent},
		{"no TLS at the first", "S: 220 mx\n! hang", starttls, sent},
		{"closed", "! close", starttls, sent},
		{"neither", "", "! close", "1 x1@example.com delayed/identity 4.4.1 no port of mx.example.org can be used: cannot connect to ..."},
		{"no STARTTLS", "", clear + "! hang", "1 x1@example.com delayed/identity 4.4.1 no port of mx.example.org can be used: cannot connect to ..."},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := ports(t, "", config, ca.file, test.implicit, test.starttls)
			run(t, h, messages(1)...).expect(test.want)
		})
	}
}

// The port that a session came about at is tried first in a later run.
func TestPortIsRemembered(t *testing.T) {
	ca := newAuthority(t)
	config := ca.server(t, "mx.example.org")
	const starttls = beforeTLS + "S: 220 go\n! tls\n" + ehlo + oneMessage
	state := t.TempDir()
	h := ports(t, state, config, ca.file, "", starttls+"---\n"+starttls)
	run(t, h, messages(1)...).expect(sent)
	m := &portMemory{StateAt(state), "mx.example.org"}
	all := []*host{{addr: "mx.example.org:465"}, {addr: h.order.good.addr}}
	m.sort(all)
	if all[0].addr != h.order.good.addr || all[1].addr != "mx.example.org:465" {
		t.Errorf("first %s", all[0].addr)
	}
	h.order.good = nil
	for _, tr := range h.order.steps[0].Ports { // the other port would be a failure now
		if tr.host.addr != all[0].addr {
			tr.host.dial = func(context.Context) (net.Conn, error) { t.Error("the other port is tried"); return nil, net.ErrClosed }
		}
	}
	run(t, h, messages(1)...).expect(sent)
}
