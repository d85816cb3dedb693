package identity

import "testing"

// What can be wrong with a proxy, and with a host that is a local socket; no value is shown.
func TestProxyErrors(t *testing.T) {
	long := "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012"
	for _, test := range []struct{ settings, want string }{
		{"host: h\n  proxy: " + canary, "c.yaml:4: identities[0].proxy should be like socks5://host:port or http://host:port"},
		{"host: h\n  proxy: socks4://h:1", "c.yaml:4: identities[0].proxy should begin with socks5:// or http://"},
		{"host: h\n  proxy: https://h:1", "c.yaml:4: identities[0].proxy should begin with socks5:// or http://"},
		{"host: h\n  proxy: socks5://h", "c.yaml:4: identities[0].proxy needs a port, such as socks5://localhost:1080"},
		{"host: h\n  proxy: socks5://h:99999", "c.yaml:4: identities[0].proxy has a port that is not between 1 and 65535"},
		{"host: h\n  proxy: socks5://@h:1", "c.yaml:4: identities[0].proxy should have a user name of 1 to 255 octets before its @"},
		{"host: h\n  proxy: socks5://u:" + canary + "@h:1", "c.yaml:4: identities[0].proxy has a password in it: give that as proxy_password"},
		{"host: h\n  proxy: socks5://h:1\n  tunnel: ssh g", "c.yaml:4: identities[0] has both proxy and tunnel"},
		{"host: h\n  proxy: socks5://h:1\n  proxy_password: " + canary, "c.yaml:5: identities[0] has a proxy_password and no proxy with a user name"},
		{"host: h\n  proxy_password: " + canary, "c.yaml:4: identities[0] has a proxy_password and no proxy with a user name"},
		{"host: /s\n  proxy: socks5://h:1", "c.yaml:4: identities[0] has a proxy, which cannot reach a local socket"},
		{"host: /s\n  port: 25", "c.yaml:4: identities[0] has a port, which a local socket has not"},
		{"host: /s\n  tunnel: ssh g", "c.yaml:4: identities[0] has a tunnel, which cannot reach a local socket"},
		{"host: /s\n  tls: starttls", "c.yaml:4: identities[0] has a local socket for a host: TLS needs a tls_name"},
		{"host: " + long, "c.yaml:3: identities[0].host is too long for the path of a local socket, which has 103 octets at most"},
	} {
		checkYAMLError(t, "identities:\n- name: a\n  "+test.settings+"\n", test.want)
	}
}

// A proxy reads as it is written.
func TestProxyText(t *testing.T) {
	for text, want := range map[string]string{
		"SOCKS5://h:1080/":              "socks5://h:1080",
		"socks5h://h:1080":              "socks5://h:1080",
		"http://a@b@[2001:db8::1]:3128": "http://a@b@[2001:db8::1]:3128",
	} {
		p, wrong := parseProxy(text)
		if wrong != "" || p.String() != want {
			t.Errorf("%s: %v, %s", text, p, wrong)
			continue
		}
		if again, wrong := parseProxy(p.String()); wrong != "" || *again != *p {
			t.Errorf("%s: read again as %v, %s", text, again, wrong)
		}
	}
}
