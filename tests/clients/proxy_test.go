package clients

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// The smart host behind a proxy, or at a local socket.

func loginInClear(s *smtp.Server) { s.AllowInsecureAuth = true }

// runUnpacked runs an unpacked program until the test ends.
func runUnpacked(p *stage.Person, file string, args ...string) {
	p.T.Helper()
	root := stage.Debian(p.T, file)
	args = append([]string{"LD_LIBRARY_PATH=" + stage.UnpackedLibraries(root), filepath.Join(root, file)}, args...)
	cmd := exec.Command("env", args...)
	if err := cmd.Start(); err != nil {
		p.T.Fatal(err)
	}
	p.T.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// identityOf writes a configuration of one identity.
func identityOf(p *stage.Person, lines ...string) {
	p.Write(".config/esmtpq/config.yaml", "identities:\n  - name: me@example.org\n    "+strings.Join(lines, "\n    ")+"\n")
}

// newMicrosocks and newTinyproxy start a proxy, and return what it is in the configuration.
func newMicrosocks(p *stage.Person) string {
	port := stage.FreePort(p.T)
	runUnpacked(p, "usr/bin/microsocks", "-i", "127.0.0.1", "-p", port)
	stage.AwaitPort(p.T, port)
	return "socks5://localhost:" + port
}

func newTinyproxy(p *stage.Person) string {
	port := stage.FreePort(p.T)
	p.Write("tinyproxy.conf", "Listen 127.0.0.1\nPort "+port+"\nMaxClients 10\n")
	runUnpacked(p, "usr/bin/tinyproxy", "-d", "-c", p.Path("tinyproxy.conf"))
	stage.AwaitPort(p.T, port)
	return "http://localhost:" + port
}

func TestProxy(t *testing.T) {
	for name, start := range map[string]func(*stage.Person) string{"microsocks": newMicrosocks, "tinyproxy": newTinyproxy} {
		t.Run(name, func(t *testing.T) {
			host := stage.NewSmartHost(t, loginInClear)
			me := stage.NewPerson(t)
			proxy := start(me)
			identityOf(me, "host: localhost:"+host.Port, "proxy: "+proxy, "username: "+stage.User, "password: '"+stage.Password+"'")
			for range 3 {
				me.Run(scripted+stage.Awkward, "sendmail", "-i", "friend@example.net")
			}
			me.Deliver()
			mails := host.Received()
			if len(mails) != 3 {
				t.Fatalf("%d mails arrived, want 3", len(mails))
			}
			for _, mail := range mails {
				mail.Says(t, stage.Awkward)
				if mail.User != stage.User {
					t.Errorf("logged in as %q", mail.User)
				}
			}

			_, port, _ := strings.Cut(stage.DeadAddress(t), ":")
			identityOf(me, "host: localhost:"+port, "proxy: "+proxy)
			me.Waits("cannot reach localhost: the proxy " + proxy + " cannot connect to localhost:" + port)
		})
	}
}

// A password goes in clear to this machine; a proxy on this machine does not make the host that.
func TestProxyIsNotTheHost(t *testing.T) {
	for name, start := range map[string]func(*stage.Person) string{"microsocks": newMicrosocks, "tinyproxy": newTinyproxy} {
		t.Run(name, func(t *testing.T) {
			host := stage.NewSmartHost(t, loginInClear)
			me := stage.NewPerson(t)
			// The proxy reaches this machine by that address, too.
			identityOf(me, "host: 0.0.0.0:"+host.Port, "proxy: "+start(me), "tls: off", "username: "+stage.User, "password: '"+stage.Password+"'")
			me.Waits("in clear")
			if len(host.Received()) != 0 {
				t.Error("the mail was sent")
			}
		})
	}
}

func TestLocalSocketHost(t *testing.T) {
	host := stage.NewSmartHost(t, loginInClear)
	me := stage.NewPerson(t)
	socket := me.Path("smtp")
	identityOf(me, "host: "+socket, "username: "+stage.User, "password: '"+stage.Password+"'")
	me.Waits(fmt.Sprintf("cannot reach %s: connect: no such file or directory", socket))
	runUnpacked(me, "usr/bin/socat", "UNIX-LISTEN:"+socket+",fork", "TCP:"+host.Addr)
	stage.Await(t, "the socket", func() bool { return exec.Command("test", "-S", socket).Run() == nil })
	me.Deliver()
	if mail := host.One(t); mail.User != stage.User {
		t.Errorf("logged in as %q", mail.User)
	}
}

// Of several hosts, the one that answers gets the mail.
func TestHosts(t *testing.T) {
	host := stage.NewSmartHost(t, loginInClear)
	me := stage.NewPerson(t)
	dead := stage.DeadAddress(t)
	identityOf(me, "hosts: [\""+dead+"\", \"localhost:"+host.Port+"\"]", "username: "+stage.User, "password: '"+stage.Password+"'")
	for range 3 {
		me.Run(scripted+stage.Awkward, "sendmail", "-i", "friend@example.net")
	}
	me.Deliver()
	if mails := host.Received(); len(mails) != 3 {
		t.Fatalf("%d mails arrived, want 3", len(mails))
	}
	identityOf(me, "hosts: [\""+dead+"\", \""+stage.DeadAddress(t)+"\"]")
	me.Waits("no port of 127.0.0.1 can be used: cannot connect to ") // two names for one host
}
