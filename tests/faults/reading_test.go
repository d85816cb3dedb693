//go:build linux && amd64

package faults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func renamedFile(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) {
	c.path, c.to = tr.pathAt(tid, r.Rdi, r.Rsi), tr.pathAt(tid, r.Rdx, r.R10)
}

func descriptorFile(tr *tracer, _ int, r *unix.PtraceRegs, c *sysCall) {
	c.path = tr.descriptor(int(r.Rdi))
}

func writtenFile(tr *tracer, tid int, r *unix.PtraceRegs, c *sysCall) {
	c.path = tr.descriptor(int(r.Rdi))
	if !tr.counts(c.path) {
		return
	}
	c.data = tr.memory(tid, r.Rsi, int(r.Rdx))
	c.offset = int64(r.R10)
	if r.Orig_rax == unix.SYS_WRITE {
		c.offset = tr.position(int(r.Rdi))
	}
}

// counts reports whether a file is one of those that matter.
func (tr *tracer) counts(path string) bool {
	return path == tr.root || strings.HasPrefix(path, tr.root+"/")
}

func inodeOf(path string) uint64 {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

// descriptor returns the path of an open file.
func (tr *tracer) descriptor(fd int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tr.pid, fd))
	if err != nil {
		return ""
	}
	return path
}

// position returns where the next write to an open file goes.
func (tr *tracer) position(fd int) int64 {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", tr.pid, fd))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(info), "\n")
	n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimPrefix(first, "pos:")), 10, 64)
	return n
}

// pathAt returns a path argument that may be relative to a directory.
func (tr *tracer) pathAt(tid int, dirfd, addr uint64) string {
	path := tr.text(tid, addr)
	if filepath.IsAbs(path) || int32(dirfd) == unix.AT_FDCWD {
		return path
	}
	return filepath.Join(tr.descriptor(int(int32(dirfd))), path)
}

// text reads a string argument.
func (tr *tracer) text(tid int, addr uint64) string {
	b := tr.memory(tid, addr, 4096)
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return string(b[:i])
	}
	return ""
}

// memory reads up to n octets of the program's memory, fewer if it ends.
func (tr *tracer) memory(tid int, addr uint64, n int) []byte {
	b := make([]byte, n)
	got := 0
	for got < n { // page by page, so that the end of a mapping cuts off nothing else
		size := min(n-got, 4096-int((addr+uint64(got))%4096))
		m, err := unix.ProcessVMReadv(tid, []unix.Iovec{{Base: &b[got], Len: uint64(size)}},
			[]unix.RemoteIovec{{Base: uintptr(addr) + uintptr(got), Len: size}}, 0)
		if err != nil || m == 0 {
			break
		}
		got += m
	}
	return b[:got]
}
