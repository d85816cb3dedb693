package spool

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"

	"esmtpq/message"
)

// Some hosts give mail a Message-ID of their own. What it has become is remembered, so that the mail that
// answers it can say so. A line of the file has the time, the ID as submitted, and that of the host.
const (
	renamedFile = ".renamed"
	maxRenamed  = 1000 // lines; a thread is seldom longer than its series
	keepRenamed = 90 * 24 * time.Hour
)

// A Renaming is the Message-ID of a mail, as submitted and as its host has it.
type Renaming struct {
	Time     time.Time
	Old, New string // with their angle brackets
}

// Renamings are those that are known, the oldest first.
type Renamings []Renaming

// Of returns what an ID has become, "" if that is not known.
func (all Renamings) Of(id string) string {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Old == id {
			return all[i].New
		}
	}
	return ""
}

// Renamings reads what is known. It is hostile input.
func (q *Queue) Renamings() (all Renamings) {
	f, err := q.OpenCache(renamedFile)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRenamed*(2*message.MaxMessageID+30)))
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(b) {
		words := strings.Fields(string(line))
		if len(words) != 3 || !message.ValidMessageID(words[1]) || !message.ValidMessageID(words[2]) {
			continue
		}
		if seconds, err := strconv.ParseInt(words[0], 10, 64); err == nil {
			all = append(all, Renaming{timeOf(seconds), words[1], words[2]})
		}
	}
	return all
}

// SetRenamings replaces what is known, but for what is old. Only the run that has the lock calls it.
func (q *Queue) SetRenamings(all Renamings, now time.Time) error {
	var b []byte
	for _, r := range all[max(0, len(all)-maxRenamed):] {
		if now.Sub(r.Time) < keepRenamed && message.ValidMessageID(r.Old) && message.ValidMessageID(r.New) {
			b = append(strconv.AppendInt(b, unixTime(r.Time), 10), " "+r.Old+" "+r.New+"\n"...)
		}
	}
	return q.ReplaceCache(renamedFile, b)
}

// HostID returns the Message-ID that a host names when it takes a message: Microsoft's say "OK <...@...>
// [Hostname=...]". It is "" where there is none, or more than one: that is about something else.
func HostID(words string) (id string) {
	for {
		_, rest, found := strings.Cut(words, "<")
		if !found {
			return id
		}
		inside, behind, closed := strings.Cut(rest, ">")
		if !closed {
			return id
		}
		if one := "<" + inside + ">"; message.ValidMessageID(one) {
			if id != "" && id != one {
				return ""
			}
			id = one
		}
		words = behind
	}
}
