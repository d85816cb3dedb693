package clients

import (
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Two configurations have an identity of the same name, and the queue has mail for both: each
// mail takes its own route.
func TestConfigurationsOfOneName(t *testing.T) {
	work, private := stage.NewSmartHost(t), stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(work)...)
	me.Write("work/esmtprc", "hostname = "+work.Addr+"\n")
	me.Write("private/esmtprc", "hostname = "+private.Addr+"\n")
	me.Run("From: me@example.org\n\nwork\n", "sendmail", "-C", me.Path("work/esmtprc"), "-i", "boss@example.net")
	me.Run("From: me@example.org\n\nprivate\n", "sendmail", "-C", me.Path("private/esmtprc"), "-i", "friend@example.net")
	me.Deliver()
	work.One(t).Is(t, "me@example.org", "boss@example.net")
	private.One(t).Is(t, "me@example.org", "friend@example.net")
}

// sendmail -v sends its own mail at once, and leaves no other mail behind: mail that waited goes
// out after it.
func TestVerboseLeavesASleeper(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Run("From: me@example.org\n\nfirst\n", "sendmail", "-i", "friend@example.net")
	me.Setenv("ESMTPQ_DELAY=10ms")
	me.Run("From: me@example.org\n\nsecond\n", "sendmail", "-X", me.Path("log"), "-i", "friend@example.net")
	host.Next(t)
	host.Next(t)
	me.Deliver() // when the background run has ended
}

// deliver finds mail that esmtp-wrapper queued by the name that mailq shows.
func TestDeliverLegacyByName(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Write(".esmtp_queue/aB3dE6gH/cmd", "-i friend@example.net\n")
	me.Write(".esmtp_queue/aB3dE6gH/mail", "From: me@example.org\n\ntext\n")
	me.Run("", "deliver", "aB3dE6gH")
	host.One(t).Is(t, "me@example.org", "friend@example.net")
}

// A deliver whose output nobody reads has told nobody: the next one at a terminal reports it, once.
func TestToldToNobody(t *testing.T) {
	me := stage.NewPerson(t, stage.Identity(newPickyHost(t, refusing("friend", 550, "nobody")))...)
	me.Run("From: me@example.org\n\ntext\n", "sendmail", "-i", "friend@example.net")
	// Cron's standard error is a file or a pipe, whose words cron throws away where there is no
	// /usr/sbin/sendmail.
	for _, to := range []string{"/dev/null", "words", "/dev/stdout"} {
		stage.Finish(t, me.Command("sh", "-c", "deliver >"+to+" 2>&1"), "")
	}
	for _, want := range []bool{true, false} {
		_, screen := stage.AtTerminal(t, me.Command("deliver")).End()
		if told := strings.Contains(screen, "nobody"); told != want {
			t.Errorf("a person at a terminal is told: %v\n%s", told, screen)
		}
	}
}
