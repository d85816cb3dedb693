package hosts

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

const lmtpConf = `protocols = lmtp
listen = 127.0.0.1
hostname = smarthost.test
ssl = yes
ssl_cert = </etc/tls/cert.pem
ssl_key = </etc/tls/key.pem
log_path = /dev/stderr
mail_location = maildir:~/Maildir
mail_plugins = quota
plugin {
  quota = maildir:User quota
}
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = passwd-file
  args = username_format=%%n /etc/dovecot/users
}
service lmtp {
  inet_listener lmtp {
    port = %s
  }
  unix_listener %s/lmtp {
    mode = 0666
  }
}
`

// startLMTP starts Dovecot's LMTP service, at a port and at a local socket, with mailboxes for ann, joe
// and full, whose mailbox takes 500 octets; it returns a function for the texts of the mails in one.
func startLMTP(t *testing.T) (h *host, socket string, mailbox func(user string) []string) {
	t.Helper()
	root := unpacked(t, "dovecot-lmtp", "usr/lib/dovecot/lmtp")
	h = newHost(t, "dovecot-lmtp")
	h.secure = ""
	dir, err := os.MkdirTemp("", "lmtp") // short enough for the name of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o777)
	users := ""
	for _, user := range []string{"ann", "joe", "full"} {
		rule := map[string]string{"full": " userdb_quota_rule=*:bytes=500"}[user]
		users += fmt.Sprintf("%s::64902:64902::%s/%s::%s\n", user, dir, user, strings.TrimSpace(rule))
	}
	m := newMachine(t, h.cert, root, "dovecot", "dovenull", "vmail")
	m.write("dovecot/dovecot.conf", fmt.Sprintf(lmtpConf, portOf(h.addr), dir))
	m.write("dovecot/users", users)
	h.awaitReady(t, start(t, m.command("mkdir -p /var/lib/dovecot\nexec dovecot -F\n")))
	return h, dir + "/lmtp", func(user string) (texts []string) {
		files, _ := filepath.Glob(filepath.Join(dir, user, "Maildir/new/*"))
		slices.Sort(files)
		for _, file := range files {
			texts = append(texts, stage.Read(t, file))
		}
		return texts
	}
}

func lmtpPerson(t *testing.T, host, more string) *stage.Person {
	p := stage.NewPerson(t)
	p.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me@example.org\n    protocol: lmtp\n    host: "+host+"\n"+more)
	return p
}

// Dovecot says of each recipient what became of the mail, and so does the queue; by TCP, by TLS and at a
// local socket.
func TestLMTP(t *testing.T) {
	h, socket, mailbox := startLMTP(t)
	long := strings.Repeat("a line of text\n", 100)
	came := 0
	for _, c := range []struct{ name, host, more string }{
		{"TCP", h.addr, "    tls: off\n"}, {"TLS", "localhost:" + portOf(h.addr), "    tls: starttls\n    ca_file: " + h.cert.Authority + "\n"}, {"socket", socket, ""},
	} {
		p := lmtpPerson(t, c.host, c.more)
		for i := range 2 {
			p.Run(fmt.Sprintf("Subject: %s %d\n\n.\n%s", c.name, i, long), "sendmail", "-i", "ann@example.net", "full@example.net", "nobody@example.net", "joe@example.net")
		}
		out := p.Try("", "deliver", "-v")
		if out.Code != 0 || strings.Count(out.Stderr, "LHLO") != map[bool]int{false: 1, true: 2}[c.name == "TLS"] {
			t.Errorf("%s: exit %d\n%s", c.name, out.Code, out.Stderr)
		}
		listing := p.Run("", "mailq")
		for _, want := range []string{"552 5.2.2", "550 5.1.1", "full@example.net", "nobody@example.net", "in 2 Requests"} {
			if !strings.Contains(listing, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, listing)
			}
		}
		if strings.Contains(listing, "ann@") || strings.Contains(listing, "joe@") {
			t.Errorf("%s: served, and not noted:\n%s", c.name, listing)
		}
		p.Run("", "deliver")
		came += 2
		for user, n := range map[string]int{"ann": came, "joe": came, "full": 0} {
			if mails := mailbox(user); len(mails) != n || n > 0 && !strings.HasSuffix(strings.ReplaceAll(mails[n-1], "\r", ""), "\n\n.\n"+long) {
				t.Errorf("%s: %s has %d mails, want %d", c.name, user, len(mails), n)
			}
		}
	}
}

// The connection is cut among the final replies: who has one is done, and only the others get the mail
// again.
func TestLMTPCutAmongReplies(t *testing.T) {
	h, _, mailbox := startLMTP(t)
	l := stage.Listen(t)
	go func() { // hands everything on, but for what comes behind the first reply to the end
		for first := true; ; first = false {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d, err := net.Dial("tcp", h.addr)
			if err != nil {
				c.Close()
				return
			}
			go func() {
				b := make([]byte, 64<<10)
				for {
					n, err := c.Read(b)
					d.Write(b[:n])
					if err != nil {
						d.(*net.TCPConn).CloseWrite()
						return
					}
				}
			}()
			go func(cut bool) {
				defer c.Close()
				defer d.Close()
				b := make([]byte, 64<<10)
				said := ""
				for {
					n, err := d.Read(b)
					said += string(b[:n])
					if i := strings.Index(said, "> "); cut && i >= 0 && strings.Contains(said, "Saved") { // 250 2.0.0 <ann@...> ... Saved
						end := strings.Index(said[strings.Index(said, "Saved"):], "\n") + strings.Index(said, "Saved") + 1
						c.Write([]byte(said[len(said)-n : end]))
						return
					}
					c.Write(b[:n])
					if err != nil {
						return
					}
				}
			}(first)
		}
	}()
	p := lmtpPerson(t, l.Addr().String(), "")
	p.Run("Subject: one\n\nx\n", "sendmail", "ann@example.net", "joe@example.net")
	if r := p.Try("", "deliver"); r.Code != 75 {
		t.Errorf("exit %d, %s", r.Code, r.Stderr)
	}
	if out := p.Run("", "mailq"); strings.Contains(out, "ann@") || !strings.Contains(out, "joe@") || !strings.Contains(out, "possibly delivered") {
		t.Errorf("%s", out)
	}
	p.Deliver()
	if n := len(mailbox("ann")); n != 1 {
		t.Errorf("ann has %d mails", n)
	}
	if n := len(mailbox("joe")); n < 1 {
		t.Errorf("joe has %d mails", n)
	}
}
