package relay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"esmtpq/queue"
)

// to makes a task for recipients named by their addresses.
func to(rcpts string) *task { return newTask(message("1", strings.Fields(rcpts)...), 1) }

// addresses returns the recipients of a task.
func (t *task) addresses() string {
	var all []string
	for _, i := range t.rcpts {
		all = append(all, t.d.Recipients[i].Address)
	}
	return strings.Join(all, " ")
}

// A task is split into transactions with as many recipients and domains as the host takes; each
// recipient is in one of them, and the order stays.
func TestSplit(t *testing.T) {
	for _, c := range []struct {
		rcpts          string
		limit, domains int
		want           string // transactions, with | between
	}{
		{"a@x b@x c@x", 100, 0, "a@x b@x c@x"},
		{"a@x b@x c@x", 3, 0, "a@x b@x c@x"},
		{"a@x b@x c@x", 2, 0, "a@x b@x|c@x"},
		{"a@x b@x c@x", 1, 0, "a@x|b@x|c@x"},
		{"a@x b@y c@x d@z", 100, 1, "a@x c@x|b@y|d@z"},
		{"a@x b@y c@X d@z", 100, 2, "a@x b@y c@X|d@z"},
		{"a@x b@y c@x d@z", 2, 2, "a@x b@y|c@x d@z"},
		{"a@x b@y c@x d@y", 2, 1, "a@x c@x|b@y d@y"},
		{"postmaster a@x", 100, 1, "postmaster|a@x"},
		{`"a@x"@y b@y`, 100, 1, `"a@x"@y b@y`},
	} {
		var got []string
		for rest := to(c.rcpts); rest != nil; {
			part := rest
			rest = part.split(c.limit, c.domains)
			got = append(got, part.addresses())
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s, %d of %d domains: %s, want %s", c.rcpts, c.limit, c.domains, strings.Join(got, "|"), c.want)
		}
	}
}

// The recipients of a task that have a report are recorded; the rest goes on, with its history.
func TestSettle(t *testing.T) {
	yes := queue.Report{Action: queue.Relayed}
	for _, c := range []struct {
		reports []queue.Report
		want    string // recipients recorded, then those that are left
	}{
		{[]queue.Report{yes, yes, yes}, "[] []"}, // nil stands for all
		{[]queue.Report{yes, {}, yes}, "[0 2] [1]"},
		{[]queue.Report{{}, {}, yes}, "[2] [0 1]"},
		{[]queue.Report{{}, {}, {}}, "none [0 1 2]"},
	} {
		all := to("a@x b@x c@x")
		all.deaths, all.plain = 1, true
		o, rest := all.settle(c.reports), all.rest(c.reports)
		got := fmt.Sprint("none ", rest.rcpts)
		if o != nil {
			got = fmt.Sprint(o.Recipients, " ", rest.rcpts)
			if n := len(o.Recipients); n != len(o.Reports) && o.Recipients != nil || o.Recipients == nil && len(o.Reports) != 3 {
				t.Errorf("%d reports for %v", len(o.Reports), o.Recipients)
			}
		}
		if got != c.want || rest.deaths != 1 || !rest.plain {
			t.Errorf("%s, want %s; %+v", got, c.want, rest)
		}
	}
	// A part that is settled completely is not a whole delivery.
	part := to("a@x b@x c@x")
	rest := part.split(2, 0)
	if o := part.settle([]queue.Report{yes, yes}); !slices.Equal(o.Recipients, []int{0, 1}) {
		t.Errorf("%v", o.Recipients)
	}
	if o := rest.outcome(rest.all(yes)); !slices.Equal(o.Recipients, []int{2}) || len(o.Reports) != 1 {
		t.Errorf("%+v", o)
	}
}

// Text in brackets differs from one message to the next.
func TestWithoutBrackets(t *testing.T) {
	for said, want := range map[string]string{
		"":                             "",
		"max number of (200) over 24h": "max number of  over 24h",
		"try [192.0.2.1] <a@x> later":  "try   later",
		"a (b (c) d) e":                "a  e",
		"a) b (c":                      "a b ",
	} {
		if got := withoutBrackets(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

// One message over which the host ends each session does not keep the others waiting, whatever it has said to some of its
// recipients before.
func TestOneMessageEndsSessions(t *testing.T) {
	for _, said := range []string{"452 4.5.3 too many recipients", "452 4.2.2 mailbox full", "550 5.1.1 no", "250 ok"} {
		session := lockstepStart + `
			C: MAIL FROM:<me@example.org>
			S: 250 ok
			C: RCPT TO:<a@example.com>
			S: 250 ok
			C: RCPT TO:<b@example.com>
			S: ` + said + `
			C: DATA
			! close
			---`
		// From the second on b is left out; where it has its answer, the message is not charged with the first.
		rest := strings.Replace(session, "C: RCPT TO:<b@example.com>\n\t\t\tS: "+said, "", 1)
		script := session + rest + rest
		switch said {
		case "452 4.5.3 too many recipients":
			script = session + rest
		case "250 ok":
			script = session + session
		}
		s := serve(t, script+lockstepStart+`
			C: MAIL FROM:<me@example.org>
			S: 250 ok
			C: RCPT TO:<x2@example.com>
			S: 250 ok
			C: DATA
			S: 354 go on
			C* .
			S: 250 queued 2`+bye, nil)
		all := messages(2)
		all[0] = message("1", "a@example.com", "b@example.com")
		r := run(t, s.host(), all...)
		s.close()
		for _, line := range r.log {
			switch {
			case strings.HasPrefix(line, "2 ") && line != "2 x2@example.com relayed 2.0.0 250 queued 2",
				strings.Contains(line, "/identity"):
				t.Errorf("%s: %s", said, line)
			}
		}
	}
}
