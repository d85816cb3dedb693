package secret

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// The text of a database that shows its entries to programs.
const keepassDatabase = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<KeePassFile>
 <Meta>
  <Generator>KeePassXC</Generator>
  <CustomData><Item><Key>FDO_SECRETS_EXPOSED_GROUP</Key><Value>{00112233-4455-6677-8899-aabbccddeeff}</Value></Item></CustomData>
 </Meta>
 <Root><Group><UUID>ABEiM0RVZneImaq7zN3u/w==</UUID><Name>Root</Name></Group></Root>
</KeePassFile>
`

// keepassSettings make KeePassXC the keyring; %v is whether a person has to confirm each access.
const keepassSettings = `[General]
ConfigVersion=2
[FdoSecrets]
Enabled=true
ConfirmAccessItem=%v
UnlockBeforeSearch=false
[Security]
LockDatabaseIdle=false
`

// keepassStart starts KeePassXC, in %[1]s below root %[2]s, and waits until it is the keyring of the bus, and
// open: while it opens its file, a question would make it ask a person. Where it does not get there, it is started again.
const keepassStart = `
set -e
libraries="$(echo %[2]s/usr/lib/*-linux-gnu*)"
export TMPDIR=%[1]s QT_QPA_PLATFORM=offscreen QT_PLUGIN_PATH="$libraries/qt5/plugins"
ask() { dbus-send --session --print-reply --reply-timeout=2000 "$@"; }
printf 'pw\npw\n' | LD_LIBRARY_PATH="$libraries" %[2]s/usr/bin/keepassxc-cli import -p %[1]s/db.xml %[1]s/mail.kdbx >/dev/null 2>&1
echo pw >%[1]s/pw
begin() {
	LD_LIBRARY_PATH="$libraries" %[2]s/usr/bin/keepassxc --config %[1]s/keepassxc.ini --localconfig %[1]s/local.ini --pw-stdin %[1]s/mail.kdbx <%[1]s/pw >%[1]s/log 2>&1 &
	echo $! >%[1]s/pid
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
		if ask --dest=org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets | grep -q "boolean true" &&
			ask --dest=org.freedesktop.secrets /org/freedesktop/secrets org.freedesktop.DBus.Properties.Get \
				string:org.freedesktop.Secret.Service string:Collections >%[1]s/all && collection=$(grep -o '/org/freedesktop/secrets/collection/[^"]*' %[1]s/all) &&
			ask --dest=org.freedesktop.secrets "$collection" org.freedesktop.DBus.Properties.Get \
				string:org.freedesktop.Secret.Collection string:Locked | grep -q "boolean false"; then
			return
		fi
		sleep .2
	done
	kill $!
	false
}
begin || begin || begin || { cat %[1]s/log; exit 1; }
unset TMPDIR QT_QPA_PLATFORM QT_PLUGIN_PATH
set +e
`

// startKeePassXC runs the rest of a test on a session bus whose keyring is KeePassXC.
func startKeePassXC(t *testing.T, confirm bool) bool {
	t.Helper()
	if os.Getenv("ESMTPQ_TEST_KEYRING") != "" {
		return true
	}
	stage.Needs(t, "dbus-run-session", "dbus-send", "secret-tool")
	root, dir := stage.Debian(t, "usr/bin/keepassxc"), t.TempDir()
	write(t, filepath.Join(dir, "db.xml"), keepassDatabase, 0o600)
	write(t, filepath.Join(dir, "keepassxc.ini"), fmt.Sprintf(keepassSettings, confirm), 0o600)
	t.Cleanup(func() {
		if pid, err := strconv.Atoi(strings.TrimSpace(stage.Read(t, filepath.Join(dir, "pid")))); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return inKeyring(t, fmt.Sprintf(keepassStart, dir, root))
}

// A password is kept in KeePassXC, too, where a person has allowed that for good.
func TestKeePassXC(t *testing.T) {
	if !startKeePassXC(t, false) {
		return
	}
	const password = "pä²ss with blanks "
	if err := Store(t.Context(), &key, password); err != nil {
		t.Error(err)
	}
	for range 2 {
		if got, err := Keyring(t.Context(), &key); got != password || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// Where a person has to confirm each access, a background run waits for a while, once.
func TestKeePassXCAsks(t *testing.T) {
	if !startKeePassXC(t, true) {
		return
	}
	k := key
	k.State = stateAt(t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := Store(ctx, &k, "s3cret"); err == nil || !strings.Contains(err.Error(), "did not answer in time") {
		t.Errorf("read back without a person: %v", err)
	}
	if got, err := Keyring(t.Context(), &k); got != "" || err == nil || !strings.Contains(err.Error(), "got no answer") {
		t.Errorf("%q, %v", got, err)
	}
}
