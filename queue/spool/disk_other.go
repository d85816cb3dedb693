//go:build !linux

package spool

// What matters of a file system is only known on Linux.

func (q *Queue) copiesOnWrite() bool { return false }
func (q *Queue) syncsInTurn() bool   { return false }
func (q *Queue) overwriteInPlace()   {}

func (q *Queue) recordsByMemory() bool { return false }
