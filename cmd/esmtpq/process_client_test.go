package main_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// How the program behaves as a process: who waits for whom, what it inherits, what two
// of them do to each other.

// settle waits until n mails are in the queue: for callers that do not wait themselves.
func (p *person) settle(n int) {
	p.t.Helper()
	want := fmt.Sprintf("in %d Request", n)
	var out string
	for end := time.Now().Add(hangs); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if out = p.run("", "mailq"); strings.Contains(out, want) {
			return
		}
	}
	p.t.Fatalf("never %d mails in the queue:\n%s", n, out)
}

// A caller that captures output gets its end of file while the background run still
// hangs at a silent smart host.
func TestCapturedOutputNeverWaits(t *testing.T) {
	hole := newBlackHole(t)
	me := newPerson(t, "identity = me@example.org", "hostname = "+hole.addr)
	me.setenv("ESMTPQ_DELAY=0s")
	out := me.run("", "sh", "-c", "echo text | sendmail -i friend@example.net 2>&1 | cat")
	if out != "" {
		t.Errorf("printed %q", out)
	}
	select {
	case <-hole.connected:
	case <-time.After(hangs):
		t.Fatal("the background run never connected")
	}
	hole.release(me)
}

// Descriptors that leak into sendmail do not live on in the background run: the reader of
// the pipe sees its end.
func TestLeakedDescriptors(t *testing.T) {
	hole := newBlackHole(t)
	me := newPerson(t, "identity = me@example.org", "hostname = "+hole.addr)
	me.setenv("ESMTPQ_DELAY=0s")
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	cmd := me.command("sendmail", "-i", "friend@example.net")
	cmd.ExtraFiles = []*os.File{writer}
	me.succeeds(cmd, "text\n")
	writer.Close()
	<-hole.connected
	if err := reader.SetReadDeadline(time.Now().Add(hangs)); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("reading the leaked pipe: %v, want its end", err)
	}
	hole.release(me)
}

// Callers close descriptors: mailutils its output, others anything.
func TestClosedDescriptors(t *testing.T) {
	for _, closed := range []string{">&-", "2>&-", ">&- 2>&-"} {
		t.Run(closed, func(t *testing.T) {
			host := newSmartHost(t)
			me := newPerson(t, identity(host)...)
			me.run("text\n", "sh", "-c", "exec sendmail -i friend@example.net "+closed)
			me.deliver()
			host.one(t).says(t, "text\n")
		})
	}
	t.Run("<&-", func(t *testing.T) {
		host := newSmartHost(t)
		me := newPerson(t, identity(host)...)
		if r := me.try("", "sh", "-c", "exec sendmail -i friend@example.net <&-"); r.code == 0 {
			me.deliver()
			if text := host.one(t).text(t); text != "" {
				t.Errorf("without an input, %q arrived", text)
			}
		}
	})
}

// Two delivers at once, and a mail spooled by each of several submitters: each goes out once.
func TestDeliversAtOnce(t *testing.T) {
	const mails = 12
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	together(t, mails, func(i int) result {
		return me.try(fmt.Sprintf("Subject: %d\n\ntext\n", i), "sendmail", "-i", "friend@example.net")
	})
	together(t, 2, func(int) result { return me.try("", "deliver") })
	seen := map[string]int{}
	for _, mail := range host.received() {
		seen[mail.parse(t).Header.Get("Subject")]++
	}
	for i := range mails {
		if n := seen[fmt.Sprint(i)]; n != 1 {
			t.Errorf("mail %d arrived %d times", i, n)
		}
	}
}

// Submissions while background runs come and go: with no pause between the mails and
// none in the runs, all arrive without anybody calling deliver.
func TestBackgroundRuns(t *testing.T) {
	const mails = 10
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.setenv("ESMTPQ_DELAY=0s")
	for i := range mails {
		me.run(fmt.Sprintf("Subject: %d\n\ntext\n", i), "sendmail", "-i", "friend@example.net")
	}
	seen := map[string]int{}
	for range mails {
		seen[host.next(t).parse(t).Header.Get("Subject")]++
	}
	if len(seen) != mails {
		t.Errorf("arrived: %v", seen)
	}
	me.deliver() // waits for the last run to end
	if n := len(host.received()); n != mails {
		t.Errorf("%d mails arrived, want %d", n, mails)
	}
}

