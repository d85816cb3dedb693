package hosts

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

var mtas = flag.Bool("mtas", false, "ask Postfix, sendmail and Exim anew what they make of the corpus, and write it down")

// corpusFile has a line for each message of the corpus.
const corpusFile = "testdata/corpus.jsonl"

// An outcome is what a program makes of a message. Texts are shortened where they are long.
type outcome struct {
	Refused bool     `json:"refused,omitempty"`
	To      []string `json:"to,omitempty"`
	Fields  []string `json:"fields,omitempty"` // each on one line, with its name in lower case, sorted
	Body    string   `json:"body,omitempty"`
}

// A comparison is a line of corpusFile.
type comparison struct {
	Case   string  `json:"case"`
	Esmtpq outcome `json:"esmtpq"`
	// those of the others, where they are not the same
	Postfix  *outcome `json:"postfix,omitempty"`
	Sendmail *outcome `json:"sendmail,omitempty"`
	Exim     *outcome `json:"exim,omitempty"`
}

// theirs returns what the three make of the message.
func (c *comparison) theirs() (three []outcome) {
	for _, o := range []*outcome{c.Postfix, c.Sendmail, c.Exim} {
		if o == nil {
			o = &c.Esmtpq
		}
		three = append(three, *o)
	}
	return three
}

// aspects are what is compared.
var aspects = []struct {
	name string
	of   func(o outcome) any
}{
	{"refused", func(o outcome) any { return o.Refused }},
	{"recipients", func(o outcome) any { return o.To }},
	{"header", func(o outcome) any { return o.Fields }},
	{"body", func(o outcome) any { return o.Body }},
}

// deliberate are the troubles and aspects in which we differ although the three agree:
// docs/compatibility.md says why.
var deliberate = []string{
	"CR before a field: header",
	"byte order mark: refused", "byte order mark: recipients", "byte order mark: header", "byte order mark: body",
	"UTF-16: refused",
	"dot lines: body",
	"signed: header",
}

// What programs write and call is taken as Postfix, sendmail and Exim take it, where these agree;
// and what we make of it does not change unnoticed.
func TestCorpus(t *testing.T) {
	cases := corpus()
	if len(cases) < 200 {
		t.Fatalf("%d messages", len(cases))
	}
	ours := askEsmtpq(t, cases)
	var stored []comparison
	if *mtas {
		stored = askAll(t, cases, ours)
		writeCorpus(t, stored)
	} else {
		stored = readCorpus(t)
	}
	if len(stored) != len(cases) {
		t.Fatalf("%d messages are stored, %d are in the corpus: run with -mtas", len(stored), len(cases))
	}
	agree := 0
	for i, c := range stored {
		if c.Case != cases[i].name {
			t.Fatalf("message %d is %q, stored is %q: run with -mtas", i, cases[i].name, c.Case)
		}
		if !reflect.DeepEqual(ours[i], c.Esmtpq) {
			t.Errorf("%s: becomes\n%+v\nwas\n%+v", c.Case, ours[i], c.Esmtpq)
		}
		for _, p := range c.private(cases[i]) {
			t.Errorf("%s: %s", c.Case, p)
		}
		three := c.theirs()
		for _, a := range aspects {
			theirs := a.of(three[0])
			if !reflect.DeepEqual(theirs, a.of(three[1])) || !reflect.DeepEqual(theirs, a.of(three[2])) {
				continue
			}
			agree++
			if mine := a.of(c.Esmtpq); !reflect.DeepEqual(theirs, mine) && !slices.Contains(deliberate, c.trouble()+": "+a.name) {
				t.Errorf("%s: %s: three say\n%+v\nwe say\n%+v", c.Case, a.name, theirs, mine)
			}
		}
	}
	t.Logf("%d messages; the three agree in %d of %d aspects", len(cases), agree, len(cases)*len(aspects))
}

