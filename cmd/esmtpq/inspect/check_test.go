package inspect_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// plain is the beginning of a configuration to which nothing can be said.
const plain = `identities:
  - name: me@example.org
    default: true
    host: mx.example.org
`

// What a check finds has file, line and a cure; the exit status says whether mail can go out.
func TestCheck(t *testing.T) {
	type findings []string
	for _, c := range []struct {
		name, config string
		code         int
		want         findings // a line of the output for each, in this order
	}{
		{"nothing", plain, 0, nil},
		{"a command that works", plain + "    username: me\n    password_command: echo xyzzy\n", 0, nil},
		{"unknown keys", plain + "    usernam: me\n    pasword: xyzzy\n    xyzzyx: 1\n", 78, findings{
			"config.yaml:5: unknown key identities[0].usernam; is it username?", "config.yaml:6: unknown key identities[0].pasword; is it password?", "config.yaml:7: unknown key"}},
		{"no YAML", "identities: [\n", 78, findings{"config.yaml:"}},
		{"never reached", `identities:
  - name: all
    match: "*@example.org"
    host: mx.example.org
  - name: two
    match: x*@example.org
    host: mx.example.org
  - name: three
    host: mx.example.org
`, 65, findings{"config.yaml:6: match x*@example.org of identity two is never used: identity all takes it before", "config.yaml:6: identity two is never used", "config.yaml:8: identity three is not the default and matches no address"}},
		{"contradictions", "force_mda: me\n" + plain + "    tls: off\n    tls_name: x.example.org\n    relogin_delay: 3s\n    tunnel: ssh gw\n    preconnect: ssh -f -N -L 1:2:3 gw\n", 65, findings{
			"config.yaml:1: force_mda has no effect without mda", "config.yaml:7: tls_name of identity me@example.org has no effect with tls: off",
			"config.yaml:10: preconnect of identity me@example.org is not run", "config.yaml:8: relogin_delay of", "config.yaml:10: preconnect of identity me@example.org: ssh -N"}},
		{"port and TLS", plain + "    port: 587\n    tls: implicit\n", 65, findings{"config.yaml:5: port of identity me@example.org begins in clear as a rule: tls should be starttls"}},
		{"tunnels", plain + "    tunnel: HOME/x/nc -w 3 %h %p\n", 65, findings{"config.yaml:5: tunnel of identity me@example.org: nc -w cuts"}},
		{"openssl", plain + "    tunnel: openssl s_client -connect %h:%p\n", 65, findings{"config.yaml:5: tunnel of identity me@example.org: openssl s_client"}},
		{"no such program", plain + "    tunnel: no-such-carrier %h %p\n", 78, findings{"config.yaml:5: tunnel of identity me@example.org: the program that it begins with is not there"}},
		{"no tunnel", plain + "    tunnel: ssh gw | x\n", 78, findings{"config.yaml:5: tunnel of identity me@example.org: '|' has no meaning here"}},
		{"no such agent", "mda: exec /no/such/agent -a %T\n" + plain, 78, findings{"config.yaml:1: mda: the program that it begins with is not there: install it"}},
		{"lines of the shell", "mda: exec /bin/cat >/dev/null %T\nnotify: test -t 2 || cat\n" + plain + "    preconnect: A=1; { true; }\n", 0, nil},
		{"nothing to connect with", plain + "    preconnect: no-such-vpn up\n", 78, findings{"config.yaml:5: preconnect: the program that it begins with is not there"}},
		{"bare agent", "mda: HOME/x/procmail\n" + plain, 65, findings{"config.yaml:1: mda: "}},
		{"no password", plain + "    username: me\n", 78, findings{"config.yaml:5: password unavailable: identity me@example.org: there is no password: set password_command"}},
		{"command that fails", plain + "    username: me\n    password_command: echo xyzzy; echo locked >&2; exit 3\n", 78, findings{"config.yaml:6: password unavailable: identity me@example.org: the password command failed: exit status 3: locked; run the command by hand"}},
		{"command without words", plain + "    username: me\n    password_command: \"true\"\n", 78, findings{"config.yaml:6: password unavailable: identity me@example.org: the password command printed nothing"}},
		{"no login yet", plain + "    username: me\n    oauth:\n      provider: google\n      client_id: x\n      client_secret: xyzzy\n", 78, findings{"config.yaml:7: identity me@example.org: no login yet; run: esmtpq oauth login me@example.org"}},
		{"no client", plain + "    username: me\n    oauth:\n      provider: google\n      client_id_command: exit 3\n", 78, findings{"config.yaml:7: identity me@example.org: the client_id_command failed: exit status 3; run the command by hand"}},
		{"no password for the proxy", plain + "    proxy: http://me@proxy.example.org:3128\n    proxy_password_command: echo xyzzy; exit 3\n", 78, findings{"config.yaml:6: proxy password unavailable: identity me@example.org: the proxy password command failed: exit status 3; run the command by hand"}},
		{"way and address", plain + "    source_address: 192.0.2.1\n    ip_version: 6\n", 65, findings{"config.yaml:6: ip_version of identity me@example.org does not fit source_address"}},
		{"no file", plain + "    ca_file: /missing.pem\n", 78, findings{"config.yaml:5: identity me@example.org: cannot read the file of authorities"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			me := stage.NewPerson(t)
			me.WriteScript("x/procmail", "#!/bin/sh\n")
			me.WriteScript("x/nc", "#!/bin/sh\n")
			me.Write(".config/esmtpq/config.yaml", strings.ReplaceAll(c.config, "HOME", me.Home))
			out := esmtpq(t, me, c.code, "check")
			lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
			if len(c.want) == 0 && out != "" || len(c.want) > 0 && len(lines) != len(c.want) {
				t.Fatalf("%d lines, want %d:\n%s", len(lines), len(c.want), out)
			}
			for i, want := range c.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("%s\nlacks %s", lines[i], want)
				}
			}
			if strings.Contains(out, "xyzzy") {
				t.Errorf("a value is shown:\n%s", out)
			}
		})
	}
}

