// Package packages tests what packaging/make.sh makes: what is in the packages and, with -long, as
// root, what becomes of clean Debian systems in which they are installed, used and removed.
package packages

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"esmtpq/tests/stage"
)

// makeFrom makes the packages for this machine in a new directory, from a copy of the source that was
// written with the given umask, by way of another command, if one is given.
func makeFrom(t testing.TB, dir, umask string, around ...string) string {
	t.Helper()
	source, out := filepath.Join(dir, "source"), filepath.Join(dir, "out")
	copied := exec.Command("sh", "-c", `umask "$1" && mkdir -p "$2" &&
		tar --exclude=./.git -cf - . | tar -C "$2" --no-same-permissions -xf -`, "sh", umask, source)
	copied.Dir = stage.Source(t, ".")
	if text, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	args := slices.Concat(around, []string{"packaging/make.sh", "--native", "--version", "1.2.3", "--site", "https://example.org/esmtpq/", out})
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1767225600")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make.sh: %v\n%s", err, text)
	}
	return out
}

// made holds the packages for all tests; the first one makes them.
var made struct {
	sync.Once
	dir string
}

func packages(t testing.TB) string {
	t.Helper()
	stage.NeedsCompiler(t)
	stage.Needs(t, "bash", "gzip", "tar", "sha256sum")
	made.Do(func() {
		dir, err := os.MkdirTemp("", "esmtpq-packages-")
		if err != nil {
			t.Fatal(err)
		}
		made.dir = dir
		makeFrom(t, dir, "022")
	})
	if made.dir == "" {
		t.Fatal("the packages could not be made")
	}
	return filepath.Join(made.dir, "out")
}

func TestMain(m *testing.M) {
	code := stage.Main(m)
	if made.dir != "" {
		os.RemoveAll(made.dir)
	}
	os.Exit(code)
}

// one returns the only file in dir that matches.
func one(t testing.TB, dir, pattern string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(dir, pattern))
	if len(found) != 1 {
		t.Fatalf("%s is there %d times: %v", pattern, len(found), found)
	}
	return found[0]
}

func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	stage.Needs(t, name)
	text, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, text)
	}
	return string(text)
}

func wants(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line) {
			t.Errorf("%q is missing in\n%s", line, text)
		}
	}
}

// The octets depend on the source alone: not on the checkout's modes, the folder, the time zone or,
// where the test may set it, the machine's name.
func TestReproducible(t *testing.T) {
	first := packages(t)
	around := []string{"env", "TZ=Pacific/Auckland", "LC_ALL=C"}
	if os.Geteuid() == 0 {
		around = append(around, "unshare", "--uts", "sh", "-c", `hostname elsewhere && exec "$@"`, "sh")
	}
	second := makeFrom(t, t.TempDir(), "002", around...)
	stage.Same(t, stage.Read(t, filepath.Join(second, "SHA256SUMS")), stage.Read(t, filepath.Join(first, "SHA256SUMS")))
}