// trouble returns the last part of a name.
func (c *comparison) trouble() string {
	if i := strings.LastIndex(c.Case, ", "); i >= 0 && strings.Count(c.Case, ", ") >= 2 {
		return c.Case[i+2:]
	}
	return c.Case
}

// private says where a blind recipient shows in what we send.
func (c *comparison) private(in corpusCase) (shown []string) {
	if !strings.Contains(in.in, "ecret@example.com") {
		return nil
	}
	for _, f := range c.Esmtpq.Fields {
		if strings.Contains(f, "secret") {
			shown = append(shown, fmt.Sprintf("a blind recipient shows in %q", f))
		}
	}
	return shown
}

func askEsmtpq(t *testing.T, cases []corpusCase) []outcome {
	t.Helper()
	s := newSink(t)
	me := stage.NewPerson(t, "identity = me@smarthost.test", "hostname = "+s.addr, "qualifydomain = smarthost.test")
	status := make([]int, len(cases))
	for i, c := range cases {
		r := me.Try(c.in, "sendmail", append([]string{"-f", corpusSender(i)}, c.args...)...)
		status[i] = r.Code
	}
	me.Try("", "deliver")
	return outcomes(t, cases, status, s.all())
}

// corpusSender is the sender by which an outcome is known.
func corpusSender(i int) string { return fmt.Sprintf("case%d@sender.example.org", i) }

// outcomes sorts what has arrived by message.
func outcomes(t *testing.T, cases []corpusCase, status []int, arrived []arrival) []outcome {
	t.Helper()
	out := make([]outcome, len(cases))
	for i := range cases {
		out[i].Refused = status[i] != 0
	}
	for _, a := range arrived {
		var i int
		if _, err := fmt.Sscanf(a.from, "case%d@", &i); err != nil || i >= len(out) {
			continue // a bounce
		}
		first := out[i].To == nil
		out[i].To = append(out[i].To, a.to...)
		slices.Sort(out[i].To)
		if first { // other recipients may come in a transaction of their own
			out[i].Fields, out[i].Body = facts(cases[i].in, a.content)
		}
	}
	return out
}

// facts returns the fields and the body of a content in the form in which they are compared. What a
// program has made up, and not taken from the message, is not compared.
func facts(in, content string) (fields []string, body string) {
	content = strings.ReplaceAll(content, "\r\n", "\n")
	header, body, _ := strings.Cut(content, "\n\n")
	for line := range strings.SplitSeq(header, "\n") {
		if n := len(fields); n > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			fields[n-1] += line
			continue
		}
		fields = append(fields, line)
	}
	kept := fields[:0]
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		value = strings.Join(strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' }), " ")
		made := !strings.Contains(in, value)
		switch {
		case name == "received" && made && !strings.Contains(value, "MBX"):
			continue
		case made && slices.Contains([]string{"date", "message-id", "resent-date", "resent-message-id"}, name),
			made && name == "from" && strings.Contains(value, "@sender.example.org"):
			value = "(made)"
		}
		kept = append(kept, name+": "+shortened(value))
	}
	slices.Sort(kept)
	if len(kept) > 50 {
		kept = append(kept[:40], fmt.Sprintf("and %d more, %08x", len(kept)-40, crc32.ChecksumIEEE([]byte(strings.Join(kept[40:], "\n")))))
	}
	return slices.Clone(kept), shortened(body)
}

func shortened(s string) string {
	if len(s) <= 400 {
		return strings.ToValidUTF8(s, "?")
	}
	return fmt.Sprintf("%s... %d octets, %08x", strings.ToValidUTF8(s[:60], "?"), len(s), crc32.ChecksumIEEE([]byte(s)))
}

func readCorpus(t *testing.T) (stored []comparison) {
	t.Helper()
	for line := range strings.Lines(stage.Read(t, corpusFile)) {
		var c comparison
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		stored = append(stored, c)
	}
	return stored
}

func writeCorpus(t *testing.T, stored []comparison) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, c := range stored {
		if err := e.Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(corpusFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
