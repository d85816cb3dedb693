//go:build linux

package main

// peers returns the mail programs that are installed on this machine.
func (b *bench) peers() []*program { return nil }
