package inspect

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A mount is a line of /proc/self/mountinfo.
type mount struct {
	device, point, kind, source, options string
}

// mounts reads what is mounted.
func mounts() []mount {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var all []mount
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if len(f) < 6 || len(g) < 3 {
			continue
		}
		all = append(all, mount{f[2], unescaped(f[4]), g[0], unescaped(g[1]), f[5] + "," + g[2]})
	}
	return all
}

// unescaped undoes how the kernel writes blanks.
func unescaped(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// below reports whether a directory is that of a mount, or in it.
func (m *mount) below(dir string) bool {
	rest, ok := strings.CutPrefix(dir, strings.TrimSuffix(m.point, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// homeRemarks says what a file system lacks on which a directory is, and what helps.
func homeRemarks(ctx context.Context, dir string) []string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	all := mounts()
	at := -1
	for i := range all { // of two at one place, the later one is seen
		if all[i].below(dir) && (at < 0 || len(all[i].point) >= len(all[at].point)) {
			at = i
		}
	}
	if at < 0 {
		return nil
	}
	m := &all[at]
	var said []string
	if text := m.remark(ctx, dir); text != "" {
		said = append(said, dir+" is on "+m.kind+": "+text)
	}
	for _, other := range all {
		if strings.HasPrefix(m.kind, "fuse") && other.kind == m.kind && other.source == m.source && other.device != m.device && m.source != m.kind {
			said = append(said, fmt.Sprintf("%s and %s are two mounts of the same files, and locks of one are not seen in the other: "+
				"use one of them only, or mail goes out twice", m.point, other.point))
		}
	}
	return said
}

// remark says what a file system lacks.
func (m *mount) remark(ctx context.Context, dir string) string {
	switch kind := strings.TrimPrefix(m.kind, "fuse."); {
	case kind == "sshfs" && !m.limited(ctx):
		return "without time limits: while the server is silent, every call hangs in the kernel, and no program can end it: " +
			"mount it with -o reconnect,ServerAliveInterval=15,ServerAliveCountMax=3, or set these for the host in ~/.ssh/config"
	case kind == "cryfs" || strings.HasPrefix(m.source, "cryfs@"):
		return "a sync is no promise there: if cryfs is killed, mail of the last seconds is lost: have the home on another file system"
	case slices.Contains([]string{"fuseblk", "ntfs", "ntfs-3g", "ntfs3", "exfat", "exfat-fuse", "vfat", "msdos"}, kind):
		var st syscall.Stat_t
		if syscall.Stat(dir, &st) == nil && st.Mode&0o077 != 0 {
			return "others have access, and chmod changes nothing there: mount it with umask=077"
		}
	case strings.HasPrefix(kind, "nfs") && (strings.Contains(m.options, "nolock") || strings.Contains(m.options, "local_lock=flock") || strings.Contains(m.options, "local_lock=all")):
		return "locks are seen by this machine only: mount it without nolock and local_lock, or run deliver on one machine only"
	}
	return ""
}

// sshLimit bounds how long ssh may take to say what its settings are.
const sshLimit = 5 * time.Second

// limited reports whether sshfs gives up a server that is silent: its command line says so, or ssh's
// settings for the host do.
func (m *mount) limited(ctx context.Context) bool {
	const setting = "serveraliveinterval"
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range lines {
		line, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(line, []byte("sshfs")) || !bytes.Contains(line, []byte(m.point)) {
			continue
		}
		_, value, ok := strings.Cut(strings.ToLower(string(line)), setting)
		if ok && len(value) > 1 && value[1] != '0' {
			return true
		}
	}
	host, _, ok := strings.Cut(m.source, ":")
	if !ok || strings.HasPrefix(host, "-") {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, sshLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ssh", "-G", host).Output()
	_, value, ok := strings.Cut(string(out), "\n"+setting+" ")
	return err == nil && ok && !strings.HasPrefix(value, "0\n")
}
