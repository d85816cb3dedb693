package hosts

import (
	"os/exec"
	"path/filepath"
	"testing"

	"esmtpq/tests/stage"
)

// smtp-server is what servers written in JavaScript stand on.
func TestSMTPServerChecks(t *testing.T) {
	onlyLong(t)
	startSMTPServer(t).checks(t)
}

func startSMTPServer(t *testing.T) *host {
	t.Helper()
	modules := filepath.Join(unpacked(t, "npm", "node_modules/smtp-server/package.json"), "node_modules")
	stage.Needs(t, "node")
	h := newHost(t, "smtp-server")
	h.refuse = "No such user here"
	h.sink.withAgent()
	h.awaitReady(t, start(t, exec.Command("node", "servers/npm/smtp-server.js", modules,
		portOf(h.addr), portOf(h.secure), h.cert.CertFile, h.cert.KeyFile, h.sink.dir)))
	return h
}
