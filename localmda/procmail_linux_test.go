package localmda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"esmtpq/queue"
)

// seedLine is what generations of esmtprc files contain, unchanged.
const seedLine = "/usr/bin/formail -a \"Date: `date -R`\" | /usr/bin/procmail -d %T"

// seedLineTest, in the environment, makes the test binary deliver two messages by seedLine to the
// user it runs as, and print the mailbox: "hidden" with /var/mail hidden behind an empty
// directory, "bare" in the real one, where the mailbox must be empty or missing.
const seedLineTest = "LOCALMDA_TEST_SEED_LINE"

func TestMain(m *testing.M) {
	mode := os.Getenv(seedLineTest)
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := deliverBySeedLine(mode); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// procmail -d writes to the real mailbox of a real user, whatever HOME and MAIL say. So this
// happens in a mount namespace with an empty /var/mail of its own. Only in CI, where there is no
// namespace, is it the real one.
func TestSeedLine(t *testing.T) {
	needProcmail(t)
	mailbox, err := runSelf(t, "hidden", namespace())
	if refused(err) && os.Getenv("CI") == "true" {
		mailbox, err = runSelf(t, "bare", nil)
	}
	if refused(err) {
		t.Skipf("this machine gives us no mount namespace: %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, mailbox)
	}
	first, second, ok := strings.Cut(mailbox, "\n\nfirst\n\n")
	if !ok {
		t.Fatalf("not two messages in the mailbox:\n%s", mailbox)
	}
	for _, want := range []string{"From ", "Subject: one\n", "\nDate: "} {
		if !strings.Contains(first, want) {
			t.Errorf("the first message lacks %q:\n%s", want, first)
		}
	}
	if !strings.HasPrefix(second, "From ") || !strings.HasSuffix(second, "\nsecond\n>From here\n\n") ||
		strings.Count(second, "\nDate: ") != 1 || !strings.Contains(second, "\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n") {
		t.Errorf("the second message is not as sent:\n%s", second)
	}
}

// namespace returns the attributes of a process in a mount namespace of its own. Unless we are
// root, it is in a user namespace, too, which allows it to mount.
func namespace() *syscall.SysProcAttr {
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	}
	const capSysAdmin = 21
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
		AmbientCaps: []uintptr{capSysAdmin},
	}
}

// refused reports whether the system has refused a namespace, or a mount in it.
func refused(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) ||
		err != nil && strings.Contains(err.Error(), "mount: ")
}

// runSelf runs the test binary as deliverBySeedLine and returns what it printed.
func runSelf(t *testing.T, mode string, attr *syscall.SysProcAttr) (string, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(cmd.Environ(), seedLineTest+"="+mode)
	cmd.SysProcAttr = attr
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w %s", err, &stderr)
	}
	return string(stdout), err
}

// deliverBySeedLine is the other half of TestSeedLine.
func deliverBySeedLine(mode string) error {
	me, err := user.Current()
	if err != nil {
		return err
	}
	mailboxes, err := filepath.EvalSymlinks("/var/mail")
	if err != nil {
		return err
	}
	mailbox := filepath.Join(mailboxes, me.Username)
	if mode == "hidden" {
		err = hide(mailboxes, "/etc/procmailrc", filepath.Join(me.HomeDir, ".procmailrc"))
	} else if info, statErr := os.Lstat(mailbox); statErr == nil && info.Size() > 0 {
		err = fmt.Errorf("%s has mail and is not ours to touch", mailbox)
	} else {
		defer os.Truncate(mailbox, 0) // the directory may forbid its removal
	}
	if err != nil {
		return err
	}
	agent, err := New(seedLine, "")
	if err != nil {
		return err
	}
	agent.Queue = testQueue
	one, two := mail("A1", me.Username), mail("A2", me.Username)
	one.Content = &fakeContent{text: "Subject: one\n\nfirst\n"}
	two.Content = &fakeContent{text: "Subject: two\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n\nsecond\nFrom here\n"}
	src := &fakeSource{deliveries: []*queue.Delivery{one, two}}
	agent.Run(context.Background(), src)
	for _, r := range src.reports {
		if r.Action != queue.Delivered {
			return fmt.Errorf("%s: %s", describe(r), r.Text)
		}
	}
	got, err := os.ReadFile(mailbox)
	os.Stdout.Write(got)
	return err
}

// hide puts an empty directory over the mailboxes and empty files over those of rules
// that exist, for this process and its children.
func hide(mailboxes string, rules ...string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := syscall.Mount("tmpfs", mailboxes, "tmpfs", 0, "mode=1777"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	for _, rc := range rules {
		if err := syscall.Mount(os.DevNull, rc, "", syscall.MS_BIND, ""); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("mount: %w", err)
		}
	}
	return nil
}

func TestSeedLineUnknownUser(t *testing.T) {
	needProcmail(t)
	r := run(newAgent(t, seedLine), mail("A1", "no such user $(id)")).reports[0]
	if r.Action == queue.Delivered || !strings.Contains(r.Text, "no such user $(id)") {
		t.Errorf("%s: %s", describe(r), r.Text)
	}
}

func TestProcmailRules(t *testing.T) {
	needProcmail(t)
	dir := t.TempDir()
	rules, box := filepath.Join(dir, "rc"), filepath.Join(dir, "box")
	text := "DEFAULT=" + box + "\n:0\n* ^X-To: to joe$\n{ EXITCODE=75 HOST }\n:0\n* ^X-To: to ann$\n{ EXITCODE=67 HOST }\n"
	if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newAgent(t, `formail -A 'X-To: to %T' | procmail -m '`+rules+`'`)
	run(a, mail("A1", "bob", "joe", "ann")).expectLog(t, "next A1",
		"sending A1 bob", "done A1", "  bob delivered 2.0.0",
		"sending A1 joe", "done A1", "  joe delayed 4.3.0 recipient",
		"sending A1 ann", "done A1", "  ann failed 5.1.1 recipient")
	got, err := os.ReadFile(box)
	if err != nil || strings.Count(string(got), "\nSubject: x\n") != 1 || !strings.Contains(string(got), "\nX-To: to bob\n") {
		t.Errorf("mailbox: %v\n%s", err, got)
	}
}

// needProcmail skips the test where there is no procmail; in CI it fails.
func needProcmail(t *testing.T) {
	t.Helper()
	for _, program := range []string{"/usr/bin/formail", "/usr/bin/procmail"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}