func TestChecksums(t *testing.T) {
	dir := packages(t)
	check := exec.Command("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	check.Dir = dir
	if text, err := check.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(stage.Read(t, filepath.Join(dir, "SHA256SUMS")), "\n"); lines != len(files)-1 {
		t.Errorf("%d checksums of %d files", lines, len(files)-1)
	}
}

func TestDebian(t *testing.T) {
	dir := packages(t)
	program, mta := one(t, dir, "esmtpq_1.2.3_*.deb"), one(t, dir, "esmtpq-mta_1.2.3_all.deb")
	stage.Needs(t, "lintian")
	output(t, "lintian", "--allow-root", "--fail-on", "error,warning", program, mta)
	for _, field := range []string{"Provides", "Conflicts", "Replaces"} {
		if got := strings.TrimSpace(output(t, "dpkg-deb", "-f", mta, field)); got != "mail-transport-agent" {
			t.Errorf("%s: %q", field, got)
		}
		if got := strings.TrimSpace(output(t, "dpkg-deb", "-f", program, field)); got != "" {
			t.Errorf("esmtpq beside another mail system: %s: %q", field, got)
		}
	}
	wants(t, output(t, "dpkg-deb", "-c", mta), "./usr/sbin/sendmail -> ../bin/esmtpq", "./usr/lib/sendmail -> ../bin/esmtpq",
		"./usr/bin/mailq -> esmtpq", "./usr/bin/newaliases -> esmtpq")
	root := t.TempDir()
	output(t, "dpkg-deb", "-x", program, root)
	wants(t, output(t, filepath.Join(root, "usr/bin/esmtpq"), "version"), "1.2.3")
	wants(t, output(t, filepath.Join(root, "usr/lib/esmtpq/sendmail"), "--help"), "Usage: sendmail")
	for _, scripts := range []string{program, mta} {
		wants(t, output(t, "dpkg-deb", "-I", scripts), "control", "md5sums")
		if strings.Contains(output(t, "dpkg-deb", "-I", scripts), "postinst") {
			t.Errorf("%s runs a script; nothing needs one", scripts)
		}
	}
}

func TestRPM(t *testing.T) {
	dir := packages(t)
	mta := one(t, dir, "esmtpq-mta-1.2.3-1.noarch.rpm")
	wants(t, output(t, "rpm", "-qp", "--provides", mta), "MTA", "/usr/sbin/sendmail")
	if strings.Contains(output(t, "rpm", "-qp", "--provides", mta), "mail-transport-agent") {
		t.Error("a word of Debian's")
	}
	wants(t, output(t, "rpm", "-qp", "--qf", `[%{FILEFLAGS:fflags} %{FILENAMES}\n]`, mta),
		"g /usr/sbin/sendmail\n", "g /usr/lib/sendmail\n", "g /usr/bin/mailq\n", "g /usr/bin/newaliases\n")
	wants(t, output(t, "rpm", "-qp", "--scripts", mta), "--install /usr/sbin/sendmail mta /usr/lib/esmtpq/sendmail")
	files := output(t, "rpm", "-qpl", one(t, dir, "esmtpq-1.2.3-1.*.rpm"))
	wants(t, files, "/usr/bin/esmtpq\n", "/usr/lib/esmtpq/sendmail\n", "/usr/share/man/man5/esmtpq.yaml.5.gz\n")
	if strings.Contains(files, "sbin") {
		t.Errorf("esmtpq beside another mail system has\n%s", files)
	}
}

// Arch has no /usr/sbin of its own: a package with a file there is not installed.
func TestArch(t *testing.T) {
	dir := packages(t)
	stage.Needs(t, "zstd")
	for _, pattern := range []string{"esmtpq-1.2.3-1-*.pkg.tar.zst", "esmtpq-mta-1.2.3-1-any.pkg.tar.zst"} {
		if files := output(t, "tar", "--zstd", "-tf", one(t, dir, pattern)); strings.Contains(files, "sbin/") {
			t.Errorf("%s has\n%s", pattern, files)
		}
	}
	mta := one(t, dir, "esmtpq-mta-1.2.3-1-any.pkg.tar.zst")
	wants(t, output(t, "tar", "--zstd", "-xOf", mta, ".PKGINFO"),
		"provides = smtp-forwarder", "conflict = smtp-forwarder")
	wants(t, output(t, "tar", "--zstd", "-tf", mta), "usr/bin/sendmail")
}

// apk counts a package whose link clashes as installed, without the link; so the others are named.
func TestAlpine(t *testing.T) {
	dir := packages(t)
	info := output(t, "tar", "-xzOf", one(t, dir, "esmtpq-mta_1.2.3_noarch.apk"), "--ignore-zeros", ".PKGINFO")
	wants(t, info, "depend = !postfix", "depend = !ssmtp", "depend = esmtpq")
}

// The archive is what install.sh takes where there is no Go.
func TestArchive(t *testing.T) {
	dir := packages(t)
	root := t.TempDir()
	output(t, "tar", "-C", root, "-xzf", one(t, dir, "esmtpq-1.2.3-*.tar.gz"))
	install := exec.Command(one(t, root, "esmtpq-1.2.3-*/install.sh"), "--prefix", filepath.Join(root, "home"))
	install.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + root}
	if text, err := install.CombinedOutput(); err != nil {
		t.Fatalf("install.sh without Go: %v\n%s", err, text)
	}
	wants(t, output(t, filepath.Join(root, "home/bin/esmtpq"), "version"), "1.2.3")
	wants(t, output(t, filepath.Join(root, "home/bin/mailq")), "Mail queue is empty")
}

// Every module that is linked into the program is in the bill, with its version.
func TestBillOfMaterials(t *testing.T) {
	dir := packages(t)
	var bill struct {
		Metadata   struct{ Component struct{ Version string } }
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal([]byte(stage.Read(t, one(t, dir, "*.cdx.json"))), &bill); err != nil {
		t.Fatal(err)
	}
	has := map[string]string{}
	for _, c := range bill.Components {
		has[c.Name] = c.Version
	}
	root := t.TempDir()
	output(t, "dpkg-deb", "-x", one(t, dir, "esmtpq_1.2.3_*.deb"), root)
	for line := range strings.Lines(output(t, "go", "version", "-m", filepath.Join(root, "usr/bin/esmtpq"))) {
		words := strings.Fields(line)
		if len(words) >= 3 && words[0] == "dep" && has[words[1]] != words[2] {
			t.Errorf("%s %s is linked, and the bill says %q", words[1], words[2], has[words[1]])
		}
	}
	if bill.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("the program is %q", bill.Metadata.Component.Version)
	}
}
