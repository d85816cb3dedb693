package main_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Smart hosts that no one here wrote.

// receives writes a delivery agent that stores what it is given, and returns its path and
// the directory that it stores to.
func (p *person) receives() (agent, dir string) {
	p.t.Helper()
	// outside of the home: mail servers run the agent as somebody else
	dir, err := os.MkdirTemp("", "esmtpq-received-")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		p.t.Fatal(err)
	}
	agent = filepath.Join(dir, ".agent")
	script := fmt.Sprintf("#!/bin/sh\nset -e\nfile=$(mktemp %[1]s/.XXXXXXXX)\ncat >\"$file\"\nchmod 644 \"$file\"\nmv \"$file\" %[1]s/\"${file##*.}\"\n", dir)
	if err := os.WriteFile(agent, []byte(script), 0o755); err != nil {
		p.t.Fatal(err)
	}
	return agent, dir
}

// awaitMails waits until n mails are stored, and returns them.
func awaitMails(t *testing.T, dir string, n int) []string {
	t.Helper()
	var files []string
	for end := time.Now().Add(hangs); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if files, _ = filepath.Glob(filepath.Join(dir, "[^.]*")); len(files) >= n {
			break
		}
	}
	if len(files) != n {
		t.Fatalf("%d mails arrived, want %d", len(files), n)
	}
	var mails []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, strings.ReplaceAll(string(content), "\r\n", "\n"))
	}
	return mails
}

// sendSeries sends n awkward mails and checks what the delivery agent stored: each once,
// its body as it was.
func (p *person) sendSeries(n int, dir string) {
	t := p.t
	t.Helper()
	for i := range n {
		p.run(fmt.Sprintf("From: me@example.org\nTo: friend@example.org\nBcc: me@example.org\nSubject: %d\n\n%s", i, awkward),
			"sendmail", "-i", "-f", "me@example.org", "friend@example.org")
	}
	p.deliver()
	seen := map[string]int{}
	for _, mail := range awaitMails(t, dir, n) {
		seen[parseMail(t, mail).Header.Get("Subject")]++
		header, body := splitMail(t, mail)
		same(t, body, awkward)
		if strings.Contains(header, "Bcc") {
			t.Errorf("Bcc arrived:\n%s", header)
		}
	}
	if len(seen) != n {
		t.Errorf("of %d mails, these arrived: %v", n, seen)
	}
}

// chasquid wants TLS and a login before it takes anything for submission.
func TestChasquid(t *testing.T) {
	for _, test := range []struct{ name, starttls string }{
		{"starttls", "required"},
		{"implicit", "implicit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			me := newPerson(t)
			cert := newCertificate(t)
			port, dir := me.newChasquid(cert, test.starttls == "implicit")
			me.setenv("SSL_CERT_FILE=" + cert.authority)
			me.write(".esmtprc", fmt.Sprintf("identity = me@example.org\nhostname = localhost:%s\nstarttls = %s\n"+
				"username = me@example.org\npassword = \"%s\"\n", port, test.starttls, hostPassword))
			me.sendSeries(5, dir)
		})
	}
}

// A wrong password at a real server.
func TestChasquidRefusesPassword(t *testing.T) {
	me := newPerson(t)
	cert := newCertificate(t)
	port, _ := me.newChasquid(cert, false)
	me.setenv("SSL_CERT_FILE=" + cert.authority)
	me.write(".esmtprc", fmt.Sprintf("identity = me@example.org\nhostname = localhost:%s\nstarttls = required\n"+
		"username = me@example.org\npassword = \"wrong horse\"\n", port))
	me.waits("535")
}

// newChasquid starts one that knows the user me@example.org, and returns its submission port and
// where it delivers to.
func (p *person) newChasquid(cert certificate, implicit bool) (port, dir string) {
	t := p.t
	t.Helper()
	root := debianRoot(t, "usr/bin/chasquid")
	agent, dir := p.receives()
	port, other := freePort(t), freePort(t)
	address := map[bool]string{false: "submission_address", true: "submission_over_tls_address"}[implicit]
	p.write("chasquid/chasquid.conf", fmt.Sprintf(`hostname: "localhost"
smtp_address: "127.0.0.1:%s"
%s: "127.0.0.1:%s"
mail_delivery_agent_bin: %q
data_dir: %q
mail_log_path: "<stderr>"
`, other, address, port, agent, p.path("chasquid/data")))
	for name, file := range map[string]string{"fullchain.pem": cert.certFile, "privkey.pem": cert.keyFile} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p.write("chasquid/certs/localhost/"+name, string(content))
	}
	p.write("chasquid/domains/example.org/aliases", "")
	for _, user := range []string{"me@example.org", "friend@example.org"} {
		p.run("", filepath.Join(root, "usr/bin/chasquid-util"), "--configdir="+p.path("chasquid"), "user-add", user, "--password="+hostPassword)
	}
	cmd := p.command(filepath.Join(root, "usr/bin/chasquid"), "-config_dir="+p.path("chasquid"), "-logtime=false")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	awaitLine(t, bufio.NewScanner(log), "127.0.0.1:"+port)
	awaitPort(t, port)
	return port, dir
}

// awaitPort waits until somebody listens.
func awaitPort(t *testing.T, port string) {
	t.Helper()
	for end := time.Now().Add(hangs); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nobody listens on port %s", port)
}

const postfixMain = `compatibility_level = 3.6
queue_directory = /run/postfix
data_directory = /run/postfix-data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = smarthost.test
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
default_transport = capture
smtputf8_enable = yes
maillog_file = /dev/stdout
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = %s, %s
`

const postfixMaster = `127.0.0.1:%s inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
capture unix - n n - 1 pipe flags=q user=nobody argv=%s
`

// Postfix, with TLS, PIPELINING and CHUNKING, in a namespace where it is installed.
func TestPostfix(t *testing.T) {
	root := debianRoot(t, "usr/lib/postfix/sbin/master")
	me := newPerson(t)
	cert := newCertificate(t)
	agent, dir := me.receives()
	port := freePort(t)
	ns := me.newNamespace(root)
	me.write("namespace/etc/postfix/main.cf", fmt.Sprintf(postfixMain, cert.keyFile, cert.certFile))
	me.write("namespace/etc/postfix/master.cf", fmt.Sprintf(postfixMaster, port, agent))
	ns.script(`
cd /
mkdir -p /run/postfix-data /run/postfix/pid /run/postfix/maildrop /run/postfix/public
for dir in incoming active bounce corrupt defer deferred flush hold private saved trace; do mkdir -p /run/postfix/$dir; done
chown postfix /run/postfix-data /run/postfix/*
chown root /run/postfix/pid
exec /usr/lib/postfix/sbin/master -d`)
	ns.start(ns.command())
	awaitPort(t, port)

	me.setenv("SSL_CERT_FILE=" + cert.authority)
	me.write(".esmtprc", "identity = me@example.org\nhostname = localhost:"+port+"\nstarttls = required\n")
	me.sendSeries(20, dir)
}
