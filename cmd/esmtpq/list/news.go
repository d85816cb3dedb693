package list

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/queue/history"
	"esmtpq/queue/spool"
)

// lookedFile says when its owner has last looked at the queue. It is in the directory of the history.
const lookedFile = "looked"

// tellNews tells a person at a terminal what has become of mail since the last look. Programs that read the
// list are told nothing.
func tellNews(c *door.Call, q *spool.Queue) {
	if q == nil || !term.IsTerminal(int(c.Out.Fd())) {
		return
	}
	dir, now := filepath.Join(q.Dir, history.DirName), time.Now()
	name := filepath.Join(dir, lookedFile)
	text, err := os.ReadFile(name)
	if os.WriteFile(name, []byte(now.UTC().Format(time.RFC3339Nano)), 0o600) != nil || err != nil {
		return // there is no history, or this is the first look
	}
	last, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil || last.After(now) {
		return
	}
	if news := newsSince(dir, last); news != "" {
		c.Remark(news + " since " + sinceText(last, now) + ": see esmtpq log")
	}
}

// newsSince says how many messages were sent, failed and so on since a time; "" for none.
func newsSince(dir string, last time.Time) string {
	kinds := [...]struct {
		name   string
		events []history.Event
	}{
		{"sent", []history.Event{history.Relayed, history.Delivered}},
		{"failed", []history.Event{history.Failed, history.Expired}},
		{"dropped", []history.Event{history.Dropped}},
		{"without a copy", []history.Event{history.NoCopy}},
	}
	var ids [len(kinds)]map[string]bool
	reader := history.Reader{Dir: dir, Since: last}
	reader.Poll(func(rec *history.Record, _ []byte) {
		if !rec.Time.After(last) {
			return
		}
		for k := range kinds {
			for _, e := range kinds[k].events {
				if rec.Event == e {
					if ids[k] == nil {
						ids[k] = map[string]bool{}
					}
					ids[k][rec.ID] = true
				}
			}
		}
	})
	var parts []string
	for k := range kinds {
		if n := len(ids[k]); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kinds[k].name))
		}
	}
	return strings.Join(parts, ", ")
}

// sinceText returns a time of today without the day.
func sinceText(t, now time.Time) string {
	if t.Local().Format(time.DateOnly) == now.Local().Format(time.DateOnly) {
		return t.Local().Format("15:04")
	}
	return t.Local().Format("2006-01-02 15:04")
}
