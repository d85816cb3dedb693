package clients

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// The program as a process: who waits for whom, what it inherits, and how two of them affect each
// other.

// A caller that captures output gets its end of file while the background run still waits for a
// silent smart host.
func TestCapturedOutputNeverWaits(t *testing.T) {
	hole := stage.NewBlackHole(t)
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+hole.Addr)
	me.Setenv("ESMTPQ_DELAY=0s")
	out := me.Run("", "sh", "-c", "echo text | sendmail -i friend@example.net 2>&1 | cat")
	if out != "" {
		t.Errorf("printed %q", out)
	}
	select {
	case <-hole.Connected:
	case <-time.After(stage.Limit):
		t.Fatal("the background run never connected")
	}
	hole.Release(me)
}

// Descriptors that leak into sendmail do not stay open in the background run: the reader of the
// pipe sees its end.
func TestLeakedDescriptors(t *testing.T) {
	hole := stage.NewBlackHole(t)
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+hole.Addr)
	me.Setenv("ESMTPQ_DELAY=0s")
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	cmd := me.Command("sendmail", "-i", "friend@example.net")
	cmd.ExtraFiles = []*os.File{writer}
	me.Succeeds(cmd, "text\n")
	writer.Close()
	<-hole.Connected
	if err := reader.SetReadDeadline(time.Now().Add(stage.Limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("reading the leaked pipe: %v, want its end", err)
	}
	hole.Release(me)
}

// Callers close descriptors: mailutils its output, others any.
func TestClosedDescriptors(t *testing.T) {
	for _, closed := range []string{">&-", "2>&-", ">&- 2>&-"} {
		t.Run(closed, func(t *testing.T) {
			host := stage.NewSmartHost(t)
			me := stage.NewPerson(t, stage.Identity(host)...)
			me.Run("text\n", "sh", "-c", "exec sendmail -i friend@example.net "+closed)
			me.Deliver()
			host.One(t).Says(t, "text\n")
		})
	}
	t.Run("<&-", func(t *testing.T) {
		host := stage.NewSmartHost(t)
		me := stage.NewPerson(t, stage.Identity(host)...)
		if r := me.Try("", "sh", "-c", "exec sendmail -i friend@example.net <&-"); r.Code == 0 {
			me.Deliver()
			if text := host.One(t).Text(t); text != "" {
				t.Errorf("without an input, %q arrived", text)
			}
		}
	})
}

// Two delivers run at once, and several submitters each spool a mail: each goes out once.
func TestDeliversAtOnce(t *testing.T) {
	const mails = 12
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	together(t, mails, func(i int) stage.Result {
		return me.Try(fmt.Sprintf("Subject: %d\n\ntext\n", i), "sendmail", "-i", "friend@example.net")
	})
	together(t, 2, func(int) stage.Result { return me.Try("", "deliver") })
	seen := map[string]int{}
	for _, mail := range host.Received() {
		seen[mail.Parse(t).Header.Get("Subject")]++
	}
	for i := range mails {
		if n := seen[fmt.Sprint(i)]; n != 1 {
			t.Errorf("mail %d arrived %d times", i, n)
		}
	}
}

// Mails are submitted while background runs come and go, without pauses between the mails or in
// the runs. All arrive without a call of deliver.
func TestBackgroundRuns(t *testing.T) {
	const mails = 10
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Setenv("ESMTPQ_DELAY=0s")
	for i := range mails {
		me.Run(fmt.Sprintf("Subject: %d\n\ntext\n", i), "sendmail", "-i", "friend@example.net")
	}
	seen := map[string]int{}
	for range mails {
		seen[host.Next(t).Parse(t).Header.Get("Subject")]++
	}
	if len(seen) != mails {
		t.Errorf("arrived: %v", seen)
	}
	me.Deliver() // waits for the last run to end
	if n := len(host.Received()); n != mails {
		t.Errorf("%d mails arrived, want %d", n, mails)
	}
}

// The caller of a background run may be gone, together with its session.
func TestBackgroundRunOutlivesSession(t *testing.T) {
	stage.Needs(t, "setsid")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Setenv("ESMTPQ_DELAY=300ms")
	me.Run("", "setsid", "--wait", "sh", "-c", `echo text | sendmail -i friend@example.net; trap "" HUP; kill -HUP 0`)
	host.Next(t).Says(t, "text\n")
	me.Deliver()
}

// Odd homes: blanks, quotes, a line break, other alphabets.
func TestOddHome(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	home := me.Path("a 'quoted' \"home\"\nin München $(touch no) *")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(me.Path(".esmtprc"), home+"/.esmtprc"); err != nil {
		t.Fatal(err)
	}
	me.Setenv("HOME=" + home)
	me.Run("text\n", "sendmail", "-i", "friend@example.net")
	if _, err := os.Stat(home + "/.esmtp_queue"); err != nil {
		t.Error(err)
	}
	me.Deliver()
	host.One(t).Says(t, "text\n")
}

// Nothing of a big mail is lost, changed, or kept in memory twice.
func TestBigMail(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	text := strings.Repeat(stage.Awkward, 8_000) // 10 MB
	me.Run("From: me@example.org\nTo: friend@example.net\nSubject: big\n\n"+text, "sendmail", "-t", "-i")
	me.Deliver()
	_, body := stage.SplitMail(t, stage.Lines(t, host.One(t).Content))
	stage.Same(t, body, text)
}

// A host with TLS and a login.
func TestTLSAndAuth(t *testing.T) {
	cert := stage.NewCertificate(t)
	host := stage.NewSmartHost(t, stage.WithTLS(cert))
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = localhost:"+host.Port, "starttls = required",
		"username = "+stage.User, `password = "`+stage.Password+`"`)
	me.Setenv("SSL_CERT_FILE=" + cert.Authority)
	me.Run("text\n", "sendmail", "-i", "friend@example.net")
	me.Deliver()
	mail := host.One(t)
	if !mail.TLS || mail.User != stage.User {
		t.Errorf("arrived with tls %v, user %q", mail.TLS, mail.User)
	}
}

// With a certificate that nobody vouches for the mail waits, and the password is not sent.
func TestUnknownCertificate(t *testing.T) {
	host := stage.NewSmartHost(t, stage.WithTLS(stage.NewCertificate(t)))
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = localhost:"+host.Port, "starttls = required",
		"username = "+stage.User, `password = "`+stage.Password+`"`)
	me.Waits("certificate")
	if len(host.Received()) != 0 {
		t.Error("the mail was sent")
	}
}

// After a refused password the identity's mail waits: it never fails, and the reason says why.
func TestRefusedPassword(t *testing.T) {
	cert := stage.NewCertificate(t)
	host := stage.NewSmartHost(t, stage.WithTLS(cert))
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = localhost:"+host.Port, "starttls = required",
		"username = "+stage.User, `password = "wrong horse"`)
	me.Setenv("SSL_CERT_FILE=" + cert.Authority)
	me.Waits("535")
}

// together calls f(0) to f(n-1) side by side; each must succeed in silence.
func together(t *testing.T, n int, f func(i int) stage.Result) {
	t.Helper()
	results := make([]stage.Result, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { results[i] = f(i) })
	}
	all.Wait()
	for i, r := range results {
		if r != (stage.Result{}) {
			t.Errorf("number %d of %d: %+v", i, n, r)
		}
	}
}
