package deliver

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/helper"
	"esmtpq/identity"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// Hooks are commands of the person's own that are run after a queue run: one call for each event
// and identity, when the lock of the run has been let go. Nil hooks are none.
type hooks struct {
	lines map[string]string // by event
	q     *spool.Queue
	home  string

	mu    sync.Mutex
	calls map[hookKey]*hookCall
	order []hookKey
	news  []string        // queue IDs found untried
	known map[string]bool // queue IDs that were so before, and told of; nil before it is read
}

type hookKey struct{ event, identity string }

// A hookCall is what a command reads, as JSON on one line.
type hookCall struct {
	Event    string        `json:"event"`
	Time     time.Time     `json:"time"`
	Identity string        `json:"identity,omitempty"`
	Count    int           `json:"count,omitempty"` // of messages
	Messages []hookMessage `json:"messages,omitempty"`
	More     bool          `json:"more,omitempty"` // not all messages are listed

	// Of a suspended identity: why.
	Code   int    `json:"code,omitempty"`
	Status string `json:"status,omitempty"`
	Reason string `json:"reason,omitempty"`
}

type hookMessage struct {
	ID         string          `json:"id"`
	Arrival    time.Time       `json:"arrival"`
	Sender     string          `json:"sender"`
	MessageID  string          `json:"message_id,omitempty"`
	Size       int64           `json:"size"`
	Recipients []hookRecipient `json:"recipients"`
}

