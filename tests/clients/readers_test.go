package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Programs that read what mailq prints.

// The Nagios plugin, for Postfix and in its default mode.
func TestCheckMailq(t *testing.T) {
	const dir = "usr/lib/nagios/plugins/"
	root := stage.Debian(t, dir+"check_mailq")
	stage.Needs(t, "perl")
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = localhost:25")
	for _, name := range []string{"check_mailq", "utils.pm"} {
		content, err := os.ReadFile(filepath.Join(root, dir, name))
		if err != nil {
			t.Fatal(err)
		}
		me.Write("plugin/"+name, strings.ReplaceAll(string(content), `"/usr/bin/mailq"`, `"`+me.Path("bin/mailq")+`"`))
	}
	for queued, want := range []int{0, 1, 2, 2} { // the plugin's exit code: OK, WARNING, CRITICAL
		for _, mode := range []string{"postfix", "sendmail"} {
			r := me.Try("", "perl", me.Path("plugin/check_mailq"), "-M", mode, "-w", "1", "-c", "2")
			if r.Code != want {
				t.Errorf("check_mailq -M %s with %d mails: %+v, want exit %d", mode, queued, r, want)
			}
		}
		me.Run("text\n", "sendmail", "-i", "friend@example.net")
	}
}

// Lines that people have in their status bars and scripts.
func TestMailqOneLiners(t *testing.T) {
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = localhost:25")
	const senderIDs = `mailq | tail -n +2 | awk 'BEGIN{RS=""} $7=="me@example.org" {print $1}' | tr -d '*!'`
	for queued := range 4 {
		for line, want := range map[string]string{
			`mailq | grep -c '^[A-F0-9]'`:                fmt.Sprint(queued),
			`mailq | tail -1 | awk '{print $5}'`:         map[bool]string{true: "", false: fmt.Sprint(queued)}[queued == 0],
			senderIDs + ` | wc -l`:                       fmt.Sprint(queued),
			`mailq --count`:                              fmt.Sprint(queued),
			`mailq | awk '/Total requests:/ {print $3}'`: map[bool]string{true: "", false: fmt.Sprint(queued)}[queued == 0],
		} {
			if got := strings.TrimSpace(me.Try("", "sh", "-c", line).Stdout); got != want {
				t.Errorf("with %d mails, %s prints %q, want %q", queued, line, got, want)
			}
		}
		me.Run("text\n", "sendmail", "-i", "-f", "me@example.org", "friend@example.net")
	}
	ids := strings.Fields(me.Run("", "sh", "-c", senderIDs))
	for _, id := range ids {
		if !regexp.MustCompile(`^[0-9A-F]{8,}$`).MatchString(id) {
			t.Errorf("queue ID %q", id)
		}
		if _, err := os.Stat(me.Path(".esmtp_queue/" + id + "/mail")); err != nil {
			t.Error(err)
		}
	}
}
