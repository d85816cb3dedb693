package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// firstScreen returns the commands of the README's first screen.
func firstScreen(t *testing.T) (commands []string) {
	t.Helper()
	readme := stage.Read(t, stage.Source(t, "README.md"))
	_, rest, _ := strings.Cut(readme, "\n```\n")
	block, _, _ := strings.Cut(rest, "\n```\n")
	if strings.Count(readme[:len(readme)-len(rest)], "\n") > 20 {
		t.Error("the first commands of the README are not on its first screen")
	}
	for line := range strings.Lines(block) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
		commands = append(commands, command)
	}
	return commands
}

// release makes a directory as an archive of a release has it, with the program and without its source.
func release(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("sh", "-c", `mkdir -p "$1" && cd "$2" && cp -R install.sh README.md LICENSE CHANGELOG.md contrib docs "$1" && cp "$3" "$1/esmtpq" &&
		chmod -R u=rwX,go=rX "$1"`, "sh", dir, stage.Source(t, ""), stage.Program(t, "esmtpq")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// follow types what the README's first screen says at a shell, and, where that prints a command in place of
// the next one, what it prints. It returns how long that took, from nothing to an accepted mail.
func follow(t *testing.T, w *world, shell *exec.Cmd, subject string) time.Duration {
	t.Helper()
	const example, address, next = " setup you@example.org", "nina@auto.test", "To send mail as an address from now on:\n    "
	commands := firstScreen(t)
	if len(commands) != 2 || !strings.HasSuffix(commands[1], example) {
		t.Fatalf("the README's first screen says %q", commands)
	}
	term := stage.AtTerminal(t, shell)
	began := time.Now()
	term.Type(commands[0])
	term.Await(t, example+"\n")
	_, rest, found := strings.Cut(term.Screen(), next)
	command, _, _ := strings.Cut(rest, "\n")
	if !found || !strings.HasSuffix(command, example) {
		t.Fatalf("what is next is not said:\n%s", term.Screen())
	}
	term.Type(strings.Replace(command, "you@example.org", address, 1))
	for _, one := range []turn{{"Is that right? [Y/n]", ""}, {"1, 2 or 3", "3"}, {"Password of " + address, stage.Password}, {"Send a test mail to " + address, "y"}} {
		term.Await(t, one.awaits)
		term.Type(one.types)
	}
	term.Await(t, "has accepted the test mail")
	took := time.Since(began)
	term.Type("printf 'Subject: " + subject + "\\n\\ntext\\n' | ~/bin/sendmail " + address + " && ~/bin/deliver")
	w.arrived(t, "Subject: "+subject)
	term.Type("exit")
	if code, screen := term.End(); code != 0 || strings.Contains(screen, "horse") || strings.Contains(screen, "not found") {
		t.Errorf("exit %d, screen:\n%s", code, screen)
	}
	return took
}

// From an archive to an accepted mail by the README's first screen, in a shell that has seen nothing of us.
func TestFirstScreen(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	home, dir := t.TempDir(), t.TempDir()
	release(t, dir)
	shell := exec.Command("/bin/sh")
	shell.Dir = dir
	shell.Env = []string{"HOME=" + home, "PATH=/usr/bin:/bin", "TERM=dumb", "SSL_CERT_FILE=" + w.authority}
	t.Logf("from nothing to an accepted mail: %v", follow(t, w, shell, "first screen").Round(time.Millisecond))
}

// The same for a new user of a Debian system with nothing in it: as they log in, with the packages' own
// shell and authorities.
func TestFirstScreenDebian(t *testing.T) {
	root := os.Getenv(rootVariable)
	if root == "" {
		t.Skip("-long makes a clean Debian system, as root")
	}
	w := theWorld(t)
	release(t, filepath.Join(root, "home/nina/esmtpq"))
	for from, to := range map[string]string{w.authority: "usr/local/share/ca-certificates/world.crt", "/etc/resolv.conf": "etc/resolv.conf"} {
		if err := os.WriteFile(filepath.Join(root, to), []byte(stage.Read(t, from)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("chroot", root, "sh", "-ec", `PATH=/usr/sbin:/usr/bin:/sbin:/bin
update-ca-certificates
useradd -d /home/nina -s /bin/bash nina
cp /etc/skel/.* /home/nina/ 2>/dev/null || true
chown -R nina: /home/nina`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	shell := exec.Command("chroot", root, "su", "-", "nina", "-c", "cd esmtpq; PS1='$ ' exec bash --norc -i")
	shell.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb"}
	took := follow(t, w, shell, "first screen of Debian")
	t.Logf("from nothing to an accepted mail: %v", took.Round(time.Millisecond))
	if took > time.Minute {
		t.Errorf("it took %v", took)
	}
}
