//go:build !linux

package inspect

import "context"

// homeRemarks would say what a file system lacks. How one is mounted is only known on Linux.
func homeRemarks(context.Context, string) []string { return nil }
