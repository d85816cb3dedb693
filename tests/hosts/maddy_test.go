package hosts

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// maddy offers CHUNKING, and takes the chunk behind a refused BDAT for commands.
func TestMaddyChecks(t *testing.T) {
	onlyLong(t)
	startMaddy(t).checks(t)
}

const maddyConf = `state_dir %[1]s/state
runtime_dir %[1]s/run
hostname smarthost.test
tls file %[2]s %[3]s
log stderr
auth.pass_table users {
    table static {
        entry %[4]s "%[5]s"
    }
}
target.smtp sink {
    targets tcp://%[6]s
    require_tls no
    attempt_starttls no
}
smtp tcp://%[7]s {
    destination example.net {
        deliver_to &sink
    }
    default_destination {
        reject 550 5.1.1 "User doesn't exist"
    }
}
submission tcp://%[8]s {
    auth &users
    destination refused.test {
        reject 550 5.1.1 "User doesn't exist"
    }
    default_destination {
        deliver_to &sink
    }
}
`

func startMaddy(t *testing.T) *host {
	t.Helper()
	program := program(t, "maddy")
	h := newHost(t, "maddy")
	h.user, h.badDomain, h.refuse = "user@example.net", "refused.test", "User doesn't exist"
	h.size, h.abroad = 33554432, "elsewhere.test"
	h.spare, h.cuts, h.unsure = 1, true, true
	hash, err := exec.Command(program, "hash", "-p", h.password).Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "maddy.conf")
	write(t, conf, fmt.Sprintf(maddyConf, dir, h.cert.CertFile, h.cert.KeyFile, h.user, hash[:len(hash)-1], h.sink.addr, h.addr, h.secure), 0o600)
	h.awaitReady(t, start(t, exec.Command(program, "-config", conf, "run")))
	return h
}
