package helper

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"esmtpq/helper/inherit"
)

// listed reports whether the processes of the machine can be listed.
func listed() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

// maxListings bounds how often processes lists those of a busy machine.
const maxListings = 8

// processes returns all processes that we can see. A list takes time: a process can have forked and died
// since the names were read, and then only the next list has its child.
func processes() []proc {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	var all []proc
	seen := make(map[string]bool)
	for range maxListings {
		fresh := false
		dir.Seek(0, 0)
		names, _ := dir.Readdirnames(-1)
		for _, name := range names {
			pid, err := strconv.Atoi(name)
			if err != nil || seen[name] {
				continue
			}
			seen[name], fresh = true, true
			if p, ok := readProc(pid); ok {
				all = append(all, p)
			}
		}
		if !fresh {
			break
		}
	}
	return all
}

// readProc reads what is known of a process (proc_pid_stat(5)).
func readProc(pid int) (proc, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return proc{}, false
	}
	// The name is in parentheses, and may contain parentheses and blanks.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return proc{}, false
	}
	state := fields[0]
	p := proc{pid: pid, start: fields[19], dead: state == "Z" || state == "X"}
	// T and t are stopped. D takes no signal: such a process waits for the disk, or in vfork for its child.
	p.still = state == "T" || state == "t" || state == "D"
	p.parent, _ = strconv.Atoi(fields[1])
	p.session, _ = strconv.Atoi(fields[3])
	return p, true
}

// marked reports whether a process was started with a mark.
func marked(pid int, mark string) bool {
	value, ok := markOf(pid)
	return ok && value == mark
}

// serves reports whether a process listens at a local socket, and so serves others: the master of a
// shared ssh connection, an agent of ssh or gpg.
func serves(pid int) bool {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	names, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	sockets := make(map[string]bool) // by inode
	for _, name := range names {
		link, _ := os.Readlink(dir + "/" + name.Name())
		if inode, ok := strings.CutPrefix(link, "socket:["); ok {
			sockets[strings.TrimSuffix(inode, "]")] = true
		}
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/net/unix")
	if err != nil || len(sockets) == 0 {
		return false
	}
	for line := range strings.Lines(string(b)) {
		const listening = "00010000" // __SO_ACCEPTCON
		if fields := strings.Fields(line); len(fields) > 6 && fields[3] == listening && sockets[fields[6]] {
			return true
		}
	}
	return false
}

// markOf returns the mark that a process was started with. The mark of a set-id program cannot be
// read; such a process is found by its session and its ancestry.
func markOf(pid int) (string, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return "", false
	}
	_, value, ok := bytes.Cut(append([]byte{0}, b...), []byte("\x00"+inherit.MarkName+"="))
	if !ok {
		return "", false
	}
	value, _, _ = bytes.Cut(value, []byte{0})
	return string(value), len(value) > 0
}

// Marks returns the marks of all other processes that have one.
func Marks() map[string]bool {
	marks := make(map[string]bool)
	for _, p := range processes() {
		if mark, ok := markOf(p.pid); ok && !p.dead && p.pid != os.Getpid() {
			marks[mark] = true
		}
	}
	return marks
}

// memoryFile returns a file in memory; nil if there is no such thing.
func memoryFile() *os.File {
	fd, err := unix.MemfdCreate("esmtpq-output", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err != nil {
		fd, err = unix.MemfdCreate("esmtpq-output", unix.MFD_CLOEXEC) // before Linux 6.3
	}
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "esmtpq-output")
}

// inputWaiting is the request for the number of octets that can be read (FIONREAD).
const inputWaiting = unix.TIOCINQ
