package clients

import (
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// A script that was written for msmtp names the account; it has nothing to do with the sender, nor with the header.
func TestIdentityByName(t *testing.T) {
	hosts := []*stage.SmartHost{stage.NewSmartHost(t), stage.NewSmartHost(t)}
	p := stage.NewPerson(t)
	p.Write(".config/esmtpq/config.yaml", `identities:
  - name: me@example.org
    default: true
    host: `+hosts[0].Addr+`
  - name: work
    match: [you@example.com]
    host: `+hosts[1].Addr+"\n")
	const text = "From: me@example.org\nTo: friend@example.net\n\nx\n"
	for _, c := range []struct {
		args []string
		host int
		from string
	}{
		{[]string{"-a", "work", "-t"}, 1, "you@example.com"},
		{[]string{"--account=work", "--read-envelope-from", "-t"}, 1, "me@example.org"},
		{[]string{"--account", "work", "--from=other@example.net", "-t"}, 1, "other@example.net"},
		{[]string{"-a", "work", "-f", "<>", "-t"}, 1, ""},
		{[]string{"-a", "default", "--read-recipients"}, 0, "me@example.org"},
		{[]string{"-a", "default", "-f", "you@example.com", "--", "friend@example.net"}, 0, "you@example.com"},
		{[]string{"--read-envelope-from", "--timeout=10", "--syslog=on", "-t"}, 0, "me@example.org"},
	} {
		explained := fieldsOf(p.Run(text, "esmtpq", append([]string{"explain", "--message", "-"}, c.args...)...))
		p.Succeeds(p.Command("sendmail", c.args...), text)
		before := len(hosts[c.host].Received())
		p.Deliver()
		mails := hosts[c.host].Received()
		if len(mails) != before+1 || mails[before].From != c.from || !strings.Contains(explained["reverse-path"], "<"+c.from+">") {
			t.Errorf("%q: %d mails more, of %+v; explained as %q", c.args, len(mails)-before, mails[max(0, len(mails)-1):], explained)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-a", "nobody", "-t"}, 78, `there is no identity with the name "nobody": see esmtpq config`},
		{[]string{"--host=smtp.example.org", "-t"}, 64, "--host: smart hosts are set in the configuration"},
		{[]string{"--passwordeval", "pass show x", "-t"}, 64, "--passwordeval: smart hosts"},
		{[]string{"--undisclosed-recipients", "-t"}, 64, "--undisclosed-recipients: write To:"},
		{[]string{"--remove-bcc-headers=off", "-t"}, 64, "Bcc: is always removed"},
		{[]string{"--protocol=lmtp", "-t"}, 64, "only SMTP"},
		{[]string{"--aliases=x", "-t"}, 64, "aliases: into the configuration"},
		{[]string{"--serverinfo"}, 64, "esmtpq probe"},
		{[]string{"--account"}, 64, "needs a value"},
	} {
		if r := p.Try(text, "sendmail", c.args...); r.Code != c.code || !strings.Contains(r.Stderr, c.says) || !stage.OneLine(r.Stderr) {
			t.Errorf("%q: exit %d, %s", c.args, r.Code, r.Stderr)
		}
	}
	// An identity that is renamed while its mail waits keeps the mail waiting, with the reason.
	p.Run(text, "sendmail", "-a", "work", "-t")
	p.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me@example.org\n    host: "+hosts[0].Addr+"\n")
	if r := p.Try("", "deliver"); r.Code != 75 || !strings.Contains(p.Run("", "mailq"), `no identity with the name "work"`) {
		t.Errorf("deliver: exit %d, %s\n%s", r.Code, r.Stderr, p.Run("", "mailq"))
	}
}
