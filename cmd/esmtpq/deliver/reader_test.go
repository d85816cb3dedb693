package deliver_test

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// leave reads the transcript of a command up to a line, and goes away.
func leave(t *testing.T, r *os.File, line string) {
	t.Helper()
	defer r.Close()
	seen := ""
	for s := bufio.NewScanner(r); s.Scan(); seen += s.Text() + "\n" {
		if strings.HasSuffix(s.Text(), line) {
			return
		}
	}
	t.Fatalf("no line %q in\n%s", line, seen)
}

// If a reader of the dialogue goes away while the host is about to accept a message, the
// acceptance is still recorded: the message is sent once.
func TestReaderOfTranscriptGoesAway(t *testing.T) {
	for _, name := range []string{"deliver", "sendmail"} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, true)
			me := newPerson(t, h.addr)
			stdin, args := mail, []string{"-v", "friend@example.net"}
			if name == "deliver" {
				me.run(0, mail, "sendmail", "friend@example.net")
				stdin, args = "", []string{"-v", "-X", "dialogue"}
			}
			cmd := me.command(stdin, name, args...)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			leave(t, r, " > .")
			close(h.answer)
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if out := me.run(0, "", "mailq"); out != "Mail queue is empty\n" {
				t.Errorf("it is still there:\n%s", out)
			}
			me.run(0, "", "deliver")
			if n := h.arrived(); n != 1 {
				t.Errorf("%d copies have arrived", n)
			}
			if name == "deliver" {
				text, err := os.ReadFile(me.home + "/dialogue")
				if err != nil || !strings.Contains(string(text), " < 221 ") {
					t.Errorf("the file that was asked for, too, holds %v\n%s", err, text)
				}
			}
		})
	}
}

// A reader that stays and does not read holds up nothing: its text is kept for it.
func TestReaderOfTranscriptStandsStill(t *testing.T) {
	const messages = 400 // more dialogue than a pipe holds
	h := newHost(t, false)
	me := newPerson(t, h.addr)
	long := "friend@" + strings.Repeat("label.", 20) + "example.net"
	for range messages {
		me.run(0, mail, "sendmail", long)
	}
	cmd := me.command("", "deliver", "-v")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for range messages {
		h.ends(t)
	}
	n := 0
	for s := bufio.NewScanner(r); s.Scan(); {
		if strings.Contains(s.Text(), "> RCPT TO:<"+long+">") {
			n++
		}
	}
	if err := cmd.Wait(); err != nil || n != messages {
		t.Errorf("%v, and the dialogue has %d messages of %d", err, n, messages)
	}
}

// The usual way in which a reader goes away in a shell; sendmail promises that 0 means queued or
// sent.
func TestSendmailIntoHead(t *testing.T) {
	h := newHost(t, false)
	me := newPerson(t, h.addr)
	status := me.run(0, mail, "sh", "-c", "(sendmail -v friend@example.net; echo status $? >status) 2>&1 | head -2 >/dev/null; cat status")
	if status != "status 0\n" {
		t.Errorf("sendmail ended with %s", status)
	}
	me.run(0, "", "deliver")
	if n := h.arrived(); n != 1 {
		t.Errorf("%d copies have arrived", n)
	}
}
