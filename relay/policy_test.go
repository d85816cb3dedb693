package relay

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// reply makes a reply of one line: code, enhanced status code if there is one, text.
func reply(line string) *smtp.Reply {
	code, text, _ := strings.Cut(line, " ")
	r := &smtp.Reply{}
	r.Code, _ = strconv.Atoi(code)
	if status, rest, _ := strings.Cut(text, " "); strings.Count(status, ".") == 2 && status[0] == code[0] {
		r.Status, text = status, rest
	}
	r.Lines = []string{text}
	return r
}

// TestPolicy is the policy of failure, from the outside: stage and event or reply to
// action, scope and status.
func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		at   smtp.Stage
		on   smtp.Kind // or
		said string    // the host's reply
		want string
	}{
		{smtp.StageResolve, smtp.KindLost, "", "delayed/identity 4.4.3"},
		{smtp.StageConnect, smtp.KindLost, "", "delayed/identity 4.4.1"},
		{smtp.StageConnect, smtp.KindTimeout, "", "delayed/identity 4.4.1"},
		{smtp.StageTunnel, smtp.KindLost, "", "delayed/identity 4.4.1"},

		{smtp.StageGreeting, "", "554 go away", "delayed/identity 5.0.0 554"},
		{smtp.StageGreeting, "", "421 too busy", "delayed/identity 4.0.0 421"},
		{smtp.StageGreeting, smtp.KindTimeout, "", "delayed/identity 4.4.2"},
		{smtp.StageGreeting, smtp.KindGarbage, "", "delayed/identity 4.4.2"},
		{smtp.StageEHLO, "", "550 5.7.1 bad name", "delayed/identity 5.7.1 550"},
		{smtp.StageEHLO, smtp.KindLost, "", "delayed/identity 4.4.2"},
		{smtp.StageTLS, "", "454 4.7.0 not now", "delayed/identity 4.7.0 454"},
		{smtp.StageTLS, "", "554 5.7.3 no", "delayed/identity 5.7.3 554"},
		{smtp.StageTLS, smtp.KindRefused, "", "delayed/identity 4.7.5"},
		{smtp.StageTLS, smtp.KindConfig, "", "delayed/identity 4.3.5"},
		{smtp.StageTLS, smtp.KindLost, "", "delayed/identity 4.7.5"},
		{smtp.StageAUTH, "", "535 5.7.8 bad password", "delayed/identity 5.7.8 535"},
		{smtp.StageAUTH, "", "454 temporary", "delayed/identity 4.0.0 454"},
		{smtp.StageAUTH, "", "421 enough", "delayed/identity 4.0.0 421"},
		{smtp.StageAUTH, smtp.KindRefused, "", "delayed/identity 4.7.0"},
		{smtp.StageAUTH, smtp.KindTimeout, "", "delayed/identity 4.4.2"},

		{smtp.StageMAIL, "", "421 closing", "delayed/session 4.0.0 421"},
		{smtp.StageMAIL, "", "503 nested", "delayed/session 5.0.0 503"},
		{smtp.StageMAIL, "", "530 login first", "delayed/identity 5.0.0 530"},
		{smtp.StageMAIL, "", "502 5.7.0 please authenticate", "delayed/identity 5.7.0 502"},
		{smtp.StageMAIL, "", "451 4.3.0 local error", "delayed/message 4.3.0 451"},
		{smtp.StageMAIL, "", "452 4.3.1 no space", "delayed/message 4.3.1 452"},
		{smtp.StageMAIL, "", "550 5.7.1 not you", "failed/message 5.7.1 550"},
		{smtp.StageMAIL, "", "552 5.3.4 too big", "failed/message 5.3.4 552"},
		{smtp.StageMAIL, smtp.KindLost, "", "delayed/session 4.4.2"},
		{smtp.StageMAIL, smtp.KindTimeout, "", "delayed/session 4.4.2"},
		{smtp.StageMAIL, smtp.KindGarbage, "", "delayed/session 4.4.2"},

		{smtp.StageRCPT, "", "421 closing", "delayed/session 4.0.0 421"},
		{smtp.StageRCPT, "", "503 need MAIL", "delayed/session 5.0.0 503"},
		{smtp.StageRCPT, "", "530 5.7.1 login first", "delayed/identity 5.7.1 530"},
		{smtp.StageRCPT, "", "552 too many", "delayed/recipient 5.0.0 552"},
		{smtp.StageRCPT, "", "452 4.5.3 too many", "delayed/recipient 4.5.3 452"},
		{smtp.StageRCPT, "", "450 greylisted", "delayed/recipient 4.0.0 450"},
		{smtp.StageRCPT, "", "550 5.1.1 unknown", "failed/recipient 5.1.1 550"},
		{smtp.StageRCPT, "", "550 4.1.1 contradiction", "failed/recipient 5.0.0 550"},
		{smtp.StageRCPT, "", "550 5.5.3 Too many recipients", "delayed/recipient 5.5.3 550"},
		{smtp.StageRCPT, "", "431 Too many recipients.", "delayed/recipient 4.0.0 431"},
		{smtp.StageRCPT, "", "550 5.4.5 Daily user sending limit exceeded", "delayed/identity 5.4.5 550"},
		{smtp.StageEnd, "", "550 5.4.5 Daily user sending limit exceeded", "delayed/identity 5.4.5 550"},
		{smtp.StageRCPT, "", "550 5.7.1 <x>: Helo command rejected: Host not found", "delayed/identity 5.7.1 550"},
		{smtp.StageRCPT, "", "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname", "delayed/identity 5.5.2 504"},
		{smtp.StageRCPT, smtp.KindLost, "", "delayed/session 4.4.2"},

		{smtp.StageDATA, "", "421 closing", "delayed/session 4.0.0 421"},
		{smtp.StageDATA, "", "503 no recipients", "delayed/session 5.0.0 503"},
		{smtp.StageDATA, "", "451 later", "delayed/message 4.0.0 451"},
		{smtp.StageDATA, "", "554 no", "failed/message 5.0.0 554"},
		{smtp.StageDATA, "", "538 5.7.11 encryption needed", "delayed/identity 5.7.11 538"},
		{smtp.StageDATA, smtp.KindGarbage, "", "delayed/session 4.4.2"},
		{smtp.StageDATA, smtp.KindTimeout, "", "delayed/session 4.4.2"},

		{smtp.StageEnd, "", "421 closing", "delayed/session 4.0.0 421"},
		{smtp.StageEnd, "", "503 what", "delayed/session 5.0.0 503"},
		{smtp.StageEnd, "", "451 4.7.1 greylisted", "delayed/message 4.7.1 451"},
		{smtp.StageEnd, "", "552 5.3.4 too big", "failed/message 5.3.4 552"},
		{smtp.StageEnd, "", "554 5.7.1 spam", "failed/message 5.7.1 554"},
		{smtp.StageEnd, "", "552 5.7.0 blocked: suspicious content", "failed/message 5.7.0 552"},
		{smtp.StageEnd, "", "554 5.7.0 rejected", "failed/message 5.7.0 554"},
		{smtp.StageEnd, "", "530 5.7.0 log in", "delayed/identity 5.7.0 530"},
		{smtp.StageMAIL, "", "550 5.7.0 no such sender here", "failed/message 5.7.0 550"},
		{smtp.StageEnd, smtp.KindLost, "", "delayed/session 4.4.2"},
		{smtp.StageEnd, smtp.KindTimeout, "", "delayed/session 4.4.2"},
		{smtp.StageEnd, smtp.KindGarbage, "", "delayed/session 4.4.2"},
		{smtp.StageEnd, smtp.KindStopped, "", "delayed/session 4.3.2"},

		{smtp.StageRSET, "", "500 what", "delayed/session 5.0.0 500"},
		{smtp.StageConnect, smtp.KindStopped, "", "delayed/session 4.3.2"},
		{smtp.StageRCPT, smtp.KindStopped, "", "delayed/session 4.3.2"},

		{smtp.StageLocal, smtp.KindContent, "", "delayed/message 4.3.0"},
		{smtp.StageLocal, smtp.KindFeed, "", "delayed/message 4.3.0"},
		{smtp.StageLocal, kindTooLarge, "", "failed/message 5.3.4"},
		{smtp.StageLocal, kindSender, "", "failed/message 5.1.7"},
		{smtp.StageLocal, kindRecipient, "", "failed/recipient 5.1.3"},
		{smtp.StageLocal, kindUTF8Sender, "", "failed/message 5.6.7"},
		{smtp.StageLocal, kindUTF8, "", "failed/recipient 5.6.7"},
	} {
		e := &smtp.Error{At: c.at, Kind: c.on}
		if c.said != "" {
			e.Kind, e.Reply = smtp.KindReply, reply(c.said)
		}
		rep := (&facts{}).report(e)
		rep.Text = ""
		if got := showReport(rep); got != c.want+" " {
			t.Errorf("%s, %s%s: %q, want %q", c.at, c.on, c.said, got, c.want)
		}
	}
}

