//go:build linux

package homes

import (
	"os"
	"os/exec"
	"testing"

	"esmtpq/tests/stage"
)

// check names what a home promises less than others.
func TestCheckNamesTheHome(t *testing.T) {
	for name, c := range map[string]struct {
		mount func(t *testing.T) string
		want  string
	}{
		"sshfs without time limits": {fuses["sshfs"], "ServerAliveInterval=15"},
		"sshfs with them": {func(t *testing.T) string {
			f, _, _ := newSSHFS(t, ",ServerAliveInterval=5,reconnect")
			return f.dir
		}, ""},
		"two mounts": {func(t *testing.T) string {
			far := t.TempDir()
			newFuse(t, "bindfs", "-f", far, "{}")
			return newFuse(t, "bindfs", "-f", far, "{}").dir
		}, "use one of them only"},
		"one mount": {fuses["bindfs"], ""},
	} {
		t.Run(name, func(t *testing.T) {
			namespace(t)
			p := newPerson(t, c.mount(t), newHost(t))
			if c.want == "" {
				says(t, p.Try("", "esmtpq", "check"), 0)
				return
			}
			says(t, p.Try("", "esmtpq", "check"), 65, c.want)
		})
	}
}

// A queue that cannot take a record is a fault.
func TestCheckOnAFullDisk(t *testing.T) {
	namespace(t)
	d := newDisk(t, "btrfs", "256M")
	run(t, "btrfs", "subvolume", "create", d.dir+"/sub")
	p := newPerson(t, d.dir+"/sub", newHost(t))
	submit(p, letter, "a@example.net")
	says(t, p.Try("", "esmtpq", "check"), 0)
	snapshot(t, d.dir+"/sub")
	fill(t, d.dir)
	says(t, p.Try("", "esmtpq", "check"), 78, "no space left on device", "free some space")
}

// A home that others can write to is told of once, and refused for root.
func TestHomeThatOthersWriteTo(t *testing.T) {
	h := newHost(t)
	p := newPerson(t, t.TempDir(), h)
	submit(p, letter, "a@example.net")
	if err := os.Chmod(p.Home, 0o775); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		for _, cmd := range []*exec.Cmd{p.Command("sendmail", "-i", "b@example.net"), p.Command("mailq"), p.Command("deliver")} {
			says(t, stage.Finish(t, cmd, letter), 73, "others can write to it", "chmod go-w")
		}
		arrived(t, h, 0)
		return
	}
	says(t, p.Try("", "esmtpq", "check"), 65, "others can write to this directory", "chmod go-w")
	says(t, p.Try("", "deliver"), 0, "others can write to this directory", "chmod go-w")
	arrived(t, h, 1)
	submit(p, letter, "a@example.net")
	if r := p.Try("", "deliver"); r.Code != 0 || r.Stderr != "" {
		t.Errorf("told again: %+v", r)
	}
	says(t, p.Try("", "esmtpq", "check"), 65, "others can write to this directory")
}
