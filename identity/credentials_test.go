package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/helper"
)

func TestCredentials(t *testing.T) {
	t.Setenv("ESMTPQ_TEST_AGENT", "/run/agent")
	tests := []struct {
		name         string
		id           Identity
		password     string
		failure      string // what follows "password unavailable: identity work: "
		notInFailure string
	}{
		{"none", Identity{}, "", "", ""},
		{"static", Identity{Password: NewSecret("s3cret")}, "s3cret", "", ""},
		{"command", Identity{PasswordCommand: "echo s3cret"}, "s3cret", "", ""},
		{"no newline", Identity{PasswordCommand: "printf s3cret"}, "s3cret", "", ""},
		{"first line only", Identity{PasswordCommand: `printf 's3cret\nuser: ann\n'`}, "s3cret", "", ""},
		{"CRLF", Identity{PasswordCommand: `printf 's3cret\r\n'`}, "s3cret", "", ""},
		{"blanks are part of it", Identity{PasswordCommand: `printf ' a b \n'`}, " a b ", "", ""},
		{"environment", Identity{PasswordCommand: `echo "$ESMTPQ_TEST_AGENT"`}, "/run/agent", "", ""},
		{"nothing on stdin", Identity{PasswordCommand: "cat; echo s3cret"}, "s3cret", "", ""},
		{"remarks on success", Identity{PasswordCommand: "echo hm >&2; echo s3cret"}, "s3cret", "", ""},
		{"endless output", Identity{PasswordCommand: "yes s3cret | head -c 1000000"}, "s3cret", "", ""},
		{"failure", Identity{PasswordCommand: "exit 3"}, "", "the password command failed: exit status 3", ""},
		{"failure with a reason", Identity{PasswordCommand: `printf 'gpg: one\ngpg: decryption failed: No secret key\n\n' >&2; exit 2`}, "",
			"the password command failed: exit status 2: gpg: decryption failed: No secret key", "one"},
		{"failure after the password", Identity{PasswordCommand: "set -x; echo hunter2xyzzy; exit 1"}, "",
			"the password command failed: exit status 1: + exit 1", canary},
		{"the password in the reason", Identity{PasswordCommand: "echo hunter2xyzzy; echo bad hunter2xyzzy >&2; exit 1"}, "",
			"the password command failed: exit status 1: bad ********", canary},
		{"not found", Identity{PasswordCommand: "/nonexistent/pass"}, "", "the password command failed: exit status 127: ", ""},
		{"killed", Identity{PasswordCommand: "kill -9 $$"}, "", "the password command failed: ended by signal: killed", ""},
		{"nothing", Identity{PasswordCommand: "true"}, "", "the password command printed nothing", ""},
		{"an empty line", Identity{PasswordCommand: "echo; echo s3cret"}, "", "the password command printed nothing", "s3cret"},
		{"nothing, with a reason", Identity{PasswordCommand: "echo locked >&2"}, "", "the password command printed nothing: locked", ""},
		{"a long line", Identity{PasswordCommand: "yes | tr -d '\\n' | head -c 1000000"}, "", "the password command printed a line of 65536 octets or more", ""},
		{"NUL", Identity{PasswordCommand: `printf 'a\0b\n'`}, "", "the password command printed a NUL octet", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			id := test.id
			id.Name, id.Username, id.Run = "work", "ann", helper.Output
			user, password, err := id.Credentials(t.Context())
			if test.failure == "" {
				if err != nil || user != "ann" || password != test.password {
					t.Errorf("%q, %q, %v", user, password, err)
				}
				return
			}
			want := "password unavailable: identity work: " + test.failure
			if !errors.Is(err, ErrSecretUnavailable) || password != "" || !strings.HasPrefix(err.Error(), want) {
				t.Fatalf("%q, %v, want %s", password, err, want)
			}
			if test.notInFailure != "" && strings.Contains(err.Error(), test.notInFailure) {
				t.Errorf("%v", err)
			}
		})
	}
}

