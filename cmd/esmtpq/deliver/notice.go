package deliver

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/helper"
	"esmtpq/identity"
	"esmtpq/localmda"
	"esmtpq/message"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// A notifier tells the owner of the queue what became of mail: by a bounce into the local mailbox
// where there is an MDA, else by the command that the configuration names. It implements
// queue.Notifier.
type notifier struct {
	q        *spool.Queue
	r        *router
	attended bool // a person reads what we print
}

// announce makes a queue run tell the owner what it could not do.
func (r *router) announce(opt *queue.RunOptions, q *spool.Queue, attended bool) {
	opt.Notifier, opt.Attended = &notifier{q, r, attended}, attended
	if cfg, err := r.load(&spool.Envelope{}); err == nil {
		opt.HoldUnsure = cfg.HoldPossiblyDelivered
		opt.Limits = queue.Limits{Expire: cfg.ExpireAfter, DelayNotice: cfg.DelayNoticeAfter, KeepFailed: cfg.KeepFailed}
	}
}

// Notify implements queue.Notifier.
func (n *notifier) Notify(ctx context.Context, notice *queue.Notice) error {
	_, local := n.r.Transport(notice.Destination).(*localmda.Agent)
	cfg, err := n.r.load(&notice.Message.Envelope)
	if err != nil {
		cfg = &identity.Config{}
	}
	words := describeNotice(notice)
	switch {
	case cfg.MDA != "" && !local: // never by the route that failed
		return n.bounce(notice, words)
	case cfg.Notify != "":
		return n.run(ctx, cfg.Notify, words)
	case !n.attended:
		return n.popUp(ctx, notice, words)
	}
	return queue.ErrNobody
}

// maxReturned is the greatest size of a message that is returned whole, in octets. A larger one
// is still in the queue.
const maxReturned = 64 << 10

// bounce spools a report for the local mailbox of the queue's owner.
func (n *notifier) bounce(notice *queue.Notice, words wording) error {
	env := &notice.Message.Envelope
	login := n.r.login()
	null, from := "", "MAILER-DAEMON@"+whoami.Host() // null, so that the report is never reported on
	report := newReport(notice, words)
	var err error
	if report.From, err = message.FormatMailbox("Mail Delivery System", from); err != nil {
		return err
	}
	// The agent gets the name as it is; in a header, names such as DOMAIN\user must be quoted.
	if report.To, err = message.FormatMailbox("", message.Address{Local: login}.Spec()); err != nil {
		return err
	}
	if notice.Content != nil {
		body, err := notice.Content.Open()
		if err != nil {
			return err
		}
		defer body.Close()
		br := bufio.NewReader(body)
		if report.Header, err = message.ReadHeader(br); err != nil {
			return err
		}
		if env.Return == "FULL" && env.Size <= maxReturned {
			report.Body = br
		}
	}
	w, err := n.q.NewWriter()
	if err != nil {
		return err
	}
	if _, err := report.WriteTo(w); err != nil {
		w.Abort()
		return err
	}
	_, err = w.Commit(&spool.Envelope{
		ReversePath: &null, From: from, Recipients: []spool.Recipient{{Address: login}}, Config: env.Config, Notice: true,
	})
	return err
}

// newReport makes a report without its original.
func newReport(notice *queue.Notice, words wording) *message.Report {
	env := &notice.Message.Envelope
	r := &message.Report{
		Date: time.Now(), Subject: words.subject, Text: words.text,
		MTA: whoami.Host(), EnvelopeID: env.EnvelopeID, Arrival: env.Arrival,
	}
	action := "failed"
	if notice.Kind == queue.Overdue {
		action = "delayed"
	}
	for _, i := range notice.Recipients {
		p := &notice.Message.Progress[i]
		rcpt := message.ReportRecipient{
			Address: env.Recipients[i].Address, Action: action, Status: p.Status,
			RemoteMTA: p.Host, Diagnostic: p.Text, Last: p.Time,
		}
		if p.Code != 0 {
			rcpt.SMTP, rcpt.Diagnostic = true, fmt.Sprintf("%d %s %s", p.Code, p.Status, p.Text)
		}
		if notice.Kind == queue.Overdue {
			rcpt.RetryUntil = notice.Until
		}
		r.Recipients = append(r.Recipients, rcpt)
	}
	return r
}

// notifyLimit bounds the command that tells the owner, popUpLimit the one that shows a message on
// the screen.
const (
	notifyLimit = 30 * time.Second
	popUpLimit  = 5 * time.Second
)

// run runs the owner's command with a text on its standard input.
func (n *notifier) run(ctx context.Context, line string, words wording) error {
	c := helper.Shell(line)
	c.Stdin, c.Limit, c.Dir = strings.NewReader(words.subject+"\n\n"+words.text), notifyLimit, n.r.home
	exit, err := c.Run(ctx)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return exit.Err("notify")
}

// popUp shows a notice on the owner's screen, if there is one. A failure there does not matter.
func (n *notifier) popUp(ctx context.Context, notice *queue.Notice, words wording) error {
	screen := false
	for _, name := range [...]string{"DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"} {
		screen = screen || os.Getenv(name) != ""
	}
	path, err := exec.LookPath("notify-send")
	if !screen || err != nil {
		return queue.ErrNobody
	}
	// Some programs that show the body take it for markup.
	body := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(words.reasons)
	c := helper.Command{Argv: []string{path, "--", words.subject, body + "esmtpq show " + notice.Message.ID}, Limit: popUpLimit}
	if exit, err := c.Run(ctx); err != nil || !exit.OK() {
		return queue.ErrNobody
	}
	return nil
}
