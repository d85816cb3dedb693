package list

import (
	"encoding/json"
	"io"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/queue/spool"
)

// jsonList prints one JSON object for each message, each on a line of its own. The names of the
// members are those of Postfix's postqueue -j where it has them.
type jsonList struct {
	out       io.Writer
	trouble   trouble
	transfers map[string]spool.Transfer
}

// print prints an object, in which everything that is not printable is an escape: addresses and
// reasons come from outside.
func (w *jsonList) print(j jsonMessage) {
	b, err := json.Marshal(j)
	if err != nil {
		return // never: it has texts and numbers
	}
	w.out.Write(append(door.EscapeJSON(b), '\n'))
}

type jsonMessage struct {
	QueueName   string          `json:"queue_name"` // "active", "deferred", "scheduled", "hold", "failed", "damaged" or "legacy"
	QueueID     string          `json:"queue_id"`
	ArrivalTime int64           `json:"arrival_time"`          // Unix time
	MessageSize int64           `json:"message_size"`          // octets
	Sender      string          `json:"sender"`                // -f, else From:; "" for null
	OctetsSent  *int64          `json:"octets_sent,omitempty"` // of an active message
	Attempts    int             `json:"attempts"`
	LastAttempt int64           `json:"last_attempt,omitempty"` // Unix time
	NextAttempt int64           `json:"next_attempt,omitempty"`
	Scheduled   int64           `json:"scheduled,omitempty"` // Unix time before which it is not sent
	Reason      string          `json:"reason,omitempty"`    // why the whole message waits
	NeedsYou    bool            `json:"needs_you,omitempty"` // it waits for its owner to decide
	WaitsFor    *jsonWait       `json:"waits_for,omitempty"`
	Remarks     []string        `json:"remarks,omitempty"` // what its submitter should know
	Recipients  []jsonRecipient `json:"recipients"`        // those not served yet
}

type jsonRecipient struct {
	Address     string `json:"address"`
	Action      string `json:"action"` // "untried", "delayed", "possibly delivered" or "failed"
	Status      string `json:"status,omitempty"`
	Code        int    `json:"code,omitempty"`
	DelayReason string `json:"delay_reason,omitempty"`
}

var actionNames = map[spool.State]string{
	spool.Untried: "untried", spool.Deferred: "delayed", spool.Sending: "sending",
	spool.Unsure: "possibly delivered", spool.Refused: "failed",
}

func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func (w *jsonList) message(m *spool.Message) {
	j := jsonMessage{
		QueueName: "deferred", QueueID: m.ID, ArrivalTime: m.Envelope.Arrival.Unix(), MessageSize: m.Envelope.Size,
		Sender: listSender(&m.Envelope), Attempts: m.Attempts,
		LastAttempt: unixOrZero(m.Last), NextAttempt: unixOrZero(m.Next), Remarks: m.Envelope.Remarks, Recipients: []jsonRecipient{},
	}
	j.NeedsYou, j.WaitsFor = w.trouble.needsOwner(m), w.trouble.wait(m)
	j.Reason = w.trouble.stops(m)
	if why := m.WhyHeld(); why != "" {
		j.Reason = why
	}
	if t, active := w.transfers[m.ID]; active {
		j.OctetsSent = &t.Done
	}
	if j.OctetsSent != nil {
		j.QueueName = "active"
	} else if m.Held {
		j.QueueName = "hold"
	} else if !m.Pending() {
		j.QueueName = "failed"
	} else if now := time.Now(); !m.Scheduled(now).IsZero() {
		j.QueueName, j.Scheduled = "scheduled", m.Scheduled(now).Unix()
		if j.Reason == "" {
			j.Reason = m.ScheduledText(now, door.Stamp)
		}
	}
	if u, ok := w.trouble.unsendables[m.ID]; ok && m.WhyHeld() == "" {
		j.Reason = spool.Printable(u.Why)
	}
	for i := range m.Progress {
		p := &m.Progress[i]
		action := actionNames[p.State]
		if action == "" {
			continue // served
		}
		r := jsonRecipient{Address: m.Envelope.Recipients[i].Address, Action: action, Status: p.Status, Code: p.Code}
		if p.Text != "" {
			r.DelayReason = p.Explain()
		}
		j.Recipients = append(j.Recipients, r)
	}
	w.print(j)
}

func (w *jsonList) legacy(e *spool.LegacyEntry, sender string, recipients []string, reason string) {
	j := jsonMessage{
		QueueName: "legacy", QueueID: e.Name, ArrivalTime: e.Arrival.Unix(), MessageSize: e.Size,
		Sender: sender, Reason: reason, NeedsYou: reason != "", Recipients: []jsonRecipient{},
	}
	for _, r := range recipients {
		j.Recipients = append(j.Recipients, jsonRecipient{Address: r, Action: "untried"})
	}
	w.print(j)
}

func (w *jsonList) damaged(id string, arrival time.Time, reason string) {
	w.print(jsonMessage{
		QueueName: "damaged", QueueID: id, ArrivalTime: arrival.Unix(), Reason: unreadable(reason, id), NeedsYou: true,
		Recipients: []jsonRecipient{},
	})
}

func (w *jsonList) end() error { return nil }
