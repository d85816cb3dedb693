package localmda

import (
	"strings"
	"testing"
)

func TestExitStatus(t *testing.T) {
	for _, test := range []struct{ command, want, text string }{
		{`exit 0`, "delivered 2.0.0", "taken by the local delivery agent"},
		{`exit 64`, "failed 5.3.0 recipient", "exit status 64, wrong usage of the command line"},
		{`exit 65`, "failed 5.6.0 message", "exit status 65, wrong data in the message"},
		{`echo 'Unknown user "bob"' >&2; exit 67`, "failed 5.1.1 recipient", `exit status 67, no such user: Unknown user "bob"`},
		{`exit 69`, "delayed 4.3.0 recipient", "exit status 69, service unavailable"},
		{`exit 71`, "delayed 4.3.0 recipient", "exit status 71, operating system error"},
		{`exit 73`, "delayed 4.2.0 recipient", "exit status 73, cannot create the output file"},
		{`exit 74`, "delayed 4.3.0 recipient", "exit status 74, input/output error"},
		{`echo first; echo Mailbox locked >&2; echo; exit 75`, "delayed 4.3.0 recipient", "exit status 75, temporary failure: first; Mailbox locked"},
		{`exit 77`, "failed 5.7.0 recipient", "exit status 77, permission denied"},
		{`exit 78`, "failed 5.3.5 recipient", "exit status 78, configuration error"},
		// These have no known meaning: an agent's lock may be held, or its folder not exist yet.
		{`exit 1`, "delayed 4.3.0 recipient", "exit status 1"},
		{`exit 2`, "delayed 4.3.0 recipient", "exit status 2"},
		{`exit 79`, "delayed 4.3.0 recipient", "exit status 79"},
		{`exit 255`, "delayed 4.3.0 recipient", "exit status 255"},
		// These are qmail's.
		{`echo 'no such folder'; exit 111`, "delayed 4.3.0 recipient", "exit status 111, temporary failure: no such folder"},
		{`exit 100`, "failed 5.3.0 recipient", "exit status 100, permanent failure"},
		// A line that every call prints last hides neither the line before it nor the status.
		{`echo one; echo 'over quota'; echo 'ERR: authdaemon: s_connect() failed'; exit 75`, "delayed 4.3.0 recipient",
			"exit status 75, temporary failure: over quota; ERR: authdaemon: s_connect() failed"},
		{`/ 2>/dev/null`, "delayed 4.3.5 identity", "exit status 126, the command cannot be executed"},
		{`nosuchcommandanywhere 2>/dev/null`, "delayed 4.3.5 identity", "exit status 127, command not found"},
		// A signal says nothing about the mail, which may have been stored.
		{`cat >/dev/null; kill -SEGV $$`, "delayed 4.3.0 recipient unsure", "exit status 139, signal 11"},
		{`cat | sh -c 'cat >/dev/null; kill -KILL $$'`, "delayed 4.3.0 recipient unsure", "exit status 137, signal 9"},
	} {
		r := run(newAgent(t, test.command), mail("A1", "bob")).reports[0]
		text, _, _ := strings.Cut(r.Text, "\n")
		if got := describe(r); got != test.want || !strings.Contains(text, test.text) {
			t.Errorf("%s: %s, %q, want %s, %q", test.command, got, r.Text, test.want, test.text)
		}
	}
}

func TestWordsAreBounded(t *testing.T) {
	r := run(newAgent(t, `i=0; while [ $i -lt 2000 ]; do printf 'x'; i=$((i+1)); done; exit 67`), mail("A1", "bob")).reports[0]
	if n := strings.Count(r.Text, "x"); n < 400 || n > 510 {
		t.Errorf("%d octets of the output were kept", n)
	}
}
