package message

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// readWithPython has another parser read a report.
const readWithPython = `
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = list(m.iter_parts())
status = parts[1]
groups = status.get_payload()
if status.get_content_type() == 'message/global-delivery-status':
    # Unknown to this parser: it takes the first group for a header and the rest for its body.
    text = groups[0].as_bytes().decode()
    groups = [email.message_from_string(g) for g in text.strip().split('\n\n')]
print(json.dumps({
    'defects': [str(d) for p in m.walk() for d in p.defects],
    'report': m.get_param('report-type'),
    'header': {k: m[k] for k in m.keys()},
    'types': [p.get_content_type() for p in parts],
    'text': parts[0].get_content(),
    'groups': [{k: ' '.join(g[k].split()) for k in g.keys()} for g in groups],
    'original': parts[2].as_bytes().decode('utf-8', 'replace') if len(parts) > 2 else '',
}))
`

type parsedReport struct {
	Defects  []string
	Report   string
	Header   map[string]string
	Types    []string
	Text     string
	Groups   []map[string]string
	Original string
}

func readReport(t *testing.T, content string) *parsedReport {
	t.Helper()
	cmd := exec.Command("python3", "-c", readWithPython)
	cmd.Stdin = strings.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	p := &parsedReport{}
	if err := json.Unmarshal(out, p); err != nil {
		t.Fatal(err)
	}
	if len(p.Defects) > 0 {
		t.Errorf("Python finds defects: %v in\n%s", p.Defects, content)
	}
	return p
}

func writeReport(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if len(line) > MaxLine {
			t.Errorf("a line of %d octets: %.60q...", len(line), line)
		}
	}
	return b.String()
}

func newReport(t *testing.T, original string, rcpts ...ReportRecipient) *Report {
	t.Helper()
	br := bufio.NewReader(strings.NewReader(original))
	h, err := ReadHeader(br)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &Report{
		Date: at, From: "Mail Delivery System <MAILER-DAEMON@laptop.test>", To: "ann", Subject: "Undelivered mail",
		Text: "It did not go.\n", MTA: "laptop.test", Arrival: at.Add(-time.Hour), Recipients: rcpts, Header: h, Body: br,
	}
}

const reported = "From: ann@example.org\nSubject: hello\nMessage-ID: <1@example.org>\n\nbody\n--\nann\n"

func TestReport(t *testing.T) {
	last := time.Date(2026, 3, 1, 11, 59, 0, 0, time.UTC)
	r := newReport(t, reported,
		ReportRecipient{Address: "bob@example.org", Action: "failed", Status: "5.1.1", RemoteMTA: "mx.example.org", Diagnostic: "550 5.1.1 no such user", SMTP: true, Last: last},
		ReportRecipient{Address: "root", Action: "delayed", Status: "nonsense", RemoteMTA: "local agent", Diagnostic: "exit status 75", RetryUntil: last})
	r.EnvelopeID = "a b+c"
	p := readReport(t, writeReport(t, r))
	if p.Report != "delivery-status" || strings.Join(p.Types, " ") != "text/plain message/delivery-status message/rfc822" {
		t.Errorf("report-type %s, parts %v", p.Report, p.Types)
	}
	for name, want := range map[string]string{
		"From": "Mail Delivery System <MAILER-DAEMON@laptop.test>", "To": "ann", "Subject": "Undelivered mail",
		"Date": "Sun, 01 Mar 2026 12:00:00 +0000", "Auto-Submitted": "auto-replied",
		"In-Reply-To": "<1@example.org>", "References": "<1@example.org>",
	} {
		if got := p.Header[name]; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	checkGroups(t, p.Groups, []map[string]string{{
		"Reporting-MTA": "dns; laptop.test", "Original-Envelope-Id": "a+20b+2Bc", "Arrival-Date": "Sun, 1 Mar 2026 11:00:00 +0000",
	}, {
		"Final-Recipient": "rfc822; bob@example.org", "Action": "failed", "Status": "5.1.1", "Remote-MTA": "dns; mx.example.org",
		"Diagnostic-Code": "smtp; 550 5.1.1 no such user", "Last-Attempt-Date": "Sun, 1 Mar 2026 11:59:00 +0000",
	}, {
		"Final-Recipient": "rfc822; root@laptop.test", "Action": "delayed", "Status": "4.0.0",
		"Diagnostic-Code": "x-esmtpq; exit status 75", "Will-Retry-Until": "Sun, 1 Mar 2026 11:59:00 +0000",
	}})
	if p.Text != "It did not go.\n" || !strings.HasSuffix(p.Original, "\n\n"+reported) {
		t.Errorf("text %q, original %q", p.Text, p.Original)
	}
}

func checkGroups(t *testing.T, got, want []map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d groups, want %d: %v", len(got), len(want), got)
	}
	for i := range want {
		for name, value := range want[i] {
			if got[i][name] != value {
				t.Errorf("group %d, %s: %q, want %q", i, name, got[i][name], value)
			}
		}
		if len(got[i]) != len(want[i]) {
			t.Errorf("group %d: %v", i, got[i])
		}
	}
}

