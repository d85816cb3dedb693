package identity

import (
	"errors"
	"strings"
	"testing"
)

// checkSilence checks that no error or warning about a file shows the canary in it.
func checkSilence(t *testing.T, c *Config, err error) {
	t.Helper()
	told := ""
	if err != nil {
		var ce *ConfigError
		if !errors.As(err, &ce) {
			t.Fatalf("not a ConfigError: %v", err)
		}
		told = err.Error() + ce.Hint
	} else {
		told = strings.Join(c.Warnings, "\n")
	}
	if strings.Contains(told, canary) {
		t.Errorf("shows a value: %s", told)
	}
}

// checkSound checks what every Config promises.
func checkSound(t *testing.T, c *Config) {
	t.Helper()
	names := map[string]bool{}
	for _, id := range c.Identities {
		if id.Name == "" || names[id.Name] || id.Command == "" && (id.Host == "" || badPort(id.Port) != "") || id.Default != (id == c.Default) {
			t.Errorf("unsound identity %+v", id)
		}
		names[id.Name] = true
		for _, s := range []string{id.Helo, id.Sender, id.ReversePath, id.QualifyDomain, id.Host} {
			if strings.ContainsAny(s, "\r\n\x00") {
				t.Errorf("line end in %+v", id)
			}
		}
	}
}

func FuzzEsmtprc(f *testing.F) {
	for _, text := range esmtprcSamples {
		f.Add(text, "")
	}
	f.Add("host=a pass=", " x\n")
	f.Add("pass=\"", "\"y")
	f.Add("helo = #", "\nhost 12")
	f.Fuzz(func(t *testing.T, before, after string) {
		c, err := parseEsmtprc("rc", []byte(before+canary+after))
		checkSilence(t, c, err)
		c, err = parseEsmtprc("rc", []byte(before+after))
		if err != nil {
			return
		}
		checkSound(t, c)
		checkRoundTrip(t, c)
	})
}

func FuzzYAML(f *testing.F) {
	f.Add(fullYAML, "")
	f.Add("identities: [{name: a, host: h, password: ", "}]")
	f.Add("identities:\n- name: a\n  host: h\n  password: *", "\n")
	f.Add("identities:\n- name: a@x\n  auth: [plain, login]\n  oauth:\n    provider: google\n    client_id: i\n    client_secret: *", "\n    scope: x\n")
	f.Add("identities:\n- name: a\n  host: h\n  username: u\n  oauth: https://", "\n")
	f.Add("identities: &a [*a]\n", "")
	f.Add("? [a]\n: !!binary ", "\n--- x\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		c, err := parseYAML("c.yaml", []byte(before+canary+after), annsHome)
		checkSilence(t, c, err)
		c, err = parseYAML("c.yaml", []byte(before+after), annsHome)
		if err != nil {
			return
		}
		checkSound(t, c)
		checkRoundTrip(t, c)
	})
}

func FuzzChoose(f *testing.F) {
	f.Add("*@example.com", "ann@example.com")
	f.Add("a?c", "@")
	f.Fuzz(func(t *testing.T, pattern, address string) {
		c := &Config{Identities: []*Identity{{Name: "a", Match: []string{pattern}}}}
		_, rule, err := c.Choose(address)
		if address != "" && pattern == address && (err != nil || rule.Kind != ByAddress) {
			t.Errorf("%q does not match itself", address)
		}
		if !glob("*", address) || !glob("*"+strings.ReplaceAll(address, "*", "?"), address) {
			t.Errorf("%q, %q", pattern, address)
		}
	})
}
