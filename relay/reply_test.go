package relay

import "testing"

// TestPolicy is the policy of failure, from the outside: stage and event or reply to
// action, scope and status.
func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		at   stage
		on   event  // or
		said string // the host's reply
		want string
	}{
		{stageResolve, eventLost, "", "delayed/identity 4.4.3"},
		{stageConnect, eventLost, "", "delayed/identity 4.4.1"},
		{stageConnect, eventTimeout, "", "delayed/identity 4.4.1"},
		{stageTunnel, eventLost, "", "delayed/identity 4.4.1"},

		{stageGreeting, "", "554 go away", "delayed/identity 5.0.0 554"},
		{stageGreeting, "", "421 too busy", "delayed/identity 4.0.0 421"},
		{stageGreeting, eventTimeout, "", "delayed/identity 4.4.2"},
		{stageGreeting, eventGarbage, "", "delayed/identity 4.4.2"},
		{stageEHLO, "", "550 5.7.1 bad name", "delayed/identity 5.7.1 550"},
		{stageEHLO, eventLost, "", "delayed/identity 4.4.2"},
		{stageTLS, "", "454 4.7.0 not now", "delayed/identity 4.7.0 454"},
		{stageTLS, "", "554 5.7.3 no", "delayed/identity 5.7.3 554"},
		{stageTLS, eventRefused, "", "delayed/identity 4.7.5"},
		{stageTLS, eventLost, "", "delayed/identity 4.7.5"},
		{stageAUTH, "", "535 5.7.8 bad password", "delayed/identity 5.7.8 535"},
		{stageAUTH, "", "454 temporary", "delayed/identity 4.0.0 454"},
		{stageAUTH, "", "421 enough", "delayed/identity 4.0.0 421"},
		{stageAUTH, eventRefused, "", "delayed/identity 4.7.0"},
		{stageAUTH, eventTimeout, "", "delayed/identity 4.4.2"},

		{stageMAIL, "", "421 closing", "delayed/session 4.0.0 421"},
		{stageMAIL, "", "503 nested", "delayed/session 5.0.0 503"},
		{stageMAIL, "", "530 login first", "delayed/identity 5.0.0 530"},
		{stageMAIL, "", "502 5.7.0 please authenticate", "delayed/identity 5.7.0 502"},
		{stageMAIL, "", "451 4.3.0 local error", "delayed/message 4.3.0 451"},
		{stageMAIL, "", "452 4.3.1 no space", "delayed/message 4.3.1 452"},
		{stageMAIL, "", "550 5.7.1 not you", "failed/message 5.7.1 550"},
		{stageMAIL, "", "552 5.3.4 too big", "failed/message 5.3.4 552"},
		{stageMAIL, eventLost, "", "delayed/session 4.4.2"},
		{stageMAIL, eventTimeout, "", "delayed/session 4.4.2"},
		{stageMAIL, eventGarbage, "", "delayed/session 4.4.2"},

		{stageRCPT, "", "421 closing", "delayed/session 4.0.0 421"},
		{stageRCPT, "", "503 need MAIL", "delayed/session 5.0.0 503"},
		{stageRCPT, "", "530 5.7.1 login first", "delayed/identity 5.7.1 530"},
		{stageRCPT, "", "552 too many", "delayed/recipient 5.0.0 552"},
		{stageRCPT, "", "452 4.5.3 too many", "delayed/recipient 4.5.3 452"},
		{stageRCPT, "", "450 greylisted", "delayed/recipient 4.0.0 450"},
		{stageRCPT, "", "550 5.1.1 unknown", "failed/recipient 5.1.1 550"},
		{stageRCPT, "", "550 4.1.1 contradiction", "failed/recipient 5.0.0 550"},
		{stageRCPT, eventLost, "", "delayed/session 4.4.2"},

		{stageDATA, "", "421 closing", "delayed/session 4.0.0 421"},
		{stageDATA, "", "503 no recipients", "delayed/session 5.0.0 503"},
		{stageDATA, "", "451 later", "delayed/message 4.0.0 451"},
		{stageDATA, "", "554 no", "failed/message 5.0.0 554"},
		{stageDATA, "", "538 5.7.11 encryption needed", "delayed/identity 5.7.11 538"},
		{stageDATA, eventGarbage, "", "delayed/session 4.4.2"},
		{stageDATA, eventTimeout, "", "delayed/session 4.4.2"},

		{stageFinal, "", "421 closing", "delayed/session 4.0.0 421"},
		{stageFinal, "", "503 what", "delayed/session 5.0.0 503"},
		{stageFinal, "", "451 4.7.1 greylisted", "delayed/message 4.7.1 451"},
		{stageFinal, "", "552 5.3.4 too big", "failed/message 5.3.4 552"},
		{stageFinal, "", "554 5.7.1 spam", "failed/message 5.7.1 554"},
		{stageFinal, "", "552 5.7.0 blocked: suspicious content", "failed/message 5.7.0 552"},
		{stageFinal, "", "554 5.7.0 rejected", "failed/message 5.7.0 554"},
		{stageFinal, "", "530 5.7.0 log in", "delayed/identity 5.7.0 530"},
		{stageMAIL, "", "550 5.7.0 no such sender here", "failed/message 5.7.0 550"},
		{stageFinal, eventLost, "", "delayed/session unsure 4.4.2"},
		{stageFinal, eventTimeout, "", "delayed/session unsure 4.4.2"},
		{stageFinal, eventGarbage, "", "delayed/session unsure 4.4.2"},
		{stageFinal, eventStopped, "", "delayed/session unsure 4.3.2"},

		{stageRSET, "", "500 what", "delayed/session 5.0.0 500"},
		{stageQUIT, eventLost, "", " "}, // no action at all
		{stageConnect, eventStopped, "", "delayed/session 4.3.2"},
		{stageRCPT, eventStopped, "", "delayed/session 4.3.2"},

		{stageLocal, eventDamaged, "", "delayed/message 4.3.0"},
		{stageLocal, eventUnrecorded, "", "delayed/message 4.3.0"},
		{stageLocal, eventTooLarge, "", "failed/message 5.3.4"},
		{stageLocal, eventSender, "", "failed/message 5.1.7"},
		{stageLocal, eventRecipient, "", "failed/recipient 5.1.3"},
		{stageLocal, eventUTF8Sender, "", "failed/message 5.6.7"},
		{stageLocal, eventUTF8, "", "failed/recipient 5.6.7"},
	} {
		tr := &trouble{at: c.at, event: c.on}
		if c.said != "" {
			tr.event, tr.reply = eventReply, parseReply(t, c.said+"\r\n")
		}
		rep := tr.report()
		rep.Text = ""
		if got := showReport(rep); got != c.want+" " {
			t.Errorf("%s, %s%s: %q, want %q", c.at, c.on, c.said, got, c.want)
		}
	}
}

// TestPolicyNeverFailsMailEarly: nothing that happens before MAIL, and nothing that the
// connection does, fails mail.
func TestPolicyNeverFailsMailEarly(t *testing.T) {
	for _, r := range policy {
		early := r.at == stageResolve || r.at == stageConnect || r.at == stageTunnel || r.at == stageGreeting ||
			r.at == stageEHLO || r.at == stageTLS || r.at == stageAUTH
		if r.action == "failed" && (early || r.on == eventAny) || early && r.scope != "identity" {
			t.Errorf("%+v", r)
		}
	}
}
