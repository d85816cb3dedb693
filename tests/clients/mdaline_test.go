package clients

import (
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// A line in which a second shell would read a recipient or a sender as part of a program is refused
// when the configuration is read, whatever it is read for, with its place and without its text.
func TestLineWithASecondShell(t *testing.T) {
	for _, line := range []string{`sh -c 'echo hidden; echo %T'`, `eval "echo hidden %F"`, `ssh gw hidden %T`} {
		me := stage.NewPerson(t)
		me.Write(".config/esmtpq/config.yaml", "mda: "+line+"\nidentities:\n  - name: me@example.org\n    host: localhost\n")
		for _, call := range [][]string{{"sendmail", "a@example.net"}, {"esmtpq", "config"}, {"esmtpq", "explain", "joe"}} {
			r := me.Try(forwarded+"x\n", call[0], call[1:]...)
			if r.Code != 78 || !strings.Contains(r.Stderr, "config.yaml:1: mda: %T or %F would become part of a text that is run by") || strings.Contains(r.Stderr, "hidden") {
				t.Errorf("%s, %q: exit status %d, %s", line, call, r.Code, r.Stderr)
			}
		}
	}
}

// procmail and maildrop without the sender are not refused, but spoken about.
func TestRemarkOnALineWithoutTheSender(t *testing.T) {
	for line, want := range map[string]bool{"/usr/bin/procmail": true, "procmail -d %T": true, "cat | maildrop": true, "procmail -f %F -d %T": false, "maildrop -f %F": false} {
		me := stage.NewPerson(t)
		me.Write(".config/esmtpq/config.yaml", "mda: "+line+"\nidentities:\n  - name: me@example.org\n    host: localhost\n")
		if r := me.Try("", "esmtpq", "config"); r.Code != 0 || strings.Contains(r.Stderr, "config.yaml:1: mda: ") != want {
			t.Errorf("%s: config: exit status %d, %s", line, r.Code, r.Stderr)
		}
		if r := me.Try("", "esmtpq", "explain", "joe"); r.Code != 0 || strings.Contains(r.Stderr, "without -f %F") != want {
			t.Errorf("%s: explain: exit status %d, %s", line, r.Code, r.Stderr)
		}
	}
}
