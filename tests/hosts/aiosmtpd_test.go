package hosts

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"esmtpq/tests/stage"
)

// aiosmtpd is what servers written in Python stand on. It offers no PIPELINING, and asks for a login
// with words of its own.
func TestAiosmtpdChecks(t *testing.T) { startAiosmtpd(t).checks(t) }

func startAiosmtpd(t *testing.T) *host {
	t.Helper()
	packages := filepath.Join(unpacked(t, "aiosmtpd", "usr/lib/python3/dist-packages/aiosmtpd/smtp.py"), "usr/lib/python3/dist-packages")
	stage.Needs(t, "/usr/bin/python3")
	h := newHost(t, "aiosmtpd")
	h.refuse, h.line, h.size = "No such user here", refused, 33554432
	h.sink.withAgent()
	cmd := exec.Command("/usr/bin/python3", "servers/aiosmtpd/server.py",
		portOf(h.addr), portOf(h.secure), h.cert.CertFile, h.cert.KeyFile, h.sink.dir)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+packages, "PYTHONDONTWRITEBYTECODE=1")
	h.awaitReady(t, start(t, cmd))
	return h
}
