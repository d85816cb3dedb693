package spool

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// The queue run writes into the file that it holds locked which messages are being sent, and how
// far. The text is for people: it is not synced, and nothing depends on it. It is only read while
// the file is locked, so what a dead run has left says nothing.

// A Transfer is a message that is being sent.
type Transfer struct {
	ID          string
	Done, Total int64 // octets of the content that the transport has taken, and all of them
}

// transfersAt is where the text begins: behind what DeclareRun has written, or a hole.
const transfersAt = len(takesNotes)

// transfersEnd ends the text, since what follows is of an earlier, longer one.
const transfersEnd = ".\n"

// ShowTransfers notes which messages are being sent. It is for the process that has the lock of
// the queue run.
func (q *Queue) ShowTransfers(all []Transfer) {
	var b []byte
	for _, t := range all {
		b = fmt.Appendf(b, "%s %d %d\n", t.ID, t.Done, t.Total)
	}
	q.run.WriteAt(append(b, transfersEnd...), int64(transfersAt)) // fails if the directory had to be locked instead
}

// maxTransfers bounds what is read, in octets.
const maxTransfers = 64 << 10

// Transfers returns the messages that a queue run is sending now.
func (q *Queue) Transfers() map[string]Transfer {
	all := map[string]Transfer{}
	fd, err := q.openRegular(runFile, os.O_RDONLY, new(syscall.Stat_t))
	if err != nil {
		return all
	}
	defer syscall.Close(fd)
	b := make([]byte, maxTransfers)
	n, err := readAt(fd, b)
	if err != nil || !q.Running() {
		return all
	}
	for line := range bytes.Lines(b[min(n, transfersAt):n]) {
		var t Transfer
		_, err := fmt.Sscanf(string(line), "%16s %d %d\n", &t.ID, &t.Done, &t.Total)
		if err != nil || !IsID(t.ID) || !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		all[t.ID] = t
	}
	return all
}

// String says how far a transfer is, for a person: "3.1 of 41.0 MB".
func (t Transfer) String() string {
	if t.Total < 1e6 {
		return fmt.Sprintf("%d of %d kB", (t.Done+999)/1000, (t.Total+999)/1000)
	}
	return fmt.Sprintf("%.1f of %.1f MB", float64(t.Done)/1e6, float64(t.Total)/1e6)
}
