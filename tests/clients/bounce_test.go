package clients

import (
	"encoding/json"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// withMailbox is an identity with an MDA that appends to a file, each mail after a line of its
// own.
func withMailbox(host *stage.SmartHost) []string {
	return append([]string{`mda = "{ echo '>>> ' %T from '<'%F'>'; cat; } >> $HOME/mailbox"`}, stage.Identity(host)...)
}

// mailbox returns the mails in the local mailbox.
func mailbox(p *stage.Person) []string {
	p.T.Helper()
	b, err := os.ReadFile(p.Path("mailbox"))
	if err != nil && !os.IsNotExist(err) {
		p.T.Fatal(err)
	}
	mails := strings.Split(string(b), ">>> ")[1:]
	me, err := user.Current()
	if err != nil {
		p.T.Fatal(err)
	}
	for i, mail := range mails {
		mark, content, _ := strings.Cut(mail, "\n")
		if want := me.Username + " from <>"; strings.TrimSpace(mark) != want {
			p.T.Errorf("the bounce is for %s, want %s", mark, want)
		}
		mails[i] = content
	}
	return mails
}

// onlyBounce returns the only mail in the local mailbox.
func onlyBounce(p *stage.Person) string {
	p.T.Helper()
	mails := mailbox(p)
	if len(mails) != 1 {
		p.T.Fatalf("%d mails in the mailbox, want 1: %q\n%s", len(mails), mails, p.Try("", "mailq").Stdout)
	}
	return mails[0]
}

// parseBounce has Python read a delivery report.
const parseBounce = `
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = list(m.iter_parts())
print(json.dumps({
    'defects': [str(d) for p in m.walk() for d in p.defects],
    'type': m.get_content_type() + ' ' + str(m.get_param('report-type')),
    'parts': [p.get_content_type() for p in parts],
    'header': {k: m[k] for k in m.keys()},
    'text': parts[0].get_content(),
    'status': [{k: ' '.join(g[k].split()) for k in g.keys()} for g in parts[1].get_payload()],
    'original': parts[2].as_bytes().decode('utf-8', 'replace'),
}))
`

type bounce struct {
	Defects  []string
	Type     string
	Parts    []string
	Header   map[string]string
	Text     string
	Status   []map[string]string
	Original string
}

func readBounce(t *testing.T, content string) *bounce {
	t.Helper()
	stage.Needs(t, "python3")
	cmd := exec.Command("python3", "-c", parseBounce)
	cmd.Stdin = strings.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, content)
	}
	b := &bounce{}
	if err := json.Unmarshal(out, b); err != nil {
		t.Fatal(err)
	}
	if len(b.Defects) > 0 {
		t.Errorf("Python finds defects: %v", b.Defects)
	}
	return b
}

func (b *bounce) isReport(t *testing.T) {
	t.Helper()
	if got := b.Type + ": " + strings.Join(b.Parts, " "); got != "multipart/report delivery-status: text/plain message/delivery-status text/rfc822-headers" {
		t.Errorf("the bounce is %s", got)
	}
	if b.Header["Auto-Submitted"] != "auto-replied" || !strings.Contains(b.Header["From"], "MAILER-DAEMON@") {
		t.Errorf("header %v", b.Header)
	}
	if b.Status[0]["Reporting-MTA"] == "" || b.Status[0]["Arrival-Date"] == "" {
		t.Errorf("fields of the message: %v", b.Status[0])
	}
	for _, rcpt := range b.Status[1:] {
		for _, name := range []string{"Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date"} {
			if rcpt[name] == "" {
				t.Errorf("no %s in %v", name, rcpt)
			}
		}
	}
}

const unlucky = "From: me@example.org\nTo: friend@example.net, nobody@example.net\nSubject: dinner\nMessage-ID: <dinner@example.org>\n\nAt eight?\n"
