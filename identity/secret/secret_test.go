package secret

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

var key = Key{Host: "smtp.example.org", Port: "587", User: "ann", Identity: "work"}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// The forms of netrc, and what belongs to another login.
func TestNetrc(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"plain", "machine smtp.example.org login ann password s3cret\n", "s3cret"},
		{"on lines", "machine smtp.example.org\n\tlogin ann\n\tpassword s3cret", "s3cret"},
		{"any order", "machine smtp.example.org password s3cret login ann", "s3cret"},
		{"case of the host", "machine SMTP.example.ORG login ann password s3cret", "s3cret"},
		{"with a port", "machine smtp.example.org login ann port 587 password s3cret", "s3cret"},
		{"by service", "machine smtp.example.org login ann port submission password s3cret", "s3cret"},
		{"host and port", "machine smtp.example.org:587 login ann password s3cret", "s3cret"},
		{"another port", "machine smtp.example.org login ann port imaps password no", ""},
		{"another user", "machine smtp.example.org login bob password no", ""},
		{"another host", "machine imap.example.org login ann password no", ""},
		{"the second", "machine imap.example.org login ann password no\nmachine smtp.example.org login ann password s3cret", "s3cret"},
		{"without a user", "machine smtp.example.org password s3cret", "s3cret"},
		{"the user counts more", "machine smtp.example.org password no\nmachine smtp.example.org login ann password s3cret", "s3cret"},
		{"default", "default login ann password s3cret", "s3cret"},
		{"quotes", `machine smtp.example.org login "ann" password "s3 \"cret\\"`, `s3 "cret\`},
		{"comments", "# machine smtp.example.org login ann password no\nmachine smtp.example.org login ann password s3cret # no", "s3cret"},
		{"a hash", "machine smtp.example.org login ann password #s3cret", "#s3cret"},
		{"key words as values", "machine smtp.example.org login ann password password", "password"},
		{"a macro", "macdef init\nmachine smtp.example.org login ann password no\n\nmachine smtp.example.org login ann password s3cret", "s3cret"},
		{"nothing", "", ""}, {"cut off", "machine smtp.example.org login ann password", ""}, {"no machine", "login ann password no", ""},
	} {
		k := key
		k.Home = t.TempDir()
		write(t, filepath.Join(k.Home, ".netrc"), c.text, 0o600)
		got, err := Netrc(t.Context(), &k)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// Which file counts, and what is wrong with one.
func TestNetrcFiles(t *testing.T) {
	k := key
	k.Home = t.TempDir()
	path := func(name string) string { return filepath.Join(k.Home, name) }
	fails := func(want string) {
		t.Helper()
		if got, err := Netrc(t.Context(), &k); got != "" || err == nil || err.Error() != strings.ReplaceAll(want, "HOME", k.Home) {
			t.Errorf("%q, %v, want %s", got, err, want)
		}
	}
	fails("there is no password: set password_command, password_keyring or password, or write ~/.netrc")
	write(t, path(".netrc"), "machine x login ann password no", 0o600)
	fails("there is no password: ~/.netrc has none for ann at smtp.example.org")
	write(t, path(".netrc"), "machine smtp.example.org login ann password no", 0o644)
	fails("~/.netrc: it holds passwords, and other users can read it; type: chmod 600 HOME/.netrc")
	write(t, path(".authinfo"), "machine smtp.example.org login ann password first", 0o600)
	if got, err := Netrc(t.Context(), &k); got != "first" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	os.Remove(path(".authinfo"))
	os.Mkdir(path(".authinfo"), 0o700)
	fails("~/.authinfo: it is no regular file")
}

// A file that gpg decrypts without asking, and one that it cannot.
func TestEncryptedAuthinfo(t *testing.T) {
	stage.Needs(t, "gpg", "gpgconf")
	home, err := os.MkdirTemp("", "gpg") // a short name, for the sockets of the agent
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	t.Setenv("HOME", home)
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
	gpg := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("gpg", append([]string{"--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	gpg("--quick-generate-key", "ann@example.org", "default", "default", "never")
	write(t, filepath.Join(home, "plain"), strings.Repeat("# padding\n", 2000)+"machine smtp.example.org login ann password s3cret\n", 0o600)
	gpg("--trust-model", "always", "--encrypt", "--recipient", "ann@example.org", "--output", filepath.Join(home, ".authinfo.gpg"), filepath.Join(home, "plain"))
	k := key
	k.Home = home
	if got, err := Netrc(t.Context(), &k); got != "s3cret" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	write(t, filepath.Join(home, ".authinfo.gpg"), "garbage", 0o600)
	if got, err := Netrc(t.Context(), &k); got != "" || err == nil || !strings.HasPrefix(err.Error(), "~/.authinfo.gpg: gpg could not decrypt it") {
		t.Errorf("%q, %v", got, err)
	}
}

// A credential of systemd, and what is none.
func TestCredential(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "mail"), "s3cret\n", 0o400)
	write(t, filepath.Join(dir, "empty"), "\n", 0o400)
	write(t, filepath.Join(dir, "lines"), "a\nb\n", 0o400)
	for _, c := range []struct{ dir, name, want, fails string }{
		{dir, "mail", "s3cret", ""},
		{dir, "empty", "", "the credential empty is empty"},
		{dir, "lines", "", "the credential lines has more than one line, or a NUL octet"},
		{dir, "none", "", "the credential none cannot be read: no such file or directory"},
		{dir, "../mail", "", "password_credential is no name of a credential"},
		{"", "mail", "", "there are no credentials of systemd here: the unit that delivers has to have LoadCredential=mail:FILE"},
	} {
		got, err := Credential(c.dir, c.name)
		if got != c.want || err == nil != (c.fails == "") || err != nil && err.Error() != c.fails {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// inKeyring runs this test program once more on a session bus of its own, with gnome-keyring on it.
func inKeyring(t *testing.T, prepare string) bool {
	t.Helper()
	if os.Getenv("ESMTPQ_TEST_KEYRING") != "" {
		return true
	}
	stage.Needs(t, "dbus-run-session", "gnome-keyring-daemon", "secret-tool")
	home, err := os.MkdirTemp("", "ring")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dbus-run-session", "--", "sh", "-c", prepare+"\n"+`exec "$0" -test.run "^$1\$" -test.v`, os.Args[0], t.Name())
	cmd.Env = []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PATH=" + os.Getenv("PATH"), "ESMTPQ_TEST_KEYRING=1", "LANG=C.UTF-8"}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// unlock starts gnome-keyring with a keyring that is open.
const unlock = `echo | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1`

// lockKeyring locks it, as the end of a session does.
func lockKeyring(t *testing.T) {
	t.Helper()
	out, err := exec.Command("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets",
		"org.freedesktop.Secret.Service.Lock", "array:objpath:/org/freedesktop/secrets/collection/login").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// What is stored in a real keyring comes back as it was, and for nobody else. Locked and absent are
// told apart.
func TestKeyring(t *testing.T) {
	if !inKeyring(t, unlock) {
		return
	}
	ctx := t.Context()
	fails := func(k Key, want string) {
		t.Helper()
		if got, err := Keyring(ctx, &k); got != "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q, %v, want %s", got, err, want)
		}
	}
	fails(key, "the password is not in the keyring, or that is locked; run: esmtpq secret set work")
	for _, password := range []string{"s3cret", "pä²ss with blanks ", "-n", "'\"$(x)\\", strings.Repeat("l", maxStored)} {
		if err := Store(ctx, &key, password); err != nil {
			t.Errorf("%.20q: %v", password, err)
		}
		if got, err := Keyring(ctx, &key); got != password || err != nil {
			t.Errorf("%.20q, not %.20q: %v", got, password, err)
		}
	}
	other := key
	other.User = "bob"
	fails(other, "the password is not in the keyring")
	other.Host, other.User = "it's; other", "-x"
	if err := Store(ctx, &other, "another"); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "a\nb", "\xff", "\x00", strings.Repeat("l", maxStored+1)} {
		if err := Store(ctx, &key, bad); err == nil {
			t.Errorf("%.20q is stored", bad)
		}
	}
	lockKeyring(t)
	fails(key, "the keyring is locked: unlock it at the desktop")
	if err := Store(ctx, &key, "s3cret"); err == nil || !strings.Contains(err.Error(), "the keyring does not take it") {
		t.Error(err)
	}
}

// A bus on which nobody keeps secrets.
func TestNoKeyring(t *testing.T) {
	if !inKeyring(t, "export XDG_DATA_DIRS=/dev/null/absent XDG_DATA_HOME=/dev/null/absent") {
		return
	}
	if got, err := Keyring(t.Context(), &key); got != "" || err == nil {
		t.Errorf("%q, %v", got, err)
	}
}

// Without a session bus secret-tool is not even started: it would start a bus of its own.
func TestNoBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if _, err := os.Stat("/run/user/0/bus"); err == nil && os.Geteuid() == 0 {
		t.Skip("root is logged in at a desktop")
	}
	t.Setenv("PATH", t.TempDir())
	if got, err := Keyring(t.Context(), &key); got != "" || err == nil || !strings.HasPrefix(err.Error(), "there is no session bus") {
		t.Errorf("%q, %v", got, err)
	}
}

// A keyring that keeps a part of a password and reports success is found out.
func TestKeyringKeepsAPart(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret-tool"), `#!/bin/sh
case $1 in
store) head -c 3 >`+dir+`/kept ;;
lookup) cat `+dir+`/kept ;;
esac
`, 0o755)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	if err := Store(t.Context(), &key, "s3cret"); err == nil || err.Error() != "the keyring gives back something else than it was given" {
		t.Error(err)
	}
}

// A keyring that does not answer is given up in time, and its program is ended.
func TestSilentKeyring(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret-tool"), "#!/bin/sh\necho $$ >"+dir+"/pid\nexec sleep 1000\n", 0o755)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if got, err := Keyring(ctx, &key); got != "" || err == nil || !strings.HasPrefix(err.Error(), "the keyring cannot be asked: it did not answer in time") {
		t.Errorf("%q, %v", got, err)
	}
	pid, _ := os.ReadFile(filepath.Join(dir, "pid"))
	if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid))); err == nil || len(pid) == 0 {
		t.Errorf("%s still runs", pid)
	}
}
