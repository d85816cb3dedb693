package inspect

import (
	"strings"
	"testing"
)

// What a home is on is told of where it promises less, with what helps; what is as it should be is not.
func TestMountRemarks(t *testing.T) {
	open := t.TempDir() // 0755
	for _, c := range []struct {
		m    mount
		want string
	}{
		{mount{kind: "fuse.sshfs", source: "me@host.invalid:/home/me", point: "/no/such"}, "ServerAliveInterval=15"},
		{mount{kind: "fuse.cryfs", source: "cryfs@/base"}, "a sync is no promise"},
		{mount{kind: "fuse", source: "cryfs@/base"}, "a sync is no promise"},
		{mount{kind: "fuseblk", source: "/dev/loop0"}, "umask=077"},
		{mount{kind: "exfat", source: "/dev/loop0"}, "umask=077"},
		{mount{kind: "nfs4", options: "rw,local_lock=all"}, "deliver on one machine only"},
		{mount{kind: "nfs4", options: "rw,local_lock=none"}, ""},
		{mount{kind: "ext4", source: "/dev/loop0"}, ""},
		{mount{kind: "btrfs", source: "/dev/loop0"}, ""},
		{mount{kind: "fuse.gocryptfs", source: "/cipher"}, ""},
	} {
		if got := c.m.remark(t.Context(), open); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q", c.m, got)
		}
	}
	for dir, in := range map[string]bool{"/home/ann": true, "/home/ann/x": true, "/home/anna": false, "/home": false} {
		if got := (&mount{point: "/home/ann"}).below(dir); got != in {
			t.Errorf("%s: %v", dir, got)
		}
	}
}
