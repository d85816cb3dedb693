package hosts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// receives writes a delivery agent that stores its input, and returns its path and the directory
// that it stores to.
func receives(p *stage.Person) (agent, dir string) {
	p.T.Helper()
	// outside the home: mail servers run the agent as another user
	dir, err := os.MkdirTemp("", "esmtpq-received-")
	if err != nil {
		p.T.Fatal(err)
	}
	p.T.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		p.T.Fatal(err)
	}
	agent = filepath.Join(dir, ".agent")
	script := fmt.Sprintf(`#!/bin/sh
set -e
file=$(mktemp %[1]s/.XXXXXXXX)
cat >"$file"
chmod 644 "$file"
mv "$file" %[1]s/"${file##*.}"
`, dir)
	if err := os.WriteFile(agent, []byte(script), 0o755); err != nil {
		p.T.Fatal(err)
	}
	return agent, dir
}

// awaitMails waits until n mails are stored, and returns them.
func awaitMails(t testing.TB, dir string, n int) []string {
	t.Helper()
	var files []string
	stage.Await(t, fmt.Sprintf("%d mails in %s", n, dir), func() bool {
		files, _ = filepath.Glob(filepath.Join(dir, "[^.]*"))
		return len(files) >= n
	})
	if len(files) != n {
		t.Fatalf("%d mails arrived, want %d", len(files), n)
	}
	var mails []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, strings.ReplaceAll(string(content), "\r\n", "\n"))
	}
	return mails
}

// sendSeries sends n awkward mails and checks what the delivery agent has stored: each mail once,
// with its body unchanged.
func sendSeries(p *stage.Person, n int, dir string) {
	t := p.T
	t.Helper()
	for i := range n {
		header := fmt.Sprintf("From: me@example.org\nTo: friend@example.org\nBcc: me@example.org\nSubject: %d\n\n", i)
		p.Run(header+stage.Awkward, "sendmail", "-i", "-f", "me@example.org", "friend@example.org")
	}
	p.Deliver()
	seen := map[string]int{}
	for _, mail := range awaitMails(t, dir, n) {
		seen[stage.ParseMail(t, mail).Header.Get("Subject")]++
		header, body := stage.SplitMail(t, mail)
		stage.Same(t, body, stage.Awkward)
		if strings.Contains(header, "Bcc") {
			t.Errorf("Bcc arrived:\n%s", header)
		}
	}
	if len(seen) != n {
		t.Errorf("of %d mails, these arrived: %v", n, seen)
	}
}
