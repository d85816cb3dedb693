package setup

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// From nothing to an accepted mail in a system that has nothing else, not even a shell.
func TestCleanRoot(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	root := t.TempDir()
	put := func(name, from string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		in, err := os.Open(from)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		os.Remove(path)
		out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
		if err == nil {
			_, err = io.Copy(out, in)
			out.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("usr/bin/esmtpq", stage.Program(t, "esmtpq"), 0o755)
	put("etc/resolv.conf", os.Getenv(resolvVariable), 0o644)
	put("etc/ssl/certs/ca-certificates.crt", w.authority, 0o644)
	home := filepath.Join(root, "home/nina")
	for _, dir := range []string{home, filepath.Join(root, "tmp"), filepath.Join(root, "dev")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := os.Create(filepath.Join(root, "dev/null")); err == nil {
		f.Close() // a file does for what opens it
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := &exec.Cmd{Path: "/usr/bin/esmtpq", Args: append([]string{name}, args...), Dir: "/home/nina"}
		cmd.Env = []string{"HOME=/home/nina", "PATH=/usr/bin:/bin", "ESMTPQ_DELAY=never", "TERM=xterm"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		return cmd
	}
	began := time.Now()
	code, screen := talk(t, command("esmtpq", "setup", "nina@lone.test"),
		turn{"The host that takes mail from you", "smtp.auto.test"}, turn{"User name there", ""},
		turn{"1, 2 or 3", "3"}, turn{"Password of", stage.Password}, turn{"Send a test mail", ""})
	if code != 0 || !strings.Contains(screen, "has accepted the test mail") {
		t.Fatalf("exit %d, screen:\n%s", code, screen)
	}
	t.Logf("from nothing to an accepted mail: %v", time.Since(began).Round(time.Millisecond))
	w.arrived(t, "To: <nina@lone.test>")
	for _, one := range []struct {
		stdin string
		cmd   *exec.Cmd
	}{{"Subject: from a clean root\n\ntext\n", command("sendmail", "nina@lone.test")}, {"", command("deliver")}} {
		if r := stage.Finish(t, one.cmd, one.stdin); r.Code != 0 {
			t.Fatalf("%q: %+v", one.cmd.Args, r)
		}
	}
	w.arrived(t, "Subject: from a clean root")
}
