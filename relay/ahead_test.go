package relay

import (
	"testing"
	"time"

	"esmtpq/queue"
)

// Mail that is to be sent at a time goes ahead of it to a host that holds it for as long. Whatever else
// such a host says, or another one, the message waits for its time and is never failed; a lost reply is
// one as ever, and so is the trouble of an identity.
func TestAheadOfItsTime(t *testing.T) {
	at := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	utc := at.UTC().Format(time.RFC3339)
	offers := func(limits string) string {
		return "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx.example.org\nS: 250 FUTURERELEASE" + limits + "\n"
	}
	const good, reset = " 604800 2099-01-01T00:00:00Z", "\nC: RSET\nS: 250 ok" + bye
	mail := "C: MAIL FROM:<me@example.org> HOLDUNTIL=" + utc + "\n"
	begun := offers(good) + mail + "S: 250 ok\nC: RCPT TO:<x1@example.com>\n"
	data := begun + "S: 250 ok\nC: DATA\nS: 354 go on\nC* .\n"
	const waits = " (esmtpq: it waits here until its time)"
	for _, test := range []struct {
		name, script, want string
		until              time.Duration // before its time; -1: no time at all
	}{
		{"taken", data + "S: 250 2.0.0 queued" + bye, "1 x1@example.com relayed 2.0.0 250 queued (esmtpq: the host holds it until " + utc + ")", -1},
		{"not offered", "S: 220 mx" + ehlo + bye, "1 x1@example.com delayed/message 4.3.3 mx.example.org does not hold mail until its time...", 0},
		{"no limits", offers("") + bye, "1 x1@example.com delayed/message 4.3.3 mx.example.org does not hold...", 0},
		{"limits that are none", offers(" many 2099-01-01T00:00:00Z") + bye, "1 x1@example.com delayed/message 4.3.3 mx.example.org does not hold...", 0},
		{"limits of the past", offers(" 604800 2001-01-01T00:00:00Z") + bye, "1 x1@example.com delayed/message 4.3.3 mx.example.org does not hold...", 0},
		{"not for as long", offers(" 86400") + bye, "1 x1@example.com delayed/message 4.3.3 mx.example.org holds mail for 24h0m0s at most (FUTURERELEASE): until then it waits here", 24*time.Hour - time.Minute},
		{"refused", offers(good) + mail + "S: 501 5.5.4 not me" + reset, "1 x1@example.com delayed/message 5.5.4 501 not me" + waits, 0},
		{"a recipient refused", begun + "S: 550 5.1.1 nobody" + reset, "1 x1@example.com delayed/message 5.1.1 550 nobody" + waits, 0},
		{"the content refused", data + "S: 554 5.7.1 spam" + reset, "1 x1@example.com delayed/message 5.7.1 554 spam" + waits, 0},
		{"not now", data + "S: 451 4.3.0 later" + reset, "1 x1@example.com delayed/message 4.3.0 451 later" + waits, 0},
		{"closed", begun + "! close\n---\n" + begun + "! close", "1 x1@example.com delayed/message 4.4.2 mx.example.org closed the connection..." /* and waits */, 0},
		{"a reply lost", data + "! close", "1 x1@example.com delayed/session unsure 4.4.2 ...", -1},
		{"a login wanted", offers(good) + mail + "S: 530 5.7.0 log in" + reset, "1 x1@example.com delayed/identity 5.7.0 530 log in", -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := messages(1)
			d[0].HoldUntil = at
			src := &reportSource{testSource: testSource{t: t, queue: d}}
			src.run(serve(t, test.script, nil).host())
			src.expect(test.want)
			want := at.Add(-test.until)
			if test.until < 0 {
				want = time.Time{}
			}
			if until := src.reports[0].Until; until.Sub(want).Abs() > 10*time.Second {
				t.Errorf("left alone until %v, want %v", until, want)
			}
		})
	}
}

// A message whose time is near is not handed over: the host may find that it has come, and refuse that.
func TestAheadIsNear(t *testing.T) {
	d := messages(1)
	d[0].HoldUntil = time.Now().Add(20 * time.Second)
	run(t, serve(t, "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx.example.org\nS: 250 FUTURERELEASE 604800 2099-01-01T00:00:00Z\n"+bye, nil).host(), d...).
		expect("1 x1@example.com delayed/message 4.3.3 its time is near: it waits here")
}

// A reportSource keeps the reports.
type reportSource struct {
	testSource
	reports []queue.Report
}

// Record implements queue.Source.
func (s *reportSource) Record(all []queue.Outcome) error {
	for _, o := range all {
		s.reports = append(s.reports, o.Reports...)
	}
	return s.testSource.Record(all)
}

func (s *reportSource) run(h *host) {
	w := worker{ctx: s.t.Context(), host: h, src: s}
	w.run()
}
