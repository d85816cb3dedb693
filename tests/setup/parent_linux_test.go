package setup

import "syscall"

// endsWithUs ends a server with the program that has started it.
func endsWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
