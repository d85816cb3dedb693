package clients

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/idna"

	"esmtpq/tests/stage"
)

// An authorCase is a header, and who should send it.
type authorCase struct {
	header   string
	flags    []string // of sendmail and explain
	identity int      // in authorIdentities
	remark   bool     // the choice was not certain
}

// authorIdentities are what there is to choose from. The second adds no Message-ID, which shows
// what a submission has chosen.
const authorIdentities = `identities:
  - name: me@example.org
    host: %s
  - name: work
    match: [me@bücher.example, "*@*.example.com"]
    message_id: false
    host: %s
  - name: spare@example.info
    default: true
    host: %s
`

// authorCases combines all shapes of a mailbox with all the places where it can stand.
func authorCases() []authorCase {
	mailboxes := map[string]int{
		"me@example.org": 0, "Me@Example.ORG": 0, `"Me" <ME@example.org>`: 0, "me@example.org (Ann)": 0,
		"me@bücher.example": 1, "me@xn--bcher-kva.example": 1, "ME@BÜCHER.example": 1, "x@Lists.Example.COM": 1,
		"stranger@example.net": 2, "root": 2, "root (Cron Daemon)": 2,
	}
	var cases []authorCase
	add := func(identity int, remark bool, header string, flags ...string) {
		cases = append(cases, authorCase{header, flags, identity, remark})
	}
	for m, id := range mailboxes {
		bare := strings.HasPrefix(m, "root")
		add(id, false, "From: "+m)
		add(id, false, "FROM:\n "+m)
		add(id, false, "From: Team: "+m+";")
		add(id, false, "Sender: "+m)
		add(id, true, "From:\nSender: "+m)
		add(id, true, "From: nobody:;\nSender: "+m)
		add(id, true, "From: John Doe\nSender: "+m)
		add(2, false, "From: stranger@example.net\nSender: "+m)
		add(id, false, "From: one@example.net, two@example.net\nSender: "+m)
		add(id, false, "Resent-From: "+m+"\nFrom: stranger@example.net")
		add(id, false, "Resent-To: x@example.net\nResent-From: "+m+"\nReceived: by x\nResent-From: me@example.org\nFrom: x@a.example.com")
		add(id, true, "Resent-From: John Doe\nResent-Sender: "+m+"\nFrom: me@example.org")
		add(id, false, "Resent-Sender: "+m+"\nFrom: me@example.org")
		add(id, true, "Resent-To: x@example.net\nFrom: "+m)
		add(id, false, "From: "+m, "-f", "")
		add(0, false, "From: "+m, "-f", "ME@example.ORG")
		add(1, false, "From: John Doe, "+m, "-f", "me@bücher.example")
		if bare || strings.ContainsAny(m, "<(") {
			continue
		}
		add(id, true, "From: Doe, John <"+m+">")
		add(id, true, "From: Doe; John <"+m+">")
		add(id, false, `From: "Doe, John" <`+m+">")
		add(id, true, "From: M\xfcller, Ann <"+m+">")
		add(id, true, "From: "+m+", stranger@example.net")
		add(id, true, "From: Team: root, "+m+";")
		add(2, true, "From: John <"+m)
		add(2, true, `From: "John <`+m+">")
		add(2, true, "From: John "+m)
		add(id, true, "From: John "+m, "-f", "<>")
		cases[len(cases)-1].identity = 2
	}
	add(2, false, "Subject: none")
	add(2, true, "From:")
	add(2, true, "From: ;,")
	add(2, true, "From: <>")
	// In quotes that are not part of it.
	for _, quoted := range []string{"'you@lists.example.com'", `"you@lists.example.com"`, "<'you@lists.example.com'>", `Me <"you@lists.example.com">`, "“you@lists.example.com”", `"'you@lists.example.com'"`, "`you@lists.example.com´"} {
		add(1, true, "From: "+quoted)
	}
	add(2, false, "From: o'brien'@example.net")
	return cases
}