// The part of the message that is returned, and its type.
func TestReportOriginal(t *testing.T) {
	tests := []struct {
		name, original string
		body           bool
		want           string
	}{
		{"header", "Subject: a\n\nsecret\n", false, "text/rfc822-headers"},
		{"header in UTF-8", "Subject: ä\n\nsecret\n", false, "message/global-headers"},
		{"header in something else", "Subject: \xe4\n\nsecret\n", false, "text/rfc822-headers"},
		{"whole", "Subject: a\n\nsecret\n", true, "message/rfc822"},
		{"whole, header in UTF-8", "Subject: ä\n\nsecret\n", true, "message/global"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newReport(t, test.original, ReportRecipient{Address: "bob@example.org", Action: "failed"})
			if !test.body {
				r.Body = nil
			}
			content := writeReport(t, r)
			if got := readReport(t, content).Types[2]; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if strings.Contains(content, "secret") != test.body {
				t.Errorf("body returned: %v", !test.body)
			}
		})
	}
	r := newReport(t, reported, ReportRecipient{Address: "bob@example.org", Action: "failed"})
	r.Header = nil
	if p := readReport(t, writeReport(t, r)); len(p.Types) != 2 {
		t.Errorf("without an original: %v", p.Types)
	}
}

// Addresses that are not ASCII make it a report of RFC 6533.
func TestReportInternational(t *testing.T) {
	r := newReport(t, reported,
		ReportRecipient{Address: "jürgen@bücher.example", Action: "failed", Status: "5.1.1", Diagnostic: "550 unbekannt: jürgen", SMTP: true},
		ReportRecipient{Address: "bob@example.org", Action: "failed", Status: "5.1.1"})
	content := writeReport(t, r)
	p := readReport(t, content)
	if p.Report != "global-delivery-status" || p.Types[1] != "message/global-delivery-status" {
		t.Errorf("report-type %s, parts %v", p.Report, p.Types)
	}
	for _, want := range []string{"\nFinal-Recipient: utf-8; jürgen@bücher.example\n", "\nDiagnostic-Code: smtp; 550 unbekannt: jürgen\n", "\nFinal-Recipient: rfc822; bob@example.org\n"} {
		if !strings.Contains(content, want) {
			t.Errorf("no %q in\n%s", want, content)
		}
	}
	checkGroups(t, p.Groups[2:], []map[string]string{{"Final-Recipient": "rfc822; bob@example.org", "Action": "failed", "Status": "5.1.1"}})
}

// hostile is what hosts may say.
var hostile = []string{
	"no\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822; eve@example.org",
	"\x1b]0;title\x07\x1b[2J \x00\x08\x7f",
	"8-bit: \xe4\xf6\xfc, and UTF-8: äöü\u202e\u2028",
	strings.Repeat("word ", 1000),
	strings.Repeat("x", 5000),
	strings.Repeat("ü", 3000),
	"\n--=_boundary--\n",
	" \t ",
}

func TestReportHostileWords(t *testing.T) {
	for _, words := range hostile {
		r := newReport(t, reported, ReportRecipient{
			Address: "bob@example.org", Action: "failed", Status: words, RemoteMTA: words, Diagnostic: words, SMTP: true})
		r.Text, r.MTA, r.EnvelopeID = words, words, words
		content := writeReport(t, r)
		checkHarmless(t, content)
		p := readReport(t, content)
		if len(p.Groups) != 2 || p.Groups[1]["Action"] != "failed" || p.Groups[1]["Status"] != "5.0.0" || len(p.Types) != 3 {
			t.Errorf("%q becomes %v", words, p.Groups)
		}
	}
}

func checkHarmless(t *testing.T, content string) {
	t.Helper()
	if !utf8.ValidString(content) || strings.ContainsFunc(content, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c == '\u202e' }) {
		t.Errorf("not printable: %q", content)
	}
}

func FuzzReport(f *testing.F) {
	for _, words := range hostile {
		f.Add(words, words, "bob@example.org")
		f.Add("text", words, "bücher@example.org")
	}
	f.Fuzz(func(t *testing.T, text, words, address string) {
		if CheckAddress(address) != nil {
			return
		}
		r := newReport(t, "", ReportRecipient{Address: address, Action: "failed", Status: words, RemoteMTA: words, Diagnostic: words})
		r.Text, r.MTA, r.EnvelopeID = text, words, words
		content := writeReport(t, r)
		checkHarmless(t, content)
		_, status, _ := strings.Cut(content, "\nContent-Description: Delivery report\n")
		_, status, _ = strings.Cut(status, "\n\n")
		status, _, _ = strings.Cut(status, "\n\n--=_")
		groups := strings.Split(strings.TrimSuffix(status, "\n"), "\n\n")
		if len(groups) != 2 || !strings.HasPrefix(groups[1], "Final-Recipient: ") {
			t.Errorf("not two groups: %q", status)
		}
		for line := range strings.SplitSeq(status, "\n") {
			if line != "" && strings.Trim(line, " ") == "" {
				t.Errorf("a blank line that is not empty: %q", status)
			}
		}
	})
}
