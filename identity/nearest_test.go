package identity

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{
		"hots": "host", "Host": "host", "hist": "host", "user": "", "usrname": "username", "pasword": "password",
		"passwrod_command": "password_command", "tsl": "tls", "x": "", "": "", "correcthorse": "", "hunter2xyzzy": "",
		"timeouts": "timeout", "senders": "sender", strings.Repeat("password", 9): "",
	} {
		if got := nearest(word, identityKeys); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// The lists of keys have every key that there is in a file with everything.
func TestKeysAreListed(t *testing.T) {
	root, err := readTree("c.yaml", []byte(fullYAML))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range root.Fields {
		if !slices.Contains(topKeys, f.Key) {
			t.Errorf("%s is not listed", f.Key)
		}
		for _, id := range f.Value.Items {
			for _, f := range id.Fields {
				if f.Key != "" && !slices.Contains(viaKeys, f.Key) && !slices.Contains(identityKeys, f.Key) && !slices.Contains(topKeys, f.Key) {
					t.Errorf("%s is not listed", f.Key)
				}
			}
		}
	}
}

// What is so with the usual file is said, and where there is more to read.
func TestNothingToRead(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, ".config/esmtpq/config.yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	load := func() (text string) {
		_, err := Load(LoadOptions{Home: home, Etc: filepath.Join(home, "etc"), Getenv: func(string) string { return "" }})
		var ce *ConfigError
		if !errors.As(err, &ce) {
			t.Fatal(err)
		}
		return ce.Error() + ": " + ce.Hint
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := load(); !strings.Contains(got, file+" is empty") || !strings.Contains(got, "man esmtpq.yaml") {
		t.Error(got)
	}
	os.Remove(file)
	if err := os.Symlink(filepath.Join(home, "nowhere"), file); err != nil {
		t.Fatal(err)
	}
	if got := load(); !strings.HasPrefix(got, file+": is a symbolic link to a file that is not there") || !strings.Contains(got, "man esmtpq.yaml") {
		t.Error(got)
	}
}

// A refused password is traced to the line that it is from.
func TestLoginCure(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "c.yaml")
	text := "identities:\n  - name: a@example.org\n    host: h\n    username: a\n    password: " + canary +
		"\n  - name: b@example.org\n    host: h\n    username: b\n    password_command: pass show " + canary + "\n  - name: c@example.org\n    host: h\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(LoadOptions{File: file})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"correct the password in " + file + ":5 for identity a@example.org, then type deliver",
		"correct the password_command in " + file + ":9 for identity b@example.org, then type deliver",
		"",
	} {
		if got := c.Identities[i].LoginCure(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// What helps where a host takes no password names the provider, where the host is one's.
func TestTokenCure(t *testing.T) {
	for _, c := range []struct {
		id   Identity
		want string
	}{
		{Identity{Name: "work", Host: "smtp.office365.com", Username: "ann"}, "set oauth: microsoft, run: esmtpq oauth login work, then type deliver"},
		{Identity{Name: "me", Host: "smtp-mail.outlook.com", Username: "ann"}, "set oauth: microsoft-personal, run: esmtpq oauth login me, then type deliver"},
		{Identity{Name: "me", Host: "SMTP.gmail.com", Username: "ann"}, "set oauth: google, run: esmtpq oauth login me, then type deliver"},
		{Identity{Name: "me", Host: "mx.example.org", Username: "ann"}, "set oauth as esmtpq.yaml(5) says, run: esmtpq oauth login me, then type deliver"},
		{Identity{Name: "me", Host: "smtp.gmail.com"}, ""},
		{Identity{Name: "me", Host: "smtp.gmail.com", Username: "ann", OAuth: &OAuth{}}, ""},
	} {
		if got := c.id.TokenCure(); got != c.want {
			t.Errorf("%s: %q, want %q", c.id.Host, got, c.want)
		}
	}
}
