//go:build linux

// Once runs a command and prints what it took: nanoseconds by the clock, of user time and of
// system time, its peak memory in KiB, and its exit status. The command can have a root directory
// and a control group of its own. Once is a separate small program because the peak memory of a
// process includes that of the one that started it.
package main

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 6 {
		println("usage: once ROOT GROUP STDIN OUTPUT COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	if err := join(os.Args[2]); err != nil {
		println(err.Error())
		os.Exit(1)
	}
	line, err := once(os.Args[1], os.Args[3], os.Args[4], os.Args[5:])
	if err != nil {
		println(os.Args[5] + ": " + err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString(line)
}

// join puts this process, and so the command, into a control group; "" means none.
func join(group string) error {
	if group == "" {
		return nil
	}
	return os.WriteFile(group+"/cgroup.procs", []byte("0"), 0)
}

// once runs a command in a root directory; "" means the present one.
func once(root, in, out string, command []string) (string, error) {
	stdin, err := syscall.Open(in, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	output, err := syscall.Open(out, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_APPEND|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return "", err
	}
	attr := &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{uintptr(stdin), uintptr(output), uintptr(output)},
	}
	if root != "" {
		attr.Dir, attr.Sys = "/", &syscall.SysProcAttr{Chroot: root}
	}
	start := time.Now()
	pid, err := syscall.ForkExec(command[0], command, attr)
	if err != nil {
		return "", err
	}
	var status syscall.WaitStatus
	var used syscall.Rusage
	for {
		_, err = syscall.Wait4(pid, &status, 0, &used)
		if err != syscall.EINTR {
			break
		}
	}
	wall := time.Since(start)
	if err != nil {
		return "", err
	}
	code := int64(status.ExitStatus())
	if status.Signaled() {
		code = 128 + int64(status.Signal())
	}
	line := ""
	for _, n := range []int64{wall.Nanoseconds(), used.Utime.Nano(), used.Stime.Nano(), int64(used.Maxrss), code} {
		line += strconv.FormatInt(n, 10) + " "
	}
	return line + "\n", nil
}