// Permissions of the configuration, its directory and the keys beside it, and the queue directory.
func TestCheckPermissions(t *testing.T) {
	me := stage.NewPerson(t)
	const file = ".config/esmtpq/config.yaml"
	me.Write(file, plain+"    username: me\n    password: xyzzy\n")
	os.Chmod(me.Path(file), 0o644)
	contains(t, esmtpq(t, me, 78, "check"), "other users can read it; type: chmod 600 "+me.Path(file))
	os.Chmod(me.Path(file), 0o600)
	if out := esmtpq(t, me, 0, "check"); out != "" {
		t.Error(out)
	}
	os.Chmod(me.Path(".config/esmtpq"), 0o777)
	contains(t, esmtpq(t, me, 65, "check"), "others can write to this directory", "type: chmod go-w "+me.Path(".config/esmtpq"))
	os.Chmod(me.Path(".config/esmtpq"), 0o700)

	cert := stage.NewCertificate(t)
	me.Write(file, plain+"    client_certificate: "+cert.CertFile+"\n    client_key: "+cert.KeyFile+"\n")
	if out := esmtpq(t, me, 0, "check"); out != "" {
		t.Error(out)
	}
	os.Chmod(cert.KeyFile, 0o644)
	contains(t, esmtpq(t, me, 65, "check"), "config.yaml:6: identity me@example.org: other users can read the client key; type: chmod 600 "+cert.KeyFile)
	os.Chmod(cert.KeyFile, 0o600)

	me.Run("text\n", "sendmail", "friend@example.net")
	if out := esmtpq(t, me, 0, "check"); out != "" {
		t.Error(out)
	}
	me.Write(".esmtp_queue/notes", "mine")
	contains(t, esmtpq(t, me, 65, "check"), "notes is not a message of ours")
	if err := os.RemoveAll(me.Path(".esmtp_queue")); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 { // whom no mode keeps out
		os.Chmod(me.Home, 0o500)
		contains(t, esmtpq(t, me, 78, "check"), "mail cannot be queued there: permission denied; type: chmod u+wx "+me.Home)
		os.Chmod(me.Home, 0o700)
	}
	me.Write(".esmtp_queue", "a file")
	contains(t, esmtpq(t, me, 78, "check"), "queue directory", "move it away")
}

// Without a configuration there is a hint where to write one, and a command that hangs has a limit.
func TestCheckIsBounded(t *testing.T) {
	me := stage.NewPerson(t)
	contains(t, esmtpq(t, me, 78, "check"), "no configuration", "write ~/.config/esmtpq/config.yaml")
	me.Write(".esmtprc", "hostname = mx.example.org\nusername = me\n")
	contains(t, esmtpq(t, me, 78, "check"), ".esmtprc:2: password unavailable: ", "there is no password")
	me.Write(".config/esmtpq/config.yaml", plain+"    username: me\n    password_command: sleep 120\n")
	me.Setenv("ESMTPQ_TIMEOUT=1s")
	begun := time.Now()
	contains(t, esmtpq(t, me, 78, "check"), "did not end in time")
	if d := time.Since(begun); d > 30*time.Second {
		t.Errorf("it took %v", d)
	}
}

// The command that prints a configuration tells the same of the file.
func TestConfigRemarks(t *testing.T) {
	me := stage.NewPerson(t)
	me.Write(".config/esmtpq/config.yaml", "local_domains: [a.example.org]\n"+plain+"  - name: two\n    host: mx.example.org\n")
	r := me.Try("", "esmtpq", "config")
	out := esmtpq(t, me, 65, "check")
	if want := "esmtpq config: " + strings.ReplaceAll(strings.TrimSuffix(out, "\n"), "\n", "\nesmtpq config: ") + "\n"; r.Stderr != want || strings.Count(out, "\n") != 2 {
		t.Errorf("config says\n%scheck says\n%s", r.Stderr, out)
	}
}
