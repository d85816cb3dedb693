//go:build !linux

package helper

import "os"

// listed reports whether the processes of the machine can be listed.
func listed() bool { return false }

// processes returns all processes that we can see.
func processes() []proc { return nil }

func marked(int, string) bool { return false }

func serves(int) bool { return false }

// Marks returns the marks of all other processes that have one.
func Marks() map[string]bool { return nil }

// memoryFile returns a file in memory; nil if there is no such thing.
func memoryFile() *os.File { return nil }

// inputWaiting is the request for the number of octets that can be read.
const inputWaiting = 0x4004667f // FIONREAD of all BSDs and of macOS
