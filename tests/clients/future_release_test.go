package clients

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// A holdingHost speaks enough SMTP to take mail that it is to hold: the server of the other tests does not
// know the parameter.
type holdingHost struct {
	addr  string
	offer string // line of its reply to EHLO, "" for none

	mu    sync.Mutex
	mails []string // the parameters of MAIL of what it has taken
}

func newHoldingHost(t *testing.T, offer string) *holdingHost {
	l := stage.Listen(t)
	h := &holdingHost{addr: l.Addr().String(), offer: offer}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go h.talk(conn)
		}
	}()
	return h
}

func (h *holdingHost) talk(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "220 holding.test ESMTP\r\n")
	content, mail := false, ""
	for in := bufio.NewScanner(conn); in.Scan(); {
		line := in.Text()
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch {
		case content && line == ".":
			content = false
			h.mu.Lock()
			h.mails = append(h.mails, mail)
			h.mu.Unlock()
			fmt.Fprint(conn, "250 2.0.0 kept\r\n")
		case content:
		case verb == "EHLO":
			fmt.Fprint(conn, "250-holding.test\r\n"+h.offer+"250 ENHANCEDSTATUSCODES\r\n")
		case verb == "DATA":
			content = true
			fmt.Fprint(conn, "354 go on\r\n")
		case verb == "QUIT":
			fmt.Fprint(conn, "221 2.0.0 bye\r\n")
			return
		default:
			if verb == "MAIL" {
				_, mail, _ = strings.Cut(line, "> ")
			}
			fmt.Fprint(conn, "250 2.0.0 ok\r\n")
		}
	}
}

func (h *holdingHost) taken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.mails...)
}

// With future_release, mail with a time is handed to a host that holds it until then, within the hours of
// its identity, and log says so; no other host gets it, nor does mailq lose it.
func TestFutureRelease(t *testing.T) {
	const limits = "250-FUTURERELEASE 604800 2099-01-01T00:00:00Z\r\n"
	at := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	later := at.Add(2 * time.Hour)
	window := fmt.Sprintf("    send_window: %s-%s\n", later.Format("15:04"), later.Add(time.Hour).Format("15:04"))
	for _, test := range []struct {
		name, offer, settings string
		want                  time.Time // zero: it waits
	}{
		{"taken", limits, "    future_release: true\n", at},
		{"within its hours", limits, "    future_release: true\n" + window, later.Truncate(time.Minute)},
		{"not asked for", limits, "", time.Time{}},
		{"not offered", "", "    future_release: true\n", time.Time{}},
		{"not for as long", "250-FUTURERELEASE 3600\r\n", "    future_release: true\n", time.Time{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := newHoldingHost(t, test.offer)
			p := stage.NewPerson(t)
			p.Write(".config/esmtpq/config.yaml", "batch_delay: never\nidentities:\n  - name: me@example.org\n    host: "+host.addr+"\n    tls: off\n"+test.settings)
			p.Run("Subject: later\n\n", "esmtpq", "send", "--at", at.Format(time.RFC3339), "a@example.net")
			for range 2 {
				if r := p.Try("", "deliver"); r != (stage.Result{}) {
					t.Errorf("%+v", r)
				}
			}
			if test.want.IsZero() {
				if out := p.Run("", "mailq"); len(host.taken()) != 0 || !strings.Contains(out, "(to be sent ") {
					t.Errorf("taken %q, mailq %s", host.taken(), out)
				}
				p.Run("", "esmtpq", "retry", "last")
				if got := host.taken(); len(got) != 1 || got[0] != "" {
					t.Errorf("named by a person, taken %q", got)
				}
				return
			}
			stamp := test.want.Format(time.RFC3339)
			if got := host.taken(); len(got) != 1 || got[0] != "HOLDUNTIL="+stamp {
				t.Errorf("taken %q, want HOLDUNTIL=%s", got, stamp)
			}
			if out := p.Run("", "mailq", "--count") + p.Run("", "esmtpq", "log"); !strings.HasPrefix(out, "0\n") || !strings.Contains(out, "the host holds it until "+stamp) {
				t.Errorf("%s", out)
			}
		})
	}
}
