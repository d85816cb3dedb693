package clients

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

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
			host := newOddHost(t, test.offer)
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
