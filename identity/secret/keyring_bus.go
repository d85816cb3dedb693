//go:build !darwin

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

	"esmtpq/helper"
)

// maxStored is the longest secret that secret-tool stores whole. Of a longer one it stores the
// beginning, and reports success.
const maxStored = 8191

// attributes are what the item of a password is found by, all of them each time: fewer can match
// another item.
func (k *Key) attributes() []string {
	application := "esmtpq"
	if k.Proxy {
		application = "esmtpq-proxy"
	}
	return []string{"--", "application", application, "host", k.Host, "user", k.User}
}

// tool prepares a call of secret-tool.
func tool(args ...string) *helper.Command {
	return &helper.Command{Argv: append([]string{"secret-tool"}, args...), Env: []string{"LC_ALL=C.UTF-8"}}
}

// available returns an error where there is no session bus. Without one, and with a display, secret-tool
// would start a bus of its own, which knows no passwords and stays.
func available() error {
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

// Available returns why nothing can be stored in the keyring; nil if that can be tried.
func Available() error {
	if _, err := exec.LookPath("secret-tool"); err != nil {
		return errors.New("the keyring is reached by secret-tool, which is not installed")
	}
	return available()
}

// lookup asks the keyring for the password.
func (k *Key) lookup(ctx context.Context) (string, error) {
	out, words, ok, err := run(ctx, maxStored+2, tool(append([]string{"lookup"}, k.attributes()...)...))
	switch {
	case err != nil:
		return "", unasked(err)
	case ok && out != "":
		return oneLine([]byte(out), "the password in the keyring")
	case words != "":
		return "", unasked(errors.New(lastLine(words)))
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

// store puts the password into the keyring.
func (k *Key) store(ctx context.Context, password string) error {
	store := tool(append([]string{"store", "--label=esmtpq: " + k.User + " at " + k.Host}, k.attributes()...)...)
	store.Stdin = strings.NewReader(password)
	_, words, ok, err := run(ctx, maxStored, store)
	switch {
	case err != nil:
		return unasked(err)
	case !ok:
		return fmt.Errorf("the keyring does not take it: %s", lastLine(words))
	}
	return nil
}
