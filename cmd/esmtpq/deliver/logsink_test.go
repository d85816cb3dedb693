package deliver

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// A trial as a run tells of it.
func exampleTrial() queue.Trial {
	arrival := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	return queue.Trial{
		Delivery: &queue.Delivery{
			ID: "0660D0D76A5B2C01", ReversePath: "me@example.org", Rule: "address me@example.org", Fields: spool.Fields{MessageID: "<1@example.org>", Subject: "secret"},
			Envelope:   &spool.Envelope{From: "me@example.org", Arrival: arrival, Size: 1234},
			Recipients: []spool.Recipient{{Address: "a@example.net"}, {Address: "x>, relay=evil, status=sent@example.net"}},
		},
		Destination: "me at work", Which: []int{0, 1}, Session: queue.Session{TLS: "TLS 1.3, AES", Setup: time.Second},
		Reports: []queue.Report{
			{Action: queue.Relayed, Code: 250, Status: "2.0.0", Text: "queued as ABC", Host: "mx.example.net"},
			{Action: queue.Failed, Code: 550, Status: "5.1.1", Text: "no\x1b[31m\nuser", Host: "mx.example.net"},
		},
		First: true, Run: arrival.Add(5 * time.Second), Drawn: arrival.Add(5100 * time.Millisecond), Time: arrival.Add(10 * time.Second),
	}
}

// listenUnix listens where the system's logger would.
func listenUnix(t *testing.T) (*net.UnixConn, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	return conn, path
}

func receiveAll(t *testing.T, conn *net.UnixConn, n int) (all []string) {
	t.Helper()
	b := make([]byte, 64<<10)
	for range n {
		k, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b[:k]))
	}
	return all
}

// The lines are in the order and the form that programs which read Postfix's need, each a datagram for
// syslog or the journal, and an address or a reply cannot make up a field or a line.
func TestLogToSockets(t *testing.T) {
	syslog, path := listenUnix(t)
	syslogSockets[0] = path
	journal, path := listenUnix(t)
	journalSocket = path
	const lines = 5
	for target, conn := range map[string]*net.UnixConn{"syslog": syslog, "journal": journal} {
		l, err := openMailLog(target)
		if err != nil {
			t.Fatal(err)
		}
		l.trials([]queue.Trial{exampleTrial()}, false)
		if err := l.close(); err != nil {
			t.Error(err)
		}
		got := receiveAll(t, conn, lines)
		for i, want := range []string{
			`0660D0D76A5B2C01: uid=\d+ from=<me@example\.org>`,
			`0660D0D76A5B2C01: message-id=<1@example\.org>`,
			`0660D0D76A5B2C01: from=<me@example\.org>, size=1234, nrcpt=2 \(queue active\)`,
			`0660D0D76A5B2C01: to=<a@example\.net>, relay=mx\.example\.net, delay=10, delays=5\.0/0\.10/1\.0/3\.9, dsn=2\.0\.0, status=sent \(250 2\.0\.0 queued as ABC\) identity=me_at_work tls=TLS1\.3`,
			`0660D0D76A5B2C01: to=<x\?, relay=evil, status=sent@example\.net>, relay=mx\.example\.net, delay=10, .* dsn=5\.1\.1, status=bounced \(host mx\.example\.net said: 550 5\.1\.1 no\?\[31m user\) identity=me_at_work tls=TLS1\.3`,
		} {
			program := []string{"pickup", "cleanup", "qmgr", "smtp", "smtp"}[i]
			whole := `^<22>[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d esmtpq/` + program + `\[\d+\]: ` + want + `$`
			if target == "journal" {
				whole = `(?s)^MESSAGE\n.{8}` + want + "\nPRIORITY\n.*6\nSYSLOG_FACILITY\n.*2\nSYSLOG_IDENTIFIER\n.*esmtpq/" + program + "\n"
			}
			if !regexp.MustCompile(whole).MatchString(got[i]) {
				t.Errorf("%s: %q\ndoes not match %s", target, got[i], whole)
			}
		}
	}
}

// A logger that is not there, or does not read, holds nothing up for long, and is told of once.
func TestLoggerThatDoesNotRead(t *testing.T) {
	for i := range syslogSockets {
		syslogSockets[i] = filepath.Join(t.TempDir(), "none")
	}
	if _, err := openMailLog("syslog"); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("%v", err)
	}
	_, syslogSockets[0] = listenUnix(t)
	l, err := openMailLog("syslog")
	if err != nil {
		t.Fatal(err)
	}
	trials := bytes.Repeat([]byte{1}, 2000)
	began := time.Now()
	for range trials {
		l.trials([]queue.Trial{exampleTrial()}, false)
	}
	if err := l.close(); !errors.Is(err, os.ErrDeadlineExceeded) || l.close() != nil {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 20*socketPatience+10*time.Second {
		t.Errorf("it was waited for %v", took)
	}
	if _, err := openMailLog(t.TempDir()); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory as a log: %v", err)
	}
}

func TestSeconds(t *testing.T) {
	for want, d := range map[string]time.Duration{"0": -time.Second, "0.25": 250 * time.Millisecond, "5.1": 5100 * time.Millisecond, "3600": time.Hour} {
		if got := seconds(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}