// The end of the time limit is distinguished from an interruption.
func TestCredentialsTooLate(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	id := Identity{Name: "work", Run: helper.Output, PasswordCommand: "echo asking >&2; sleep 1000"}
	_, _, err := id.Credentials(ctx)
	want := "password unavailable: identity work: the password command did not end in time and was stopped: asking"
	if !errors.Is(err, ErrSecretUnavailable) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// A token command is run like a password command, and once more for a token that was refused.
func TestTokenCommand(t *testing.T) {
	id := Identity{Name: "work", Username: "ann", Run: helper.Output, TokenCommand: "echo token$RANDOM$$; echo more"}
	user, first, err := id.Credentials(t.Context())
	_, second, again := id.Renewed(t.Context(), first)
	if user != "ann" || !strings.HasPrefix(first, "token") || err != nil || again != nil || second == first || !id.UsesToken() {
		t.Errorf("%q, %q, %q, %v, %v", user, first, second, err, again)
	}
	id.TokenCommand = "exit 3"
	_, _, err = id.Credentials(t.Context())
	if want := "access token unavailable: identity work: the token command failed: exit status 3"; !errors.Is(err, ErrSecretUnavailable) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestCredentialsWithoutARunner(t *testing.T) {
	id := Identity{Name: "work", PasswordCommand: "echo s3cret"}
	if _, password, err := id.Credentials(t.Context()); !errors.Is(err, ErrSecretUnavailable) || password != "" {
		t.Errorf("password %q, %v", password, err)
	}
}

// A command that does not end is killed with all its children.
func TestCredentialsCancelled(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	id := Identity{Name: "work", Run: helper.Output, PasswordCommand: "timeout 1000 sleep 1000 & echo $! >" + pidFile + ".new; mv " + pidFile + ".new " + pidFile + "; wait"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var child int
	go func() {
		defer cancel()
		for child == 0 {
			if b, err := os.ReadFile(pidFile); err == nil {
				fmt.Sscan(string(b), &child)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, _, err := id.Credentials(ctx)
	if !errors.Is(err, ErrSecretUnavailable) || !strings.Contains(err.Error(), "the password command was stopped") {
		t.Fatalf("got %v", err)
	}
	<-ctx.Done()
	// The child was killed; it may be a zombie until init collects it.
	for syscall.Kill(child, 0) == nil && !zombie(child) {
		time.Sleep(time.Millisecond)
	}
}

func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}

// An agent that the command leaves behind with the output open is neither waited for nor killed.
func TestCredentialsAgentLeftBehind(t *testing.T) {
	id := Identity{Name: "work", Run: helper.Output, PasswordCommand: "sleep 1000 & echo $!"}
	_, password, err := id.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	fmt.Sscan(password, &pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the agent is gone: %v", err)
	}
}

// A secret does not show, however it is printed.
func TestSecretDoesNotPrint(t *testing.T) {
	c := parseText(t, "c.yaml", "identities: [{name: a@x.example, host: h, password: "+canary+", certificate_passphrase: "+canary+"}]")
	type hidden struct {
		id     Identity
		secret Secret
	}
	values := []any{c, *c, c.Identities[0], *c.Identities[0], c.Identities[0].Password, &c.Identities[0].Password,
		hidden{*c.Identities[0], c.Identities[0].Password}, []Secret{NewSecret(canary)}, map[string]Secret{"x": NewSecret(canary)}}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, canary) || strings.Contains(s, fmt.Sprintf("%x", canary)) {
				t.Errorf("%s of %T: %s", verb, v, s)
			}
		}
		if b, _ := json.Marshal(v); strings.Contains(string(b), canary) {
			t.Errorf("JSON of %T: %s", v, b)
		}
	}
	s := NewSecret(canary)
	if s.Reveal() != canary || s.String() != Mask || !s.IsSet() || (Secret{}).IsSet() || (Secret{}).String() != "" || (Secret{}).Reveal() != "" {
		t.Error("Reveal, String, IsSet do not agree")
	}
}

// The command is run in the home directory, wherever the delivery is.
func TestCredentialsInHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.WriteFile(filepath.Join(home, "secret"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := Identity{Name: "work", Username: "ann", Run: helper.Output, PasswordCommand: "cat secret"}
	if _, password, err := id.Credentials(context.Background()); err != nil || password != "s3cret" {
		t.Errorf("password %q, %v", password, err)
	}
}
