package hostile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Texts that some mail hosts took for the end of a content and others did not, with a second
// message after it. Whatever there is between the lines of a body, the host sees one message,
// with CR LF line ends.

// A smuggler is a body that is meant to become two messages.
type smuggler struct {
	name, body string
}

const smuggled = "MAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.net>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n"

// smugglers are all combinations of line ends before and after a dot, and the best known of them
// across the borders of buffers.
func smugglers() []smuggler {
	var list []smuggler
	add := func(before, dot, behind string, skip int) {
		seq := before + dot + behind
		name := fmt.Sprintf("%q", seq)
		pad := "text"
		if skip > 0 {
			name += fmt.Sprintf(" at %d", skip)
			pad = strings.Repeat("0123456789abcde\n", skip/16+1)[:skip]
		}
		list = append(list, smuggler{name, pad + seq + smuggled})
	}
	ends := []string{"", "\r", "\n", "\r\n", "\n\r", "\r\r", "\n\n", "\r\r\n", "\r\n\r", "\x00\r\n", "\n\x00"}
	for _, before := range ends {
		for _, behind := range ends {
			add(before, ".", behind, 0)
		}
	}
	for _, dots := range []string{"..", "...", ".\x00", ". "} {
		add("\r\n", dots, "\r\n", 0)
		add("\n", dots, "\n", 0)
	}
	for _, border := range []int{4 << 10, 32 << 10, 64 << 10, 128 << 10} {
		for off := -5; off <= 1; off++ {
			add("\r\n", ".", "\r\n", border+off)
			add("\n", ".", "\n", border+off)
			add("\r", ".", "\r", border+off)
		}
	}
	return list
}

// onTheWire returns a text as it must go to a host: each LF with the CRs before it, and each other
// CR, is one CR LF; NULs are left out.
func onTheWire(text string) string {
	text = strings.ReplaceAll(text, "\x00", "")
	text = regexp.MustCompile("\r*\n").ReplaceAllString(text, "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	return strings.ReplaceAll(text, "\n", "\r\n")
}

// smugglingBodies sends all of them, over plain and over pipelined sessions and in chunks.
func smugglingBodies(t *testing.T, fig *hostileFigures) {
	for _, offers := range []string{"8BITMIME", "PIPELINING 8BITMIME", "PIPELINING 8BITMIME CHUNKING"} {
		t.Run(offers, func(t *testing.T) {
			host := newHostileHost(t, strings.Fields(offers)...)
			me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
			all := smugglers()
			sideBySide(t, 4, all, func(s smuggler) string { return s.name }, func(t *testing.T, s smuggler) {
				fig.bodies.Add(1)
				if r := me.Try("Subject: honest\nFrom: me@example.org\nDate: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <1@example.org>\n\n"+s.body,
					"sendmail", "-i", "friend@example.net"); r.Code != 0 {
					t.Errorf("sendmail: %+v", r)
				}
			})
			me.Deliver()
			host.settle()
			want := map[string]int{}
			for _, s := range all {
				want[onTheWire(s.body)]++
			}
			for _, m := range host.mails() {
				_, body, _ := strings.Cut(m.content, "\r\n\r\n")
				want[body]--
				strictWire(t, m, strings.Contains(offers, "CHUNKING"))
			}
			for body, n := range want {
				if n != 0 {
					t.Errorf("%d copies missing (below 0: too many) of %.100q", n, body)
				}
			}
			if n := len(host.mails()); n != len(all) {
				t.Errorf("the host saw %d messages, not %d", n, len(all))
			}
			for _, line := range slices.Concat(host.said("MAIL"), host.said("RCPT")) {
				if strings.Contains(line, "evil") {
					t.Errorf("the host was told %q", line)
				}
			}
		})
	}
}

// strictWire checks that every reader sees the same end of the content as the strictest one.
func strictWire(t *testing.T, m hostileMail, chunked bool) {
	t.Helper()
	rest := strings.ReplaceAll(m.wire, "\r\n", "")
	if strings.ContainsAny(rest, "\r\n") {
		t.Errorf("a bare CR or LF on the wire: %.100q", m.wire)
	}
	if !chunked && strings.Contains("\r\n"+m.wire, "\r\n.\r\n") {
		t.Errorf("a line with a single dot: %.100q", m.wire)
	}
	if !strings.HasSuffix(m.wire, "\r\n") {
		t.Errorf("ends within a line: %.100q", m.wire)
	}
}

// A CR, which only some programs take for a line end, gives a header no fields that were not
// checked; and a blind copy behind one is for nobody to read.
func smugglingHeaders(t *testing.T, fig *hostileFigures) {
	host := newHostileHost(t)
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
	n := 0
	for _, end := range []string{"\r", "\r\r", "\n\r", "\r\n", "\r\r\n", "\x00\r", "\v", "\f", "\u0085", "\u2028"} {
		for _, field := range []string{"Bcc: secret@example.com", "Resent-Bcc: secret@example.com", "bCC : secret@example.com"} {
			for _, rest := range []string{"\n\ntext\n", end + "X: y\n\ntext\n", end + " folded@example.com\n\ntext\n"} {
				fig.bodies.Add(1)
				r := me.Try("From: me@example.org\nTo: friend@example.net\nSubject: x"+end+field+rest, "sendmail", "-t", "-i")
				switch r.Code {
				case 0:
					n++
				case 65: // the folding turns one address into two
				default:
					t.Errorf("%q%q: %+v", end, field, r)
				}
			}
		}
	}
	me.Try("", "deliver") // some blind copies are to addresses that cannot be read
	mails := host.mails()
	if len(mails) != n {
		t.Fatalf("%d mails arrived, want %d", len(mails), n)
	}
	for _, m := range mails {
		header, _, _ := strings.Cut(m.content, "\r\n\r\n")
		for line := range strings.SplitSeq(header, "\r\n") {
			name, _, _ := strings.Cut(line, ":")
			if name = strings.ToLower(strings.TrimSpace(name)); name == "bcc" || name == "resent-bcc" {
				t.Errorf("a blind copy shows in %q", header)
			}
		}
		if strings.Contains(header, "secret") && !strings.ContainsAny(header, "\v\f\u0085\u2028") {
			t.Errorf("a blind copy shows in %q", header)
		}
		strictWire(t, m, false)
	}
}