// TestLogin is what a reply says about a login, depending on what has been done about one.
func TestPolicyOfLogins(t *testing.T) {
	for _, c := range []struct {
		loggedIn, offered bool
		at                smtp.Stage
		said, want        string
	}{
		{true, true, smtp.StageMAIL, "534 SIZE=Message too big.", "failed/message 5.0.0 534"},
		{false, false, smtp.StageMAIL, "534 SIZE=Message too big.", "failed/message 5.0.0 534"},
		{false, true, smtp.StageMAIL, "534 5.7.9 a stronger one is needed", "delayed/identity 5.7.9 534"},
		{true, true, smtp.StageEnd, "534 Message header size exceeds policy limit.", "failed/message 5.0.0 534"},
		{true, true, smtp.StageMAIL, "534 5.7.9 a stronger one is needed", "delayed/identity 5.7.9 534"},
		{true, true, smtp.StageAUTH, "534 5.7.9 a stronger one is needed", "delayed/identity 5.7.9 534"},
		{true, true, smtp.StageRCPT, "550 5.7.1 relaying denied", "failed/recipient 5.7.1 550"},
		{true, true, smtp.StageMAIL, "550 5.7.9 log in again", "delayed/identity 5.7.9 550"},
		{false, true, smtp.StageRCPT, "550 Authentication required", "delayed/identity 5.0.0 550"},
		{false, true, smtp.StageRCPT, "554 5.7.1 <x>: Relay access denied", "delayed/identity 5.7.1 554"},
		{false, true, smtp.StageRCPT, "513 Relaying denied.", "delayed/identity 5.0.0 513"},
		{false, true, smtp.StageMAIL, "550 5.7.9 Dedicated channel required", "delayed/identity 5.7.9 550"},
		{false, true, smtp.StageRCPT, "550 5.1.1 no such user", "failed/recipient 5.1.1 550"},
		{false, true, smtp.StageRCPT, "550 unknown user", "failed/recipient 5.0.0 550"},
		{false, true, smtp.StageEnd, "554 5.7.1 spam: authentication results", "failed/message 5.7.1 554"},
		{false, false, smtp.StageRCPT, "550 5.7.1 Relaying denied", "failed/recipient 5.7.1 550"},
	} {
		f := &facts{host: "mx.example.org", loggedIn: c.loggedIn, offered: c.offered}
		rep := f.report(f.replied(c.at, reply(c.said)))
		if names := strings.Contains(rep.Text, "no user name is configured"); names != (rep.Scope == "identity" && !f.wantsLogin(reply(c.said), c.at) && c.at != smtp.StageAUTH) {
			t.Errorf("%s: the reason is %q", c.said, rep.Text)
		}
		rep.Text = ""
		if got := showReport(rep); got != c.want+" " {
			t.Errorf("%v, %v, %s, %s: %q, want %q", c.loggedIn, c.offered, c.at, c.said, got, c.want)
		}
	}
}

