package identity_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/identity"
)

// The queue of users without a home is a directory for each, and is read from the system's file alone.
func TestQueueOfTheSystem(t *testing.T) {
	etc := t.TempDir()
	if err := os.Mkdir(filepath.Join(etc, "esmtpq"), 0o755); err != nil {
		t.Fatal(err)
	}
	for text, good := range map[string]bool{
		"/var/spool/esmtpq/%u": true, "/srv/%u-mail": true,
		"var/spool/%u": false, "/var/spool/%u/mail": false, "/var/spool": false, "/var/%u/%u": false, "/var/../%u": false, "/var/%h": false, "/var/%u/": false,
	} {
		file := filepath.Join(etc, "esmtpq/config.yaml")
		if err := os.WriteFile(file, []byte("queue: "+text+"\nidentities: [{name: a@example.org, host: h}]\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		cfg, err := identity.Load(identity.LoadOptions{System: true, Etc: etc, File: "/none", Getenv: func(string) string { return "/none" }})
		switch {
		case good && (err != nil || cfg.Queue != text):
			t.Errorf("%s: %v", text, err)
		case !good && (err == nil || !strings.Contains(err.Error(), "%u")):
			t.Errorf("%s is taken: %v", text, err)
		}
	}
}
