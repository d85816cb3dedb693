package hosts

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// A mail of a test.
type mail struct {
	id      string // of its Message-ID
	to      []string
	content string // LF line ends
}

var series atomic.Int64

// newMails makes n small mails to good recipients of h.
func (h *host) newMails(n int) []mail {
	tag := series.Add(1)
	var mails []mail
	for i := range n {
		m := mail{id: fmt.Sprintf("%d.%d@example.org", i, tag), to: []string{h.good(i)}}
		m.content = header(m.id, m.to[0]) + fmt.Sprintf("This is mail %d.\n", i)
		mails = append(mails, m)
	}
	return mails
}

// header has the fields that any mail must have. Those of MIME make some hosts encode the content
// anew.
func header(id, to string) string {
	return "From: me@example.org\nTo: " + to + "\nSubject: mail " + id + "\nDate: Sun, 1 Nov 2026 12:00:00 +0000\n" +
		"Message-ID: <" + id + ">\n\n"
}

// fill makes the content n octets longer.
func (m *mail) fill(n int) {
	const line = "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n"
	m.content += strings.Repeat(line, n/len(line)+1)
}

// check compares the mail that has arrived with the mail sent: each mail once for each good
// recipient, its content unchanged after what hosts put in front. twice is how many surplus
// copies there may be.
func (h *host) check(t *testing.T, mails []mail, twice int) {
	t.Helper()
	copies := map[string]map[string]int{}
	want, known := 0, map[string]*mail{}
	for i := range mails {
		m := &mails[i]
		known[m.id] = m
		copies[m.id] = map[string]int{}
		for _, to := range m.to {
			if !strings.HasPrefix(to, "bad") {
				want++
			}
		}
	}
	arrivals := h.sink.await(func(all []arrival) bool {
		got := 0
		for _, a := range all {
			if m := messageID.FindStringSubmatch(a.content); m != nil && known[m[1]] != nil {
				got += len(a.to)
			}
		}
		return got >= want
	})
	for _, a := range arrivals {
		id := messageID.FindStringSubmatch(a.content)
		if id == nil || id[1] == "" {
			t.Errorf("a mail without a Message-ID arrived: %q", cut(a.content))
			continue
		}
		m := known[id[1]]
		if m == nil {
			continue // from another check
		}
		problem := h.differs(a.content, m.content)
		if problem != "" && twice > 0 && h.cuts && isCut(a.content, m.content) {
			continue
		}
		if problem != "" {
			t.Errorf("mail %s arrived changed: %s", m.id, problem)
		}
		if a.from != "me@example.org" {
			t.Errorf("mail %s arrived from %q", m.id, a.from)
		}
		for _, to := range a.to {
			copies[m.id][to]++
		}
	}
	h.count(t, mails, copies, twice)
}

// count compares the numbers of copies for each recipient.
func (h *host) count(t *testing.T, mails []mail, copies map[string]map[string]int, twice int) {
	t.Helper()
	doubled := 0
	var taken, lost, doubles, strangers []string
	for _, m := range mails {
		for _, to := range m.to {
			n := copies[m.id][to]
			delete(copies[m.id], to)
			switch bad := strings.HasPrefix(to, "bad"); {
			case bad && n > 0:
				taken = append(taken, m.id+" for "+to)
			case !bad && n == 0:
				lost = append(lost, m.id+" for "+to)
			case n > 1:
				doubled += n - 1
				doubles = append(doubles, m.id+" for "+to)
			}
		}
		for to := range copies[m.id] {
			strangers = append(strangers, m.id+" for "+to)
		}
	}
	complain(t, "arrived, though refused", taken)
	complain(t, "have not arrived", lost)
	complain(t, "arrived for others", strangers)
	if doubled > twice {
		t.Errorf("%d copies too many arrived, at most %d can be: %s", doubled, twice, first(doubles))
	}
}

// differs says how a content that arrived differs from what was sent; "" if it does not.
func (h *host) differs(arrived, sent string) string {
	sent = strings.ReplaceAll(sent, "\n", "\r\n")
	if h.arrives != nil {
		sent = h.arrives(sent)
	}
	trace, ok := strings.CutSuffix(arrived, sent)
	if !ok {
		i := strings.Index(arrived, sent[:20])
		if i < 0 {
			return fmt.Sprintf("%q is not in %q", sent[:20], cut(arrived))
		}
		arrived = arrived[i:]
		n := 0
		for n < len(arrived) && n < len(sent) && arrived[n] == sent[n] {
			n++
		}
		return fmt.Sprintf("%d octets, want %d; from octet %d on %q, want %q", len(arrived), len(sent), n, cut(arrived[n:]), cut(sent[n:]))
	}
	if strings.HasPrefix(trace, "\r\n") || strings.Contains(trace, "\r\n\r\n") {
		return fmt.Sprintf("there is more than a header in front: %q", trace)
	}
	if strings.Contains(trace, "Bcc:") {
		return "Bcc is shown"
	}
	return ""
}

// isCut reports whether what arrived is the beginning of a mail, closed with a line end.
func isCut(arrived, sent string) bool {
	sent = strings.ReplaceAll(sent, "\n", "\r\n")
	_, text, found := strings.Cut(arrived, sent[:20])
	return found && strings.HasPrefix(sent[20:], strings.TrimRight(text, "\r\n"))
}

func cut(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

func ids(mails []mail) (list []string) {
	for _, m := range mails {
		list = append(list, m.id)
	}
	return list
}
