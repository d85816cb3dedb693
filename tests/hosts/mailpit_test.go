package hosts

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// Web developers send to mailpit; it takes a hundred recipients.
func TestMailpitChecks(t *testing.T) {
	onlyLong(t)
	startMailpit(t).checks(t)
}

// startMailpit starts two mailpits, one of which wants TLS and a login.
func startMailpit(t *testing.T) *host {
	t.Helper()
	program := program(t, "mailpit")
	h := newHost(t, "mailpit")
	h.size, h.refuse = 50<<20, "5.1.0"
	h.badDomain = "refused.test"
	dir := t.TempDir()
	relay, users := filepath.Join(dir, "relay.yaml"), filepath.Join(dir, "users")
	write(t, relay, fmt.Sprintf("host: 127.0.0.1\nport: %s\nallow-missing-host: true\n", h.sink.port()), 0o600)
	write(t, users, h.user+":"+h.password+"\n", 0o600)
	run := func(addr string, more ...string) {
		args := append([]string{"--smtp", addr, "--listen", freeAddress(t), "--db-file", filepath.Join(dir, portOf(addr)+".db"),
			"--smtp-relay-config", relay, "--smtp-relay-all", "--smtp-allowed-recipients", `@example\.net$`,
			"--disable-version-check", "--max", "0"}, more...)
		start(t, exec.Command(program, args...)).awaitGreeting(t, addr)
	}
	run(h.addr)
	run(h.secure, "--smtp-tls-cert", h.cert.CertFile, "--smtp-tls-key", h.cert.KeyFile, "--smtp-auth-file", users)
	return h
}
