package smarthost

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/identity"
	"esmtpq/tests/stage"
)

// dns starts a name server with some records, in place of the system's.
func dns(t *testing.T, records ...string) {
	t.Helper()
	root := stage.Debian(t, "usr/sbin/dnsmasq")
	port := stage.FreePort(t)
	args := []string{"--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file=", "--port=" + port,
		"--listen-address=127.0.0.1", "--bind-interfaces", "--local=/#/", "--address=/smtp.example.org/127.0.0.1", "--address=/mx.example.net/127.0.0.1"}
	cmd := exec.Command(filepath.Join(root, "usr/sbin/dnsmasq"), append(args, records...)...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+stage.UnpackedLibraries(root))
	if os.Geteuid() == 0 {
		cmd.Args = append(cmd.Args, "--user=root")
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
	}}
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := net.LookupHost("smtp.example.org."); err == nil {
			return
		} else if time.Now().After(until) {
			t.Fatalf("no answer from the name server: %v", err)
		}
	}
}

// Hosts that a domain names are used in the order of service, priority and, by chance, weight; their
// certificates are for them where they lie within the domain, and for the domain where they do not.
func TestSRV(t *testing.T) {
	cert := stage.NewCertificate(t, "smtp.example.org", "example.net")
	t.Setenv("SSL_CERT_FILE", cert.Authority)
	hosts := map[string]*stage.SmartHost{}
	for _, name := range []string{"A", "B"} {
		hosts[name] = stage.NewSmartHost(t, stage.WithTLS(cert))
	}
	closed := stage.FreePort(t)
	ports := strings.NewReplacer("A", hosts["A"].Port, "B", hosts["B"].Port, "X", closed)
	srv := func(record string) string { return "--srv-host=" + ports.Replace(record) }
	dns(t,
		srv("_submission._tcp.example.org,smtp.example.org,B,20,5"),
		srv("_submission._tcp.example.org,smtp.example.org,A,10,5"),
		srv("_submissions._tcp.example.org,smtp.example.org,X,1,1"),
		srv("_submission._tcp.example.com,mx.example.net,A,1,1"),
		srv("_submission._tcp.example.net,mx.example.net,A,1,1"),
		"--srv-host=_submissions._tcp.none.example", "--srv-host=_submission._tcp.none.example",
	)
	look := func(host, settings string) string {
		t.Helper()
		cfg, err := identity.Load(identity.LoadOptions{File: writeConfig(t, "identities:\n- name: a\n  host: "+host+"\n"+settings)})
		if err != nil {
			t.Fatal(err)
		}
		tr, err := (&Hosts{Home: t.TempDir()}).Transport(cfg, cfg.Identities[0])
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, seen := range tr.LookAll(t.Context(), false) {
			text := "ready"
			if seen.Err != nil {
				text = seen.Err.Error()
			}
			all = append(all, seen.Host+":"+seen.Port+" "+text)
		}
		return strings.Join(all, "\n")
	}
	for _, c := range []struct{ host, settings, want string }{
		{"srv:example.org", "", "smtp.example.org:X cannot connect to *\nsmtp.example.org:A ready\nsmtp.example.org:B ready"},
		{"example.org.", "  srv: true\n", "smtp.example.org:X cannot connect to *\nsmtp.example.org:A ready\nsmtp.example.org:B ready"},
		{"srv:example.org", "  tls: starttls\n", "smtp.example.org:A ready\nsmtp.example.org:B ready"},
		{"srv:example.org", "  tls: implicit\n", "smtp.example.org:X cannot connect to *"},
		{"srv:example.com", "", "mx.example.net:A the certificate is not for example.com but for *"},
		{"srv:example.com", "  tls_name: example.net\n", "mx.example.net:A ready"},
		{"srv:example.net", "", "mx.example.net:A the certificate is not for mx.example.net but for *"},
		{"srv:none.example", "", "srv:none.example: srv:none.example: the domain says in DNS that it takes no mail to send there (*"},
		{"srv:absent.example", "", "srv:absent.example: srv:absent.example: the domain names no host for mail to send in DNS *"},
	} {
		got, want := strings.Split(look(c.host, c.settings), "\n"), strings.Split(ports.Replace(c.want), "\n")
		for i := range max(len(got), len(want)) {
			start, part := "", false
			if i < len(want) {
				start, part = strings.CutSuffix(want[i], "*")
			}
			if i >= len(got) || i >= len(want) || part && !strings.HasPrefix(got[i], start) || !part && got[i] != start {
				t.Errorf("%s %s\ngot  %q\nwant %q", c.host, c.settings, got, want)
				break
			}
		}
	}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