// Whoever looks at a message sees the same sender and identity, and the same remark where that
// was not certain: sendmail, deliver, explain, mailq and check-message.
func TestEverybodyChoosesTheSameIdentity(t *testing.T) {
	hosts := []*stage.SmartHost{stage.NewSmartHost(t), stage.NewSmartHost(t), stage.NewSmartHost(t)}
	p := stage.NewPerson(t)
	p.Write(".config/esmtpq/config.yaml", fmt.Sprintf(authorIdentities, hosts[0].Addr, hosts[1].Addr, hosts[2].Addr))
	names := []string{"me@example.org", "work", "spare@example.info"}

	cases := authorCases()
	reverse := map[string]string{} // by recipient, as explained
	for i, c := range cases {
		rcpt := fmt.Sprintf("r%d@example.net", i)
		text := c.header + "\nTo: " + rcpt + "\n\ntext\n"
		p.Succeeds(p.Command("sendmail", append(c.flags, "-i", rcpt)...), text)
		explained := fieldsOf(p.Run(text, "esmtpq", append([]string{"explain", "--message", "-"}, c.flags...)...))
		if got := explained["identity"]; !strings.HasPrefix(got, names[c.identity]+", ") {
			t.Errorf("%q %q: explained as %q, want %s", c.header, c.flags, got, names[c.identity])
		}
		if got := explained["remark"]; (got != "") != c.remark {
			t.Errorf("%q %q: remark %q", c.header, c.flags, got)
		}
		checked := p.Try(text, "esmtpq", "check-message").Stdout
		if len(c.flags) == 0 && strings.Contains(checked, ", so ") != c.remark || !strings.Contains(checked, explained["remark"]) {
			t.Errorf("%q: check-message says %q, explain %q", c.header, checked, explained["remark"])
		}
		reverse[rcpt] = explained["reverse-path"]
	}
	checkQueued(t, p, cases)
	p.Deliver()
	arrived := 0
	for i, host := range hosts {
		for _, mail := range host.Received() {
			arrived++
			var n int
			if _, err := fmt.Sscanf(mail.To[0], "r%d@example.net", &n); err != nil || cases[n].identity != i {
				t.Errorf("%q %q: went to the host of %s (%v)", cases[n].header, cases[n].flags, names[i], err)
			}
			said, _, _ := strings.Cut(reverse[mail.To[0]], ">")
			if ascii(said) != ascii("<"+mail.From) {
				t.Errorf("%q %q: sent as %q, explained as %q", cases[n].header, cases[n].flags, mail.From, reverse[mail.To[0]])
			}
		}
	}
	if arrived != len(cases) {
		t.Errorf("%d mails arrived of %d", arrived, len(cases))
	}
}

// checkQueued checks what sendmail has chosen, and that mailq shows the remarks.
func checkQueued(t *testing.T, p *stage.Person, cases []authorCase) {
	t.Helper()
	if n := strings.Count(p.Run("", "mailq", "-v"), "(remark: "); n != count(cases, func(c authorCase) bool { return c.remark }) {
		t.Errorf("mailq -v shows %d remarks", n)
	}
	for line := range strings.Lines(p.Run("", "mailq", "--json")) {
		var m struct {
			ID         string `json:"queue_id"`
			Remarks    []string
			Recipients []struct{ Address string }
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		var n int
		fmt.Sscanf(m.Recipients[0].Address, "r%d@example.net", &n)
		if (len(m.Remarks) == 1) != cases[n].remark {
			t.Errorf("%q %q: remarks %q", cases[n].header, cases[n].flags, m.Remarks)
		}
		content, err := os.ReadFile(filepath.Join(p.Home, ".esmtp_queue", m.ID, "mail"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "\nMessage-ID:") != (cases[n].identity != 1) {
			t.Errorf("%q %q: sendmail has chosen another identity:\n%s", cases[n].header, cases[n].flags, content)
		}
	}
}

func count(cases []authorCase, is func(authorCase) bool) (n int) {
	for _, c := range cases {
		if is(c) {
			n++
		}
	}
	return n
}

// fieldsOf returns the first of each of the fields that explain prints.
func fieldsOf(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if _, is := fields[name]; ok && !is {
			fields[name] = strings.TrimSpace(value)
		}
	}
	return fields
}

// ascii returns an address with its domain as A-labels.
func ascii(address string) string {
	at := strings.LastIndexByte(address, '@')
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil {
		return address
	}
	return address[:at+1] + domain
}
