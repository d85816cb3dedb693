package identity

import (
	"strings"
	"testing"
)

func TestFingerprints(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	colons := strings.TrimSuffix(strings.Repeat("0A:", 32), ":")
	key := "sha256//" + strings.Repeat("Ab+/", 10) + "xyz="
	c := parseText(t, "c.yaml", "identities: [{name: a, host: h, tls_min: 1.3, tls_fingerprint: ['"+colons+"', 'SHA256:"+hex+"', '"+key+"']}]")
	id := c.Identities[0]
	if got, want := strings.Join(id.Fingerprints, " "), "sha256:"+hex+" sha256:"+hex+" "+key; got != want || id.TLSMin != "1.3" {
		t.Errorf("%s, %s, want %s", got, id.TLSMin, want)
	}
	checkRoundTrip(t, c)
	for _, test := range []struct{ setting, want string }{
		{"tls_fingerprint: " + hex[2:], "tls_fingerprint should have the 64 hexadecimal digits of a SHA-256"},
		{"tls_fingerprint: " + hex[24:], "tls_fingerprint is too short: SHA-1 and MD5 are not taken, a SHA-256 has 64 digits"},
		{"tls_fingerprint: " + canary, "tls_fingerprint should be the SHA-256 of a certificate in hexadecimal digits, or sha256// and that of its public key in base64"},
		{"tls_fingerprint: sha256//" + canary, "tls_fingerprint should have 44 characters of base64 behind sha256//"},
		{"tls_fingerprint: []", "tls_fingerprint should name a fingerprint"},
		{"tls_min: 1.4", "tls_min should be 1.2 or 1.3, or 1.0 or 1.1 for a host that knows no other"},
	} {
		checkYAMLError(t, "identities:\n- name: a\n  host: h\n  "+test.setting+"\n", "c.yaml:4: identities[0]."+test.want)
	}
	checkYAMLError(t, "identities:\n- name: a\n  host: h\n  ca_file: /ca\n  tls_fingerprint: "+hex+"\n",
		"c.yaml:5: identities[0] has both ca_file and tls_fingerprint")
}