type hookRecipient struct {
	Address string `json:"address"`
	Code    int    `json:"code,omitempty"`
	Status  string `json:"status,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Host    string `json:"host,omitempty"`
}

// Bounds of what a command reads, and of how long it may take: each, and all of one run.
const (
	maxHookMessages   = 100
	maxHookRecipients = 100
	hookLimit         = 30 * time.Second
	hooksLimit        = 2 * time.Minute
)

func newHooks(cfg *identity.Config, q *spool.Queue, r *router) *hooks {
	if len(cfg.Hooks) == 0 {
		return nil
	}
	return &hooks{lines: cfg.Hooks, q: q, home: r.home, calls: map[hookKey]*hookCall{}}
}

// call returns the call for an event, nil if there is no command for it. It is called with mu held.
func (h *hooks) call(event, identity string) *hookCall {
	if h.lines[event] == "" {
		return nil
	}
	key := hookKey{event, identity}
	c := h.calls[key]
	if c == nil {
		c = &hookCall{Event: event, Time: time.Now().UTC().Truncate(time.Millisecond), Identity: spool.Printable(identity)}
		h.calls[key] = c
		h.order = append(h.order, key)
	}
	return c
}

// add adds a message to a call.
func (c *hookCall) add(m hookMessage) {
	for i := range c.Messages {
		if at := &c.Messages[i]; at.ID == m.ID {
			at.Recipients = append(at.Recipients, m.Recipients[:min(len(m.Recipients), maxHookRecipients-len(at.Recipients))]...)
			return
		}
	}
	c.Count++
	if len(c.Messages) == maxHookMessages {
		c.More = true
		return
	}
	c.Messages = append(c.Messages, m)
}

func aboutMessage(id string, env *spool.Envelope) hookMessage {
	m := hookMessage{ID: id, Arrival: env.Arrival.UTC(), Sender: spool.Printable(env.Sender()), Size: env.Size, Recipients: []hookRecipient{}}
	if env.ReversePath != nil {
		m.Sender = spool.Printable(*env.ReversePath)
	}
	return m
}

// found notes a message that no run has tried before.
func (h *hooks) found(m *spool.Message) {
	if h == nil || h.lines["queued"] == "" || m.Envelope.Notice {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.news = append(h.news, m.ID)
	if h.announced()[m.ID] {
		return
	}
	c, about := h.call("queued", ""), aboutMessage(m.ID, &m.Envelope)
	for _, rcpt := range m.Envelope.Recipients[:min(len(m.Envelope.Recipients), maxHookRecipients)] {
		about.Recipients = append(about.Recipients, hookRecipient{Address: spool.Printable(rcpt.Address)})
	}
	c.add(about)
}

// trials notes what became of messages.
func (h *hooks) trials(all []queue.Trial) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range all {
		t := &all[i]
		if t.Envelope.Notice {
			continue
		}
		for _, event := range [...]string{"sent", "deferred", "failed"} {
			about := aboutMessage(t.ID, t.Envelope)
			about.MessageID = spool.Printable(t.Fields.MessageID)
			for k := range t.Reports {
				r := &t.Reports[k]
				if eventOf(t, r) == event && r.Until.IsZero() && len(about.Recipients) < maxHookRecipients {
					about.Recipients = append(about.Recipients, hookRecipient{
						spool.Printable(t.Recipients[t.Which[k]].Address), r.Code, spool.Printable(r.Status), spool.Printable(r.Text), spool.Printable(r.Host)})
				}
			}
			if len(about.Recipients) == 0 {
				continue
			}
			if c := h.call(event, t.Destination); c != nil {
				c.add(about)
			}
		}
	}
}

// eventOf returns the event that a report is, "" for none: a message is deferred once, and not for
// trouble of its identity.
func eventOf(t *queue.Trial, r *queue.Report) string {
	switch {
	case r.Action.Final():
		return "sent"
	case r.Action == queue.Failed:
		return "failed"
	case t.First && r.Scope != queue.ScopeIdentity:
		return "deferred"
	}
	return ""
}

func (h *hooks) suspended(destination string, why *queue.Report) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.call("suspended", destination); c != nil {
		c.Code, c.Status, c.Reason = why.Code, spool.Printable(why.Status), why.Explain()
	}
}

func (h *hooks) recovered(destination string) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.call("recovered", destination)
}

// run runs the commands, and returns what went wrong.
func (h *hooks) run(ctx context.Context) (trouble []string) {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	order, calls := h.order, maps.Clone(h.calls)
	h.order, h.calls = nil, map[hookKey]*hookCall{}
	if h.lines["queued"] != "" {
		h.saveAnnounced()
	}
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, hooksLimit)
	defer cancel()
	for _, key := range order {
		if ctx.Err() != nil {
			return append(trouble, "there was no time for all hooks")
		}
		if err := h.runOne(ctx, key.event, calls[key]); err != nil {
			trouble = append(trouble, err.Error())
		}
	}
	return trouble
}

func (h *hooks) runOne(ctx context.Context, event string, call *hookCall) error {
	text, err := json.Marshal(call)
	if err != nil {
		return err
	}
	c := helper.Shell(h.lines[event])
	c.Stdin, c.Limit, c.Dir = strings.NewReader(string(door.EscapeJSON(text))+"\n"), hookLimit, h.home
	c.Env = []string{"ESMTPQ_EVENT=" + event}
	exit, err := c.Run(ctx)
	if err != nil {
		return fmt.Errorf("hook %s: %w", event, err)
	}
	return exit.Err("hook " + event)
}

// announced returns the messages that are known as queued.
func (h *hooks) announced() map[string]bool {
	if h.known != nil {
		return h.known
	}
	h.known = map[string]bool{}
	f, err := h.q.OpenCache(spool.AnnouncedFile)
	if err != nil {
		return h.known
	}
	defer f.Close()
	var ids []string
	if json.NewDecoder(f).Decode(&ids) == nil {
		for _, id := range ids {
			h.known[id] = true
		}
	}
	return h.known
}

// saveAnnounced remembers those that no run has tried since: a run finds no others.
func (h *hooks) saveAnnounced() {
	all := h.announced()
	for _, id := range h.news {
		all[id] = true
	}
	tried := func(id string) bool {
		m, err := h.q.Read(id)
		return err != nil || slices.ContainsFunc(m.Progress, func(p spool.Progress) bool { return p.State != spool.Untried })
	}
	left := slices.DeleteFunc(slices.Sorted(maps.Keys(all)), tried)
	if len(left) == 0 {
		h.q.RemoveCache(spool.AnnouncedFile)
		return
	}
	if text, err := json.Marshal(left); err == nil {
		h.q.ReplaceCache(spool.AnnouncedFile, text)
	}
}