// TestPolicyNeverFailsMailEarly: no failure before MAIL, and none of the connection, fails mail.
func TestPolicyNeverFailsMailEarly(t *testing.T) {
	for _, r := range policy {
		early := r.at == smtp.StageResolve || r.at == smtp.StageConnect || r.at == smtp.StageTunnel || r.at == smtp.StageGreeting ||
			r.at == smtp.StageEHLO || r.at == smtp.StageTLS || r.at == smtp.StageAUTH
		if r.action == "failed" && (early || r.on == kindAny) || early && r.scope != "identity" {
			t.Errorf("%+v", r)
		}
	}
}

// TestPolicyMends is which refusals only a person can mend, and which pass or are those of a network.
func TestPolicyMends(t *testing.T) {
	for _, c := range []struct {
		at     smtp.Stage
		said   string
		forced bool
		want   queue.Mend
	}{
		{smtp.StageAUTH, "535 5.7.8 bad password", false, queue.MendLogin},
		{smtp.StageAUTH, "535 Incorrect authentication data", false, queue.MendLogin},
		{smtp.StageAUTH, "501 5.5.124 Invalid XOAUTH2 auth data", false, queue.MendLogin},
		{smtp.StageAUTH, "454 4.7.0 later", false, ""},
		{smtp.StageMAIL, "530 5.7.57 not authenticated", false, queue.MendLogin},
		{smtp.StageGreeting, "554 5.7.1 Client host blocked", false, ""},
		{smtp.StageEHLO, "550 5.7.1 Access denied", false, ""},
		{smtp.StageEHLO, "550 5.7.1 Helo command rejected: need fully-qualified hostname", false, queue.MendName},
		{smtp.StageRCPT, "504 5.5.2 <me>: Helo command rejected: need fully-qualified hostname", false, queue.MendName},
		{smtp.StageTLS, "554 5.7.3 no", false, ""},
		{smtp.StageMAIL, "550 5.7.1 not you", true, queue.MendSender},
		{smtp.StageRCPT, "550 5.4.5 Daily user sending limit exceeded", false, ""},
	} {
		f := &facts{host: "mx.example.org", forced: c.forced}
		if got := f.report(f.replied(c.at, reply(c.said))).Mend; got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.at, c.said, got, c.want)
		}
	}
	f := &facts{host: "mx.example.org"}
	passing := f.replied(smtp.StageAUTH, reply("535 5.7.8 no"))
	passing.Passing = true
	if got := f.report(passing).Mend; got != "" {
		t.Errorf("trouble of the host: %q", got)
	}
}

// TestAdvised: what helps stands behind a host's words, however many there are.
func TestAdvised(t *testing.T) {
	e := (&facts{host: "mx.example.org"}).replied(smtp.StageAUTH, reply("535 5.7.8 "+strings.Repeat("no ä", 300)))
	e.Hint = "do that"
	if got := advised(e); !strings.HasSuffix(got, "...; do that") || len(got) > maxReason || !utf8.ValidString(got) {
		t.Errorf("%d octets: %s", len(got), got)
	}
}
