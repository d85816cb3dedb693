package inspect_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Each of several hosts is probed; mail can be sent if one of them takes it.
func TestProbeHosts(t *testing.T) {
	cert := stage.NewCertificate(t)
	first, second := stage.NewSmartHost(t, stage.WithTLS(cert)), stage.NewSmartHost(t, stage.WithTLS(cert))
	closed := stage.Listen(t)
	closed.Close()
	me := stage.NewPerson(t)
	me.Setenv("SSL_CERT_FILE=" + cert.Authority)
	me.Write(".config/esmtpq/config.yaml", strings.Replace(rich, "host: localhost:PORT",
		"hosts: ["+closed.Addr().String()+", localhost:"+first.Port+", localhost:"+second.Port+"]", 1))
	out := esmtpq(t, me, 0, "probe")
	contains(t, out, "smart host   "+closed.Addr().String(), "connection refused", "smart host   localhost:"+first.Port, "ready", "smart host   localhost:"+second.Port, "ready")
	var j struct {
		Port  string
		Ready bool
		Hosts []struct {
			Port, Reason, Mechanism string
			Ready                   bool
		}
	}
	if err := json.Unmarshal([]byte(esmtpq(t, me, 0, "probe", "--json")), &j); err != nil || len(j.Hosts) != 3 || !j.Ready || j.Port != first.Port ||
		j.Hosts[0].Ready || j.Hosts[0].Reason == "" || !j.Hosts[1].Ready || !j.Hosts[2].Ready || j.Hosts[2].Port != second.Port {
		t.Errorf("%+v, %v", j, err)
	}
	me.Write(".config/esmtpq/config.yaml", strings.Replace(rich, "host: localhost:PORT", "hosts: ["+closed.Addr().String()+", "+strings.Replace(closed.Addr().String(), "127.0.0.1", "localhost", 1)+"]", 1))
	contains(t, esmtpq(t, me, 75, "probe"), "connection refused")
	if _, err := os.Stat(me.Path(".esmtp_queue")); err == nil {
		t.Error("a probe has made a queue")
	}
}
