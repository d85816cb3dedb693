package deliver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/localmda/folder"
	"esmtpq/queue"
	"esmtpq/queue/history"
	"esmtpq/queue/spool"
)

// A keeper keeps copies of what hosts have taken, in the folders that the identities name. It
// implements queue.Keeper.
type keeper struct {
	r   *router
	rec *recorder
}

// folderPatience is how long another program that has a folder locked is waited for, once in a run.
const folderPatience = 10 * time.Second

// folder returns the folder for copies of what goes to a destination, "" for none.
func (k *keeper) folder(destination string) string {
	k.r.mu.Lock()
	defer k.r.mu.Unlock()
	if way, ok := k.r.ways[destination]; ok && way.Identity != nil {
		return way.Identity.SentCopy
	}
	return ""
}

// Keeps implements queue.Keeper.
func (k *keeper) Keeps(destination string) bool { return k.folder(destination) != "" }

// Keep implements queue.Keeper.
func (k *keeper) Keep(m *spool.Message, destination string, content queue.Content, again bool) error {
	path := k.folder(destination)
	mail := &folder.Mail{
		ID: m.ID, Sender: m.Envelope.Sender(), Time: m.Envelope.Arrival, Host: whoami.Host(), Open: content.Open,
	}
	mail.MessageID = spool.FieldsOf(content).MessageID
	if !k.rec.waitedInVain(nil) {
		mail.Patience = folderPatience
	}
	err := folder.Add(path, mail, again)
	k.rec.waitedInVain(err)
	one := history.About(m, history.Copied, time.Now())
	one.MessageID, one.Text = mail.MessageID, "into "+path
	if err != nil {
		one.Event, one.Text = history.NoCopy, err.Error()
		k.rec.lostCopy(m.ID, err)
	}
	if failed := k.rec.history.Append(one); failed != nil {
		k.rec.note(failed)
	}
	return err
}

// waitedInVain reports whether another program has kept a folder locked for too long in this run, as an error
// may say.
func (rec *recorder) waitedInVain(err error) bool {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.locked = rec.locked || errors.Is(err, folder.ErrLocked)
	return rec.locked
}

// tellLost tells a person who does not read what deliver prints that copies were not kept.
func (rec *recorder) tellLost(ctx context.Context, n *notifier) {
	rec.mu.Lock()
	ids, err := rec.lostIDs, rec.lost
	rec.lostIDs = nil
	rec.mu.Unlock()
	if len(ids) == 0 || n.attended {
		return
	}
	words := wording{
		subject: "No copy was kept of " + door.Plural(len(ids), "message that has", "messages that have") + " been sent",
		reasons: spool.Printable(err.Error()),
	}
	words.text = fmt.Sprintf("%s: %s\n\n%s\n", words.subject, words.reasons, strings.Join(ids, "\n"))
	if cfg := n.config(&spool.Message{}); cfg.Notify != "" {
		n.run(ctx, cfg.Notify, words)
	} else if screen() != "" {
		n.popUp(ctx, words)
	}
}

// lostCopy notes that no copy was kept, for a notice.
func (rec *recorder) lostCopy(id string, err error) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.lost == nil {
		rec.lost = err
	}
	rec.lostIDs = append(rec.lostIDs, id)
}

// keepsCopies reports whether any identity has a folder for copies. A message with a configuration of its own may name another.
func (r *router) keepsCopies() bool {
	cfg, err := r.load(&spool.Envelope{})
	if err != nil {
		return false
	}
	for _, id := range cfg.Identities {
		if id.SentCopy != "" {
			return true
		}
	}
	return false
}
