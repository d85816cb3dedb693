package hosts

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"esmtpq/tests/stage"
)

// chasquid requires TLS and a login before it takes mail for submission.
func TestChasquid(t *testing.T) {
	for _, test := range []struct{ name, starttls string }{
		{"starttls", "required"},
		{"implicit", "implicit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			me := stage.NewPerson(t)
			cert := stage.NewCertificate(t)
			port, dir := newChasquid(me, cert, test.starttls == "implicit")
			me.Setenv("SSL_CERT_FILE=" + cert.Authority)
			me.Write(".esmtprc", fmt.Sprintf("identity = me@example.org\nhostname = localhost:%s\nstarttls = %s\n"+
				"username = me@example.org\npassword = \"%s\"\n", port, test.starttls, stage.Password))
			sendSeries(me, 5, dir)
		})
	}
}

// A wrong password at a real server.
func TestChasquidRefusesPassword(t *testing.T) {
	me := stage.NewPerson(t)
	cert := stage.NewCertificate(t)
	port, _ := newChasquid(me, cert, false)
	me.Setenv("SSL_CERT_FILE=" + cert.Authority)
	me.Write(".esmtprc", fmt.Sprintf("identity = me@example.org\nhostname = localhost:%s\nstarttls = required\n"+
		"username = me@example.org\npassword = \"wrong horse\"\n", port))
	me.Waits("535")
}

// newChasquid starts a chasquid that knows the user me@example.org, and returns its submission
// port and the directory that it delivers to.
func newChasquid(p *stage.Person, cert stage.Certificate, implicit bool) (port, dir string) {
	p.T.Helper()
	root := stage.Debian(p.T, "usr/bin/chasquid")
	agent, dir := receives(p)
	port = stage.FreePort(p.T)
	configureChasquid(p, cert, port, implicit, agent)
	for _, user := range []string{"me@example.org", "friend@example.org"} {
		p.Run("", filepath.Join(root, "usr/bin/chasquid-util"), "--configdir="+p.Path("chasquid"),
			"user-add", user, "--password="+stage.Password)
	}
	startChasquid(p, root, port)
	return port, dir
}

// configureChasquid writes its configuration, below the person's home.
func configureChasquid(p *stage.Person, cert stage.Certificate, port string, implicit bool, agent string) {
	p.T.Helper()
	address := map[bool]string{false: "submission_address", true: "submission_over_tls_address"}[implicit]
	p.Write("chasquid/chasquid.conf", fmt.Sprintf(`hostname: "localhost"
smtp_address: "127.0.0.1:%s"
%s: "127.0.0.1:%s"
mail_delivery_agent_bin: %q
data_dir: %q
mail_log_path: "<stderr>"
`, stage.FreePort(p.T), address, port, agent, p.Path("chasquid/data")))
	for name, file := range map[string]string{"fullchain.pem": cert.CertFile, "privkey.pem": cert.KeyFile} {
		content, err := os.ReadFile(file)
		if err != nil {
			p.T.Fatal(err)
		}
		p.Write("chasquid/certs/localhost/"+name, string(content))
	}
	p.Write("chasquid/domains/example.org/aliases", "")
}

// startChasquid runs it until the test ends, and waits until it listens.
func startChasquid(p *stage.Person, root, port string) {
	t := p.T
	t.Helper()
	cmd := p.Command(filepath.Join(root, "usr/bin/chasquid"), "-config_dir="+p.Path("chasquid"), "-logtime=false")
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
	stage.AwaitLine(t, bufio.NewScanner(log), "127.0.0.1:"+port)
	stage.AwaitPort(t, port)
}
