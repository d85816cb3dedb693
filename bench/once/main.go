//go:build linux

// Once runs a command and prints what it took: nanoseconds by the clock, of user and of system time, its peak
// memory in KiB, and its exit status. It is a small program of its own because a process is said to have had
// at least the peak memory of the one that started it.
package main

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 4 {
		println("usage: once STDIN OUTPUT COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	line, err := once(os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		println(os.Args[3] + ": " + err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString(line)
}

func once(in, out string, command []string) (string, error) {
	stdin, err := syscall.Open(in, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	output, err := syscall.Open(out, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_APPEND|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return "", err
	}
	start := time.Now()
	pid, err := syscall.ForkExec(command[0], command, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{uintptr(stdin), uintptr(output), uintptr(output)},
	})
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
