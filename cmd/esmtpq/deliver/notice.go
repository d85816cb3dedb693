package deliver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

// The ways in which the owner is told.
const (
	byBounce = "bounce" // a mail into the local mailbox
	byNotify = "notify" // the command of the configuration
	byScreen = "screen"
)

// Way implements queue.Notifier. The configuration of the message decides.
func (n *notifier) Way(m *spool.Message, destination string) queue.Way {
	_, local := n.r.Transport(destination).(*localmda.Agent)
	cfg := n.config(m)
	switch {
	case cfg.MDA != "" && !local: // never by the route that failed
		return queue.Way{Name: byBounce + " " + cfg.File, Spooled: true}
	case cfg.Notify != "":
		return queue.Way{Name: byNotify + " " + cfg.File}
	case !n.attended && screen() != "":
		return queue.Way{Name: byScreen}
	}
	return queue.Way{}
}

// config returns the configuration by which the owner is told of a message: its own, or else the
// usual one.
func (n *notifier) config(m *spool.Message) *identity.Config {
	for _, env := range [...]*spool.Envelope{&m.Envelope, {}} {
		if cfg, err := n.r.load(env); err == nil {
			return cfg
		}
	}
	return &identity.Config{}
}

// Notify implements queue.Notifier.
func (n *notifier) Notify(ctx context.Context, notice *queue.Notice) error {
	m, words := notice.Parts[0].Message, describeNotice(notice)
	way, _, _ := strings.Cut(n.Way(m, notice.Parts[0].Destination).Name, " ")
	switch way {
	case byBounce:
		return n.bounce(notice, words)
	case byNotify:
		return n.run(ctx, n.config(m).Notify, words)
	case byScreen:
		return n.popUp(ctx, words)
	}
	return errors.New("the configuration has changed: told next time")
}

// maxReturned is the greatest size of a message that is returned whole, in octets. A larger one
// is still in the queue.
const maxReturned = 64 << 10

// bounce spools a report for the local mailbox of the queue's owner.
func (n *notifier) bounce(notice *queue.Notice, words wording) error {
	first := &notice.Parts[0]
	env := &first.Message.Envelope
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
	if first.Content != nil {
		body, err := first.Content.Open()
		if err != nil {
			return err
		}
		defer body.Close()
		br := bufio.NewReader(body)
		if report.Header, err = message.ReadHeader(br); err != nil {
			return err
		}
		if env.Return == "FULL" && env.Size <= maxReturned && alone(notice) {
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

// alone reports whether a notice is about one message.
func alone(notice *queue.Notice) bool { return len(notice.Parts) == 1 && notice.Others == 0 }

// newReport makes a report without its original.
func newReport(notice *queue.Notice, words wording) *message.Report {
	r := &message.Report{Date: time.Now(), Subject: words.subject, Text: words.text, MTA: whoami.Host()}
	if env := &notice.Parts[0].Message.Envelope; alone(notice) {
		r.EnvelopeID, r.Arrival = env.EnvelopeID, env.Arrival
	}
	action := "failed"
	if late(notice.Kind) {
		action = "delayed"
	}
	for k := range notice.Parts {
		part := &notice.Parts[k]
		env := &part.Message.Envelope
		for _, i := range part.Recipients {
			p := &part.Message.Progress[i]
			rcpt := message.ReportRecipient{
				Address: env.Recipients[i].Address, Action: action, Status: p.Status,
				RemoteMTA: p.Host, Diagnostic: p.Text, Last: p.Time,
			}
			if p.Code != 0 {
				rcpt.SMTP, rcpt.Diagnostic = true, fmt.Sprintf("%d %s %s", p.Code, p.Status, p.Text)
			}
			if late(notice.Kind) {
				rcpt.RetryUntil = notice.Until
			}
			r.Recipients = append(r.Recipients, rcpt)
		}
	}
	return r
}

// late reports whether mail that a notice is about still waits.
func late(kind queue.NoticeKind) bool {
	return kind == queue.Overdue || kind == queue.Stuck || kind == queue.Blocked
}

// notifyLimit bounds the command that tells the owner.
const notifyLimit = 30 * time.Second

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
