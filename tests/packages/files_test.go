package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// unpacked prepares a program that test.sh has unpacked.
func unpacked(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	root := stage.Debian(t, "usr/bin/"+name)
	cmd := exec.Command(filepath.Join(root, "usr/bin", name), args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+stage.UnpackedLibraries(root)+":"+root+"/usr/lib/nix", "HOME="+home,
		"NIX_STATE_DIR="+home+"/state", "NIX_STORE_DIR="+home+"/store", "NIX_CONF_DIR="+home)
	return cmd
}

// The formula is Ruby, and names the archive that was made with its checksum.
func TestFormula(t *testing.T) {
	dir := packages(t)
	made := one(t, dir, "esmtpq.rb")
	for _, file := range []string{made, stage.Source(t, "packaging/homebrew/esmtpq.rb")} {
		if out, err := unpacked(t, "ruby3.1", "--disable-gems", "-wc", file).CombinedOutput(); err != nil || string(out) != "Syntax OK\n" {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
	archive := one(t, dir, "esmtpq-1.2.3-linux-*.tar.gz")
	sum, _, _ := strings.Cut(output(t, "sha256sum", archive), " ")
	wants(t, stage.Read(t, made), `version "1.2.3"`, `homepage "https://example.org/esmtpq"`,
		"url \"https://example.org/esmtpq/"+filepath.Base(archive)+"\"\n      sha256 \""+sum+"\"\n")
}

// The files for Nix can be read, have the hash of the modules as they are, and what install.sh and contrib
// have.
func TestNix(t *testing.T) {
	for _, name := range []string{"flake.nix", "home-manager.nix", "package.nix"} {
		if out, err := unpacked(t, "nix-instantiate", "--parse", stage.Source(t, "packaging/nix/"+name)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	installs := stage.Read(t, stage.Source(t, "install.sh"))
	debug := regexp.MustCompile(`(?m)^debug=(.*)$`).FindStringSubmatch(installs)[1]
	description := stage.Read(t, stage.Source(t, "packaging/nix/package.nix"))
	wants(t, description, `"-X runtime.godebugDefault=`+debug+`"`)
	module := stage.Read(t, stage.Source(t, "packaging/nix/home-manager.nix"))
	for line := range strings.Lines(stage.Read(t, stage.Source(t, "contrib/systemd/esmtpq.service"))) {
		key, value, is := strings.Cut(strings.TrimSpace(line), "=")
		if !is || strings.HasPrefix(line, "#") || strings.HasPrefix(key, "Exec") {
			continue
		}
		if !strings.Contains(module, key+" = "+value+";") && !strings.Contains(module, key+` = "`+value+`";`) && !strings.Contains(module, key+` = [ "`+value+`" ];`) {
			t.Errorf("the unit of home-manager lacks %s", line)
		}
	}

	stage.NeedsCompiler(t)
	vendor := filepath.Join(t.TempDir(), "vendor")
	cmd := exec.Command("go", "mod", "vendor", "-o", vendor)
	cmd.Dir = stage.Source(t, "")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	hash, err := unpacked(t, "nix-hash", "--type", "sha256", "--base32", vendor).Output()
	if err != nil {
		t.Fatal(err)
	}
	sri, err := unpacked(t, "nix", "hash", "to-sri", "--extra-experimental-features", "nix-command", "--type", "sha256", strings.TrimSpace(string(hash))).Output()
	if err != nil {
		t.Fatal(err)
	}
	wants(t, description, `vendorHash = "`+strings.TrimSpace(string(sri))+`";`)
}
