package hosts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"esmtpq/tests/stage"
)

// Haraka answers 503 to everything that is sent behind a final dot, on purpose.
func TestHarakaChecks(t *testing.T) { startHaraka(t).checks(t) }

// Those 503 concern what was sent ahead: the session goes on, with one login for all mail.
func TestHarakaSentAhead(t *testing.T) {
	h := startHaraka(t)
	me := newSecurePerson(t, h, h.password)
	for i := range 3 {
		mails := h.newMails(20)
		me.send(mails...)
		me.once(mails)
		me.connects(i + 1)
	}
}

// startHaraka starts a Haraka, from the packages that test.sh installs with npm.
func startHaraka(t *testing.T) *host {
	t.Helper()
	modules := unpacked(t, "npm", "node_modules/Haraka/bin/haraka")
	stage.Needs(t, "node")
	h := newHost(t, "haraka")
	h.refuse, h.line = "no such user", altered
	h.size = 26214400
	if os.Geteuid() != 0 {
		t.Skip("only root can listen on port 587, where alone Haraka wants a login")
	}
	h.secure = ownAddress() + ":587"
	dir := t.TempDir()
	config := func(name, content string) { write(t, filepath.Join(dir, "config", name), content, 0o644) }
	config("smtp.ini", "listen="+h.addr+","+h.secure+"\nnodes=0\n")
	config("connection.ini", stage.Read(t, filepath.Join(modules, "node_modules/Haraka/config/connection.ini")))
	config("me", "smarthost.test\n")
	config("host_list", h.domain+"\n")
	config("plugins", "tls\nauth/flat_file\nrefuse\nrcpt_to.in_host_list\nqueue/smtp_forward\n")
	config("tls_cert.pem", stage.Read(t, h.cert.CertFile))
	config("tls_key.pem", stage.Read(t, h.cert.KeyFile))
	config("dhparams.pem", stage.Read(t, "servers/npm/dhparams.pem")) // otherwise it makes its own, which takes long
	config("auth_flat_file.ini", "[core]\nmethods=PLAIN,LOGIN\n[users]\n"+h.user+"="+h.password+"\n")
	config("smtp_forward.ini", "host=127.0.0.1\nport="+h.sink.port()+"\nenable_tls=false\nenable_outbound=true\n")
	config("databytes", fmt.Sprint(h.size)+"\n")
	config("loglevel", "WARN\n")
	write(t, filepath.Join(dir, "plugins", "refuse.js"), `exports.hook_rcpt = (next, connection, params) =>
  params[0].user.startsWith('bad') ? next(DENY, 'no such user') : next()
`, 0o644)
	cmd := exec.Command("node", filepath.Join(modules, "node_modules/Haraka/bin/haraka"), "-c", dir)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	h.awaitReady(t, start(t, cmd))
	return h
}
