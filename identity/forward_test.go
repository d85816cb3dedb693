package identity

import "testing"

func TestForwarded(t *testing.T) {
	for _, test := range []struct{ line, host, port string }{
		{"ssh -f -L 2525:smtp.example.org:587 gateway 'sleep 5'", "smtp.example.org", "587"},
		{"exec ssh -fNL '2525:smtp.example.org:465' gateway", "smtp.example.org", "465"},
		{`ssh -f -L"127.0.0.1:2525:192.0.2.1:25" gateway sleep 5`, "192.0.2.1", "25"},
		{"ssh -L [::1]:2525:[2001:db8::1]:587 -fN gateway", "2001:db8::1", "587"},
		{"ssh -f -L 25:first.example.org:25 -L 2525:second.example.org:587 gateway sleep 5", "second.example.org", "587"},
		{"ssh -f -L 2525:localhost:25 gateway sleep 5", "", ""},
		{"ssh -f -L 2525:127.0.0.1:25 gateway sleep 5", "", ""},
		{"ssh -f -L 2526:smtp.example.org:25 gateway sleep 5", "", ""},
		{"ssh -f -L 12525:smtp.example.org:25 gateway sleep 5", "", ""},
		{"ssh -f -L /run/s:smtp.example.org:25 gateway sleep 5", "", ""},
		{"ssh -f -R 2525:smtp.example.org:25 gateway sleep 5", "", ""},
		{"ssh -oL=2525:smtp.example.org:25 gateway", "", ""},
		{"ssh -f -L", "", ""}, {"ssh -L :::: g", "", ""}, {"-L ]:1", "", ""}, {"-L [::1]:25", "", ""}, {"-L 2525:", "", ""},
		{"start-tunnel", "", ""}, {"", "", ""},
	} {
		if host, port := forwarded(test.line, "2525"); host != test.host || port != test.port {
			t.Errorf("%s: %q, %q", test.line, host, port)
		}
	}
}

// The host behind a forwarded port is what the certificate is for, and is no host that a password is
// sent to in clear; unless the configuration says otherwise.
func TestForwardedName(t *testing.T) {
	const line = "preconnect: ssh -f -L 2525:smtp.example.org:587 gateway sleep 5"
	for _, test := range []struct {
		settings, name string
		private        bool
	}{
		{line, "smtp.example.org", false},
		{line + "\n  tls_name: mx.example.org", "mx.example.org", false},
		{"preconnect: ssh -f -L 2525:localhost:587 gateway sleep 5", "", true},
	} {
		id := parseText(t, "c.yaml", "identities:\n- name: a\n  host: localhost:2525\n  "+test.settings+"\n").Identities[0]
		if id.TLSName != test.name || id.Private() != test.private {
			t.Errorf("%s: %q, private: %v", test.settings, id.TLSName, id.Private())
		}
	}
	id := parseText(t, "esmtprc", "hostname = localhost:2525\nstarttls = required\n"+
		"preconnect = \"ssh -f -L 2525:smtp.example.org:587 gateway 'sleep 5'\"\n").Identities[0]
	if id.TLSName != "smtp.example.org" || !id.Private() {
		t.Errorf("%q, private: %v", id.TLSName, id.Private())
	}
}
