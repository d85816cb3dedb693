package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"esmtpq/helper"
)

const (
	// keyringLimit is how long the keyring may take. It is long enough for a person to unlock it.
	keyringLimit = 60 * time.Second
	// maxStored is the longest secret that secret-tool stores whole. Of a longer one it stores the
	// beginning, and reports success.
	maxStored = 8191
)

// attributes are what the item of a password is found by, all of them each time: fewer can match
// another item.
func (k *Key) attributes() []string {
	return []string{"--", "application", "esmtpq", "host", k.Host, "user", k.User}
}

// set is the command that helps.
func (k *Key) set() string { return "run: esmtpq secret set " + quote(k.Identity) }

// quote returns a word as one types it in a shell.
func quote(s string) string {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-+,@%", r) {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}

// tool prepares a call of secret-tool.
func tool(args ...string) *helper.Command {
	return &helper.Command{Argv: append([]string{"secret-tool"}, args...), Env: []string{"LC_ALL=C.UTF-8"}}
}

// bus returns an error where there is no session bus. Without one, and with a display, secret-tool
// would start a bus of its own, which knows no passwords and stays.
func bus() error {
	if os.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return nil
	}
	for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/run/user/" + strconv.Itoa(os.Geteuid())} {
		if st, err := os.Stat(filepath.Join(dir, "bus")); dir != "" && err == nil && st.Mode()&os.ModeSocket != 0 {
			return nil
		}
	}
	return errors.New("there is no session bus to reach the keyring by: nobody is logged in at the desktop")
}

// Keyring returns the password that Store has stored in the keyring of the desktop.
func Keyring(ctx context.Context, k *Key) (string, error) {
	if err := bus(); err != nil {
		return "", err
	}
	out, words, ok, err := run(ctx, maxStored+2, tool(append([]string{"lookup"}, k.attributes()...)...))
	switch {
	case err != nil:
		return "", fmt.Errorf("the keyring cannot be asked: %w", err)
	case ok && out != "":
		return oneLine([]byte(out), "the password in the keyring")
	case words != "":
		return "", fmt.Errorf("the keyring cannot be asked: %s", lastLine(words))
	}
	return "", k.absent(ctx)
}

// absent says why a lookup has found nothing: secret-tool says the same nothing for a password that
// is locked and for one that is not there, and only a search tells them apart.
func (k *Key) absent(ctx context.Context) error {
	search := tool(append([]string{"search"}, k.attributes()...)...)
	_, words, _, err := run(ctx, maxStored, search)
	if err == nil && strings.Contains(words, "locked object") {
		return errors.New("the keyring is locked: unlock it at the desktop, or log in there")
	}
	return errors.New("the password is not in the keyring, or that is locked; " + k.set())
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	s = s[strings.LastIndexByte(s, '\n')+1:]
	return s[:min(len(s), 200)]
}

// Store stores a password in the keyring of the desktop, and reads it back.
func Store(ctx context.Context, k *Key, password string) error {
	if err := Valid(password); err != nil {
		return err
	}
	if err := bus(); err != nil {
		return err
	}
	store := tool(append([]string{"store", "--label=esmtpq: " + k.User + " at " + k.Host}, k.attributes()...)...)
	store.Stdin = strings.NewReader(password)
	_, words, ok, err := run(ctx, maxStored, store)
	switch {
	case err != nil:
		return fmt.Errorf("the keyring cannot be asked: %w", err)
	case !ok:
		return fmt.Errorf("the keyring does not take it: %s", lastLine(words))
	}
	got, err := Keyring(ctx, k)
	if err == nil && got != password {
		err = errors.New("the keyring gives back something else than it was given")
	}
	return err
}

// Available returns why nothing can be stored in the keyring; nil if that can be tried.
func Available() error {
	if _, err := exec.LookPath("secret-tool"); err != nil {
		return errors.New("the keyring is reached by secret-tool, which is not installed")
	}
	return bus()
}
