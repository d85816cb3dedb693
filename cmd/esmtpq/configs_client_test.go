package main_test

import (
	"testing"
)

// Two configurations of the same name, both for mail in the queue: each mail goes its own way.
func TestConfigurationsOfOneName(t *testing.T) {
	work, private := newSmartHost(t), newSmartHost(t)
	me := newPerson(t, identity(work)...)
	me.write("work/esmtprc", "hostname = "+work.addr+"\n")
	me.write("private/esmtprc", "hostname = "+private.addr+"\n")
	me.run("From: me@example.org\n\nwork\n", "sendmail", "-C", me.path("work/esmtprc"), "-i", "boss@example.net")
	me.run("From: me@example.org\n\nprivate\n", "sendmail", "-C", me.path("private/esmtprc"), "-i", "friend@example.net")
	me.deliver()
	work.one(t).is(t, "me@example.org", "boss@example.net")
	private.one(t).is(t, "me@example.org", "friend@example.net")
}

// sendmail -v sends its own mail at once, and leaves nobody else's behind: what waited goes out after it.
func TestVerboseLeavesASleeper(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.run("From: me@example.org\n\nfirst\n", "sendmail", "-i", "friend@example.net")
	me.setenv("ESMTPQ_DELAY=10ms")
	me.run("From: me@example.org\n\nsecond\n", "sendmail", "-X", me.path("log"), "-i", "friend@example.net")
	host.next(t)
	host.next(t)
}

// deliver finds what esmtp-wrapper queued by the name that mailq shows.
func TestDeliverLegacyByName(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.write(".esmtp_queue/aB3dE6gH/cmd", "-i friend@example.net\n")
	me.write(".esmtp_queue/aB3dE6gH/mail", "From: me@example.org\n\ntext\n")
	me.run("", "deliver", "aB3dE6gH")
	host.one(t).is(t, "me@example.org", "friend@example.net")
}

// A deliver whose words nobody reads has told nobody: the next one says it.
func TestToldToNobody(t *testing.T) {
	me := newPerson(t)
	host := newHostileHost(t, "")
	me.write(".esmtprc", "identity = me@example.org\nhostname = "+host.addr+"\n")
	host.attack("RCPT", "S: 550 5.1.1 nobody", "")
	me.run("From: me@example.org\n\ntext\n", "sendmail", "-i", "friend@example.net")
	shell := me.command("sh", "-c", "deliver >/dev/null 2>&1")
	finish(t, shell, "")
	if r := me.try("", "deliver"); r.stderr == "" {
		t.Error("a failure that nobody was told of is not told")
	}
}
