package relay

import (
	"context"
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
	return &InOrder(all...).host, servers
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
	if h.order.best != 1 {
		t.Errorf("the best host is %d", h.order.best)
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
