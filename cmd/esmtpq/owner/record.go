package owner

import (
	"path/filepath"
	"time"

	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/queue/history"
	"esmtpq/queue/spool"
)

// look reads a message before it is changed, for the history; nil if it cannot be read.
func (sel *selection) look(name string) *spool.Message {
	if !spool.IsID(name) {
		return nil
	}
	m, err := sel.Read(name)
	if err != nil {
		return nil
	}
	return m
}

// note puts into the history what the owner has done with a message, as it was before. The command
// has done its work, whatever becomes of that.
func (sel *selection) note(m *spool.Message, what history.Event, text string, to ...string) {
	if m == nil {
		return
	}
	if !sel.asked {
		sel.asked = true
		if _, cfg, err := submit.Configuration(""); err != nil || cfg.History >= 0 {
			sel.history = &history.Log{Dir: filepath.Join(sel.Dir, history.DirName)}
		}
	}
	rec := history.About(m, what, time.Now())
	rec.Text, rec.To = text, to
	for i := range m.Progress {
		if to == nil && m.Progress[i].State != spool.Accepted && m.Progress[i].State != spool.LocalDone {
			rec.To = append(rec.To, m.Envelope.Recipients[i].Shown())
		}
	}
	rec.MessageID = sel.messageID(m)
	sel.history.Append(rec)
}

// messageID returns the Message-ID of a message, as long as its content is there.
func (sel *selection) messageID(m *spool.Message) string {
	if id, ok := sel.ids[m.ID]; ok {
		return id
	}
	content, err := sel.Content(m)
	if err != nil {
		return ""
	}
	return spool.FieldsOf(content).MessageID
}

// keepID remembers the Message-ID of a message that is about to go.
func (sel *selection) keepID(m *spool.Message) {
	if m == nil {
		return
	}
	id := sel.messageID(m)
	if sel.ids == nil {
		sel.ids = map[string]string{}
	}
	sel.ids[m.ID] = id
}
