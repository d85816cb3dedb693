//go:build !linux

package setup

import "syscall"

// endsWithUs does nothing: these tests need namespaces.
func endsWithUs() *syscall.SysProcAttr { return nil }