// The caller of a background run may be gone, its session with it.
func TestBackgroundRunOutlivesSession(t *testing.T) {
	needs(t, "setsid")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.setenv("ESMTPQ_DELAY=300ms")
	me.run("", "setsid", "--wait", "sh", "-c", `echo text | sendmail -i friend@example.net; trap "" HUP; kill -HUP 0`)
	host.next(t).says(t, "text\n")
	me.deliver()
}

// Odd homes: blanks, quotes, a line break, other alphabets.
func TestOddHome(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	home := me.path("a 'quoted' \"home\"\nin München $(touch no) *")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(me.path(".esmtprc"), home+"/.esmtprc"); err != nil {
		t.Fatal(err)
	}
	me.setenv("HOME=" + home)
	me.run("text\n", "sendmail", "-i", "friend@example.net")
	if _, err := os.Stat(home + "/.esmtp_queue"); err != nil {
		t.Error(err)
	}
	me.deliver()
	host.one(t).says(t, "text\n")
}

// A big mail: nothing of it is kept in memory twice, lost or changed.
func TestBigMail(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	text := strings.Repeat(awkward, 8_000) // 10 MB
	me.run("From: me@example.org\nTo: friend@example.net\nSubject: big\n\n"+text, "sendmail", "-t", "-i")
	me.deliver()
	_, body := splitMail(t, lines(t, host.one(t).content))
	same(t, body, text)
}

// A host that knows TLS and who we are.
func TestTLSAndAuth(t *testing.T) {
	cert := newCertificate(t)
	host := newSmartHost(t, withTLS(cert))
	me := newPerson(t, "identity = me@example.org", "hostname = localhost:"+host.port, "starttls = required",
		"username = "+hostUser, `password = "`+hostPassword+`"`)
	me.setenv("SSL_CERT_FILE=" + cert.authority)
	me.run("text\n", "sendmail", "-i", "friend@example.net")
	me.deliver()
	mail := host.one(t)
	if !mail.tls || mail.user != hostUser {
		t.Errorf("arrived with tls %v, user %q", mail.tls, mail.user)
	}
}

// A certificate that nobody vouches for parks the mail, with no word of the password.
func TestUnknownCertificate(t *testing.T) {
	host := newSmartHost(t, withTLS(newCertificate(t)))
	me := newPerson(t, "identity = me@example.org", "hostname = localhost:"+host.port, "starttls = required",
		"username = "+hostUser, `password = "`+hostPassword+`"`)
	me.waits("certificate")
	if len(host.received()) != 0 {
		t.Error("the mail was sent")
	}
}

// A refused password parks the identity's mail: it is never failed, and the reason tells.
func TestRefusedPassword(t *testing.T) {
	cert := newCertificate(t)
	host := newSmartHost(t, withTLS(cert))
	me := newPerson(t, "identity = me@example.org", "hostname = localhost:"+host.port, "starttls = required",
		"username = "+hostUser, `password = "wrong horse"`)
	me.setenv("SSL_CERT_FILE=" + cert.authority)
	me.waits("535")
}

// waits spools a mail, tries to deliver it, and checks that it stays with a reason.
func (p *person) waits(reason string) {
	p.t.Helper()
	p.run("text\n", "sendmail", "-i", "friend@example.net")
	r := p.try("", "deliver")
	if r.code != 75 || !strings.Contains(r.stderr, reason) {
		p.t.Errorf("deliver: exit %d, %q; want 75 and a reason with %q", r.code, r.stderr, reason)
	}
	queue := p.run("", "mailq")
	if !strings.Contains(queue, "in 1 Request.") || !strings.Contains(queue, reason) {
		p.t.Errorf("mailq does not tell of %q:\n%s", reason, queue)
	}
	if said := r.stdout + r.stderr + queue; strings.Contains(said, "horse") {
		p.t.Errorf("the password shows in %q", said)
	}
}

// together calls f(0) to f(n-1) side by side; each must succeed in silence.
func together(t *testing.T, n int, f func(i int) result) {
	t.Helper()
	results := make([]result, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { results[i] = f(i) })
	}
	all.Wait()
	for i, r := range results {
		if r != (result{}) {
			t.Errorf("number %d of %d: %+v", i, n, r)
		}
	}
}
