package identity

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Forced addresses are checked when the configuration is read. Later, one that is no address
// would keep the mail waiting or fail it, in silence.
func TestForcedAddresses(t *testing.T) {
	for _, test := range []struct {
		setting, value string
		want           string // in the error; "" for none
	}{
		{"sender", "ann@example.org", ""},
		{"sender", "%u@example.org", ""},
		{"sender", "Ann <%u@example.org>", ""},
		{"sender", "Me At Work", "is not one address"},
		{"sender", "a@example.org, b@example.org", "is not one address"},
		{"sender", "bob@", "is not one address"},
		{"reverse_path", "ann@example.org", ""},
		{"reverse_path", "%u", ""},
		{"reverse_path", "%u+%%@example.org", ""},
		{"reverse_path", "not an address", "is no address"},
		{"reverse_path", "<ann@example.org>", "is no address"},
		{"reverse_path", "ann@ex ample.org", "is no address"},
		{"reverse_path", "ann@example..org", "is no address"},
		{"reverse_path", "%", "is no address"},
		{"qualify_domain", "example.org", ""},
		{"qualify_domain", "[192.0.2.1]", ""},
		{"qualify_domain", "@example.org", "is no domain"},
		{"qualify_domain", "example org", "is no domain"},
	} {
		keyword := map[string]string{"sender": "force sender", "reverse_path": "force reverse_path", "qualify_domain": "qualifydomain"}[test.setting]
		for file, text := range map[string]string{
			"c.yaml": fmt.Sprintf("identities:\n  - name: a@example.org\n    host: h\n    %s: '%s'\n", test.setting, test.value),
			"rc":     fmt.Sprintf("identity a@example.org\n\n  host h\n%s = '%s'\n", keyword, test.value),
		} {
			_, err := parse(file, []byte(text), noHome)
			if test.want == "" {
				if err != nil {
					t.Errorf("%s: %s %q: %v", file, test.setting, test.value, err)
				}
				continue
			}
			var ce *ConfigError
			if !errors.As(err, &ce) || ce.File != file || ce.Line != 4 || !strings.Contains(ce.Text, test.want) || strings.Contains(ce.Text, test.value) {
				t.Errorf("%s: %s %q: %v, want line 4 and %q, and the value not quoted", file, test.setting, test.value, err, test.want)
			}
		}
	}
}

// A login name can spoil a forced address that was good as it was written.
func TestForcedAddressesWithLogin(t *testing.T) {
	c := parseText(t, "rc", "identity a@example.org host h force reverse_path '%u@example.org' force sender 'Ann <%u@example.org>'\n"+
		"identity b@example.org host h force reverse_path b@example.org")
	for login, want := range map[string]string{
		"ann": "", "a.b": "", `DOMAIN\ann`: "reverse_path of identity a@example.org: with the login name for %u it is no address",
	} {
		err := c.CheckForced(c.Identities[0], login)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", login, err)
		}
		if err := c.CheckForced(c.Identities[1], login); err != nil {
			t.Errorf("%s: %v", login, err)
		}
	}
}
