package hosts

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// A client that waits hears of new mail soon, also where all the kernel's watches are in use.
const imapConf = `protocols = submission imap
mailbox_idle_check_interval = 1 secs
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = %s
    ssl = yes
  }
}
`

// A mailserver is a Dovecot with IMAP and submission.
type mailserver struct {
	*host
	t    *testing.T
	imap string // address, with TLS from the start
}

func startMailserver(t *testing.T) *mailserver {
	t.Helper()
	unpacked(t, "dovecot", "usr/lib/dovecot/imap")
	s := &mailserver{t: t, imap: freeAddress(t)}
	s.host = startDovecot(t, "dovecot", fmt.Sprintf(imapConf, portOf(s.imap)), "")
	return s
}

// put puts mails into the INBOX.
func (s *mailserver) put(mails ...string) {
	s.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(stage.Read(s.t, s.cert.Authority)))
	conn, err := tls.Dial("tcp", s.imap, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(stage.Limit))
	in := bufio.NewReader(conn)
	say := func(text, want string) {
		s.t.Helper()
		fmt.Fprint(conn, text, "\r\n")
		for {
			line, err := in.ReadString('\n')
			if err != nil || strings.HasPrefix(line, "a ") && want[0] == 'a' && !strings.HasPrefix(line, want) {
				s.t.Fatalf("%.50s: %q, %v", text, line, err)
			}
			if strings.HasPrefix(line, want) {
				return
			}
		}
	}
	say("a LOGIN "+s.user+" "+s.password, "a OK")
	for _, mail := range mails {
		mail = strings.ReplaceAll(mail, "\n", "\r\n")
		say(fmt.Sprintf("a APPEND INBOX {%d}", len(mail)), "+")
		say(mail, "a OK")
	}
	say("a LOGOUT", "a OK")
}

// laptop makes a person with an empty home, whose programs are in ~/bin, where the names and ports of
// a document are those of the server.
func (s *mailserver) laptop(programs ...string) (*stage.Person, *strings.Replacer) {
	s.t.Helper()
	me := stage.NewPerson(s.t)
	os.RemoveAll(me.Path(".esmtprc"))
	path := me.Getenv("PATH")
	for _, name := range programs {
		root := filepath.Join(filepath.Dir(stage.Hosts(s.t)), "root")
		if !stage.Exists(filepath.Join(root, name)) {
			lacking(s.t, name+" is not unpacked: ./test.sh does it")
		}
		wrapper := me.WriteScript("unpacked/"+filepath.Base(name), fmt.Sprintf("#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s/%s \"$@\"\n", stage.UnpackedLibraries(root), root, name))
		path = filepath.Dir(wrapper) + ":" + path
	}
	me.Setenv("PATH=" + path)
	me.Setenv("SSL_CERT_FILE=" + s.cert.Authority)
	me.Setenv("USER=me")
	// The scripts of the document set a PATH of their own.
	root := ""
	if os.Getuid() == 0 {
		root = "allow_root_commands = true\n" // as which nobody fetches mail
	}
	return me, strings.NewReplacer("ignore_stderr = true\n", "ignore_stderr = true\n"+root, "mail.example.org", "localhost", "587", portOf(s.addr), "993", portOf(s.imap),
		"username: me\n", "username: "+s.user+"\n", "username = me\n", "username = "+s.user+"\n", "User me\n", "User "+s.user+"\n",
		"secret", s.password, "/etc/ssl/certs/ca-certificates.crt", s.cert.Authority,
		"PATH=$HOME/bin:", "PATH=$HOME/bin:$HOME/unpacked:")
}

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// The document is run as it stands, from an empty home.
func TestLaptop(t *testing.T) {
	for _, name := range []string{"getmail", "procmail", "flock"} {
		if _, err := exec.LookPath(name); err != nil {
			lacking(t, name+" is not installed")
		}
	}
	s := startMailserver(t)
	me, here := s.laptop("usr/bin/mbsync")
	s.put("From: author@example.net\nTo: me@example.org\nSubject: one\n\nfirst\n", "From: author@example.net\nSubject: two\n\nsecond\n")
	blocks := shellBlock.FindAllStringSubmatch(stage.Read(t, stage.Source(t, "docs/laptop.md")), -1)
	if len(blocks) < 7 {
		t.Fatalf("the document has %d blocks", len(blocks))
	}
	var last string
	for _, block := range blocks {
		r := me.Try(here.Replace(block[1]), "sh", "-e")
		if r.Code != 0 || r.Stderr != "" {
			t.Errorf("exit %d, %s%s, from\n%s", r.Code, r.Stdout, r.Stderr, block[1])
		}
		last = r.Stdout
	}
	if last != "Mail queue is empty\n" {
		t.Errorf("in the end: %s", last)
	}
	if sent := s.sink.all(); len(sent) != 1 || !strings.Contains(sent[0].content, "from the train") {
		t.Errorf("sent: %+v", sent)
	}
	if got := maildir(t, me.Path("Maildir")); strings.Count(got, "\nfirst\n") != 1 || strings.Count(got, "\nsecond\n") != 1 {
		t.Errorf("fetched:\n%s", got)
	}
	if !stage.Exists(me.Path("Mail/INBOX/cur")) {
		t.Error("mbsync has made no mailbox")
	}
}

// maildir returns all mails of a Maildir, one behind the other.
func maildir(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	files, _ := filepath.Glob(filepath.Join(dir, "[cn]*", "*"))
	for _, file := range files {
		all.WriteString(stage.Read(t, file) + "\n")
	}
	return all.String()
}
