package secret

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stateAt keeps notes in a directory.
func stateAt(path string) func(create bool) (*os.File, error) {
	return func(create bool) (*os.File, error) {
		if create {
			os.Mkdir(path, 0o700)
		}
		return os.Open(path)
	}
}

// A keyring that has asked at the desktop and got no answer is not asked again by every run: not
// before an hour has passed, new mail has come, or a person asks.
func TestOnePrompt(t *testing.T) {
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	tool := func(script string) {
		write(t, filepath.Join(dir, "secret-tool"), "#!/bin/sh\necho >>"+asked+"\n"+script+"\n", 0o755)
	}
	times := func() int { text, _ := os.ReadFile(asked); return len(text) }
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	k := key
	again := false
	state := filepath.Join(dir, "state")
	note := filepath.Join(state, unansweredName)
	k.State, k.Again = stateAt(state), func(time.Time) bool { return again }
	lookup := func(want int, text string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		got, err := Keyring(ctx, &k)
		if n := times(); n != want {
			t.Errorf("asked %d times, want %d", n, want)
		}
		if text == "" && got != "s3cret" || text != "" && (err == nil || !strings.Contains(err.Error(), text)) {
			t.Errorf("%q, %v, want %s", got, err, text)
		}
	}
	tool("exec sleep 1000")
	lookup(1, "did not answer in time")
	lookup(1, "has asked at the desktop and got no answer: answer there, then type deliver")
	again = true
	lookup(2, "did not answer in time")
	again = false
	lookup(2, "got no answer")
	hourAgo := time.Now().Add(-promptPause - time.Second)
	if err := os.Chtimes(note, hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	lookup(3, "did not answer in time")
	other := k
	other.User = "bob"
	if _, err := Keyring(t.Context(), &other); !errors.Is(err, errUnanswered) {
		t.Errorf("another password: %v", err)
	}
	tool("echo s3cret")
	again = true
	lookup(4, "")
	again = false
	lookup(5, "")
	k.State = nil
	tool("exec sleep 1000")
	lookup(6, "did not answer in time")
	lookup(7, "did not answer in time")
}

// What goes to the keychain of macOS comes back, in lines that security -i reads as they were meant.
func TestKeychainLines(t *testing.T) {
	for _, password := range []string{"s3cret", `"q\uo"te`, "pä²ss", " ", strings.Repeat("l", 1500)} {
		k := Key{Host: `h"o\st`, User: `an"n`}
		line := k.addition(password)
		if len(line) > 4096 || strings.Contains(line, "s3cret") || strings.Count(line, "\n") != 1 {
			t.Errorf("%.100q, %d octets", line, len(line))
		}
		if !strings.Contains(line, `"esmtpq: h\"o\\st" "-a" "an\"n" "-w" "`) {
			t.Errorf("%.100q", line)
		}
		_, value, _ := strings.Cut(line, `"-w" "`)
		if got, err := unwrap(strings.TrimSuffix(value, "\"\n") + "\n"); got != password || err != nil {
			t.Errorf("%.20q: %v", got, err)
		}
	}
	for out, want := range map[string]string{"by hand\n": "by hand", wrapping + "7g\n": "", "\n": "", "a\nb\n": ""} {
		if got, err := unwrap(out); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", out, got, err)
		}
	}
	k := Key{Host: "h", User: "u", Proxy: true}
	if !strings.Contains(k.addition("x"), `"esmtpq proxy: h"`) || !strings.Contains(k.set(), "secret set --proxy") {
		t.Error(k.addition("x"))
	}
}
