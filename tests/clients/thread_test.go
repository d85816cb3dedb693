package clients

import (
	"fmt"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// threadPerson makes a person who sends by a host that renames mail.
func threadPerson(t *testing.T, settings string) (*stage.Person, *oddHost) {
	host := newOddHost(t, "250-PIPELINING\r\n250-CHUNKING\r\n")
	host.final = "250 2.0.0 OK <NEW%d@HOST.PROD.EXAMPLE.COM> [Hostname=HOST.PROD.EXAMPLE.COM]"
	p := stage.NewPerson(t)
	p.Write(".config/esmtpq/config.yaml", "batch_delay: never\nidentities:\n  - name: me@example.org\n    default: true\n    host: "+host.addr+"\n    tls: off\n"+settings)
	return p, host
}

// spooled returns what waits, the oldest first.
func spooled(p *stage.Person) (all []string) {
	for _, id := range queueIDs(p) {
		all = append(all, p.Run("", "esmtpq", "show", "--raw", id))
	}
	return all
}

func queueIDs(p *stage.Person) (all []string) {
	for _, line := range strings.Split(p.Run("", "mailq", "--json"), "\n") {
		if _, rest, ok := strings.Cut(line, `"queue_id":"`); ok {
			id, _, _ := strings.Cut(rest, `"`)
			all = append(all, id)
		}
	}
	return all
}

// A series that git sends keeps its thread by a host that gives each mail a Message-ID of its own: the parts
// that wait name the first one as the host has it, and nothing else of them changes.
func TestThreadByHost(t *testing.T) {
	needsSendEmail(t)
	p, host := threadPerson(t, "    host_message_id: true\n")
	patches := patchSeries(p, 5)
	git(p, append([]string{"-C", "repo", "-c", "sendemail.sendmailCmd=" + p.LookPath("sendmail"), "send-email", "--quiet", "--to=list@example.net"}, patches...)...)
	want := spooled(p)
	p.Run("", "deliver")
	host.mu.Lock()
	got := append([]string(nil), host.contents...)
	host.mu.Unlock()
	if len(got) != 5 || len(want) != 5 {
		t.Fatalf("%d arrived of %d", len(got), len(want))
	}
	first := stage.ParseMail(t, want[0]).Header.Get("Message-ID")
	const renamed = "<NEW1@HOST.PROD.EXAMPLE.COM>"
	for i := range got {
		header, body, _ := strings.Cut(want[i], "\n\n")
		if i > 0 {
			old := "In-Reply-To: " + first + "\nReferences: " + first + "\n"
			if !strings.Contains(header, old) {
				t.Fatalf("git has written another header:\n%s", header)
			}
			header = strings.Replace(header, old, strings.ReplaceAll(old, first, renamed), 1)
		}
		unstuffed := strings.ReplaceAll(got[i], "\n..", "\n.")
		stage.Same(t, unstuffed, header+"\n\n"+body)
	}

	// In a later run, a reply to one of them; one that is signed stays as it is, and log says so.
	answer := fmt.Sprintf("Subject: more\nIn-Reply-To: %s\nReferences: <other@example.net>\n\t%s\n", first, first)
	p.Run(answer+"\ntext\n", "sendmail", "a@example.net")
	p.Run("DKIM-Signature: v=1; d=example.org\n"+answer+"\ntext\n", "sendmail", "b@example.net")
	p.Run("", "deliver")
	if got := host.contents[5]; !strings.Contains(got, "\nIn-Reply-To: "+renamed+"\nReferences: <other@example.net>\n\t"+renamed+"\n") {
		t.Errorf("%s", got)
	}
	if got := host.contents[6]; !strings.Contains(got, answer) {
		t.Errorf("%s", got)
	}
	if out := p.Run("", "esmtpq", "log", "b@example.net"); !strings.Contains(out, "its header is signed") {
		t.Errorf("%s", out)
	}
	if out := p.Run("", "esmtpq", "log", "a@example.net"); strings.Contains(out, "its header is signed") {
		t.Errorf("%s", out)
	}
}

// Nothing is replaced that nobody asked for, and nothing by a host that says no ID, or several.
func TestThreadByOthers(t *testing.T) {
	for _, test := range []struct{ settings, final string }{
		{"", ""}, {"    host_message_id: true\n", "250 2.0.0 queued"}, {"    host_message_id: true\n", "250 2.0.0 <a@b.example> for <c@d.example>"},
		{"    host_message_id: true\n", "250 2.0.0 OK <x>\x1b[2J@y> <a b@c>"},
	} {
		p, host := threadPerson(t, test.settings)
		if test.final != "" {
			host.final = test.final
		}
		p.Run("Message-ID: <one@example.org>\n\ntext\n", "sendmail", "a@example.net")
		p.Run("Message-ID: <two@example.org>\nIn-Reply-To: <one@example.org>\n\ntext\n", "sendmail", "a@example.net")
		p.Run("", "deliver")
		if len(host.contents) != 2 || !strings.Contains(host.contents[1], "\nIn-Reply-To: <one@example.org>\n") {
			t.Errorf("%+v: %q", test, host.contents)
		}
	}
}
