package identity

import (
	"errors"
	"strings"
	"testing"
)

// Addresses, and names of hosts and ports, are checked when the configuration is read. Later, one
// that is none would keep the mail waiting or fail it, in silence. Both formats say the same, with
// the line, and never show the value.
func TestValuesAreChecked(t *testing.T) {
	good := map[string][]string{
		"sender":         {"ann@example.org", "%u@example.org", "Ann <%u@example.org>", "ann@bücher.example"},
		"reverse_path":   {"ann@example.org", "%u+%%@example.org", `"a b"@example.org`, "ann@[192.0.2.1]"},
		"qualify_domain": {"example.org", "[192.0.2.1]", "bücher.example"},
		"helo":           {"laptop", "laptop.example.org", "[192.0.2.1]", "[IPv6:2001:db8::1]", "my_laptop"},
		"name":           {"ann@example.org", "work", "at work", "*@example.org", "ANN@example.org"},
		"match":          {"ann@example.org", "root", "*", "*@example.org", "*.example.org", "a?n@*", "*@bücher.example"},
		"tls_name":       {"example.org", "192.0.2.1", "2001:db8::1", "example.org."},
		"host":           {"h:25", "h:submission", "h:SMTPS", "127.0.0.1", "[::1]:465", "h.example.org."},
		"notify":         {"mail-popup --to ann@example.org", "/usr/bin/tell", "cat >>~/notices"},
		"preconnect":     {`echo "it's" '"' \' \"`, "true # don't", "cat <<E\nit's\nE", `printf $'it\'s'`, `echo "a\"b"`},
	}
	bad := map[string][]string{
		"sender":         {"Me At Work", "a@example.org, b@example.org", "bob@", "root", "Ann <root>", "<>"},
		"reverse_path":   {"zzz", "not an address", "<ann@example.org>", "ann@ex ample.org", "ann@example..org", "%", "%u", "<>", "@example.org", "ann@example.org."},
		"qualify_domain": {"example.org.", "@example.org", "example org", "example..org", ".example.org", "a@b"},
		"helo":           {"my laptop", "lap.top.", " ", "a@b", "<laptop>", "x y", ".x"},
		"name":           {"Ann <ann@example.org>", "Ann ann@example.org", "ann@example.org.", "@example.org", "ann@", "ann@example..org", "ann@example.org, bob@example.org"},
		"match":          {"Ann <ann@example.org>", "@example.org", "ann@", "*@", "*@example.org.", "at work", "a@b@c", "a@example.org, b@example.org", "*@example..org"},
		"tls_name":       {"an example", "example.org:25", "[::1]", "ann@example.org", "x/y"},
		"host":           {"h:nosuchservice", "a h", "ann@h", "h/x", ":25", "h:0", "h:", "http://h", `"h"`, "h..x"},
		"notify":         {"ann@example.org", "tell 'me", `tell "me`},
		"preconnect":     {"echo 'a", `echo "a\"`, `echo 'a\''`, "echo a#'b", `echo 'a' "b' c`},
		"postconnect":    {"echo 'a"},
	}
	good["timeout"], bad["timeout"] = []string{"1s", "2m"}, []string{"0s", "0", "-1s", "5"}
	keywords := map[string]string{
		"sender": "force sender", "reverse_path": "force reverse_path", "qualify_domain": "qualifydomain",
		"helo": "helo", "name": "identity", "host": "hostname",
	}
	check := func(key, value string, accept bool) {
		quoted := "'" + strings.ReplaceAll(value, "'", "''") + "'"
		files := map[string]string{"c.yaml": "identities:\n  - name: a@example.org\n    host: h\n    " + key + ": " + quoted + "\n"}
		switch {
		case key == "name" || key == "host":
			files["c.yaml"] = "identities:\n  -\n    default: true\n    " + key + ": " + quoted + "\n    " + map[string]string{"name": "host", "host": "name"}[key] + ": x\n"
		case key == "notify":
			files["c.yaml"] = "identities:\n  - name: a@example.org\n    host: h\n" + key + ": " + quoted + "\n"
		}
		if keyword := keywords[key]; keyword != "" {
			files["rc"] = "host x\n\n\n" + keyword + " = '" + value + "'\n"
		}
		for file, text := range files {
			_, err := parse(file, []byte(text), noHome)
			var ce *ConfigError
			switch {
			case accept && err != nil:
				t.Errorf("%s: %s %q: %v", file, key, value, err)
			case !accept && (!errors.As(err, &ce) || ce.File != file || ce.Line != 4):
				t.Errorf("%s: %s %q: %v, want an error in line 4", file, key, value, err)
			case !accept && len(value) > 2 && strings.Contains(err.Error(), value) && key != "notify" && !strings.Contains("ann@example.org *@example.org", value):
				t.Errorf("%s: %s: the value is shown: %v", file, key, err)
			}
		}
	}
	for key, values := range good {
		for _, value := range values {
			check(key, value, true)
		}
		for _, value := range bad[key] {
			check(key, value, false)
		}
	}
}

// A switch is spelled as the manual says, and is nothing else by mistake.
func TestSwitches(t *testing.T) {
	for _, value := range []string{"Yes", "TRUE", "y", "n", "1", "0", "enabled", "yes please", "''", "~", "[true]"} {
		for _, key := range []string{"default", "message_id"} {
			_, err := parse("c.yaml", []byte("identities:\n  - name: a@example.org\n    host: h\n    "+key+": "+value+"\n"), noHome)
			if err == nil || !strings.HasPrefix(err.Error(), "c.yaml:4: identities[0]."+key+" should be true or false") {
				t.Errorf("%s: %s: %v", key, value, err)
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

// What is wrong with a value is said together with what to write.
func TestValuesHaveACure(t *testing.T) {
	for line, cure := range map[string]string{
		"helo: laptop.example.org.":        "ends in a dot: write it without",
		"qualify_domain: example.org.":     "ends in a dot: write it without",
		"match: ann@example.org.":          "ends in a dot: write it without",
		"reverse_path: ann@example.org.":   "ends in a dot: write it without",
		"reverse_path: ann":                "has no domain: an address is needed, such as ann@example.org",
		"helo: my laptop":                  "such as laptop.example.org",
		"port: nosuchservice":              "neither a number nor a service in /etc/services: write the number, such as 587",
		"name: Ann <ann@example.org>":      "write the address alone, such as ann@example.org",
		"match: Ann <ann@example.org>":     "should be an address or pattern alone",
		"sender: Ann <ann@example.org>, x": "is not one address such as ann@example.org",
	} {
		text := "identities:\n  - " + line + "\n    host: h\n"
		if !strings.HasPrefix(line, "name: ") {
			text += "    name: a@example.org\n"
		}
		_, err := parse("c.yaml", []byte(text), noHome)
		if err == nil || !strings.HasPrefix(err.Error(), "c.yaml:2: identities[0].") || !strings.Contains(err.Error(), cure) {
			t.Errorf("%s: %v, want %q", line, err, cure)
		}
	}
}
