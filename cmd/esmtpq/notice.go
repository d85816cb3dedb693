package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/process"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/localmda"
	"esmtpq/message"
	"esmtpq/queue"
	"esmtpq/queue/spool"
)

// A notifier tells the owner of the queue what became of mail: by a bounce into the local mailbox
// where there is an MDA, else by the command that the configuration names. It implements queue.Notifier.
type notifier struct {
	q        *spool.Queue
	r        *router
	attended bool // somebody reads what we print
}

// announce makes a queue run tell the owner of what it could not do.
func (r *router) announce(opt *queue.RunOptions, q *spool.Queue, attended bool) {
	opt.Notifier, opt.Attended = &notifier{q, r, attended}, attended
	r.mu.Lock()
	defer r.mu.Unlock()
	if cfg, err := r.Load(&spool.Envelope{}); err == nil {
		opt.HoldUnsure = cfg.HoldPossiblyDelivered
		opt.Limits = queue.Limits{Expire: cfg.ExpireAfter, DelayNotice: cfg.DelayNoticeAfter, KeepFailed: cfg.KeepFailed}
	}
}

// Notify implements queue.Notifier.
func (n *notifier) Notify(ctx context.Context, notice *queue.Notice) error {
	n.r.mu.Lock()
	cfg, err := n.r.Load(&notice.Message.Envelope)
	_, local := n.r.lanes[notice.Destination].(*localmda.Agent)
	n.r.mu.Unlock()
	if err != nil {
		cfg = &identity.Config{}
	}
	words := describeNotice(notice)
	switch {
	case cfg.MDA != "" && !local: // never by the way that failed
		return n.bounce(notice, words)
	case cfg.Notify != "":
		return n.run(ctx, cfg.Notify, words)
	case !n.attended:
		return n.popUp(ctx, notice, words)
	}
	return queue.ErrNobody
}

// maxReturned is how long a message may be, in octets, to be returned whole. The queue has it
// all the same.
const maxReturned = 64 << 10

// bounce spools a report for the local mailbox of the queue's owner.
func (n *notifier) bounce(notice *queue.Notice, words wording) error {
	env := &notice.Message.Envelope
	n.r.mu.Lock()
	login := n.r.Login()
	n.r.mu.Unlock()
	null, from := "", "MAILER-DAEMON@"+whoami.Host() // null, so that the report is never reported on
	report := newReport(notice, words)
	var err error
	if report.From, err = message.FormatMailbox("Mail Delivery System", from); err != nil {
		return err
	}
	if report.To, err = message.FormatMailbox("", login); err != nil {
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
	err := n.runBounded(ctx, notifyLimit, words.subject+"\n\n"+words.text, "/bin/sh", "-c", line)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// popUp shows a notice on the owner's screen, if there is one in sight. What goes wrong
// there is nobody's trouble.
func (n *notifier) popUp(ctx context.Context, notice *queue.Notice, words wording) error {
	screen := false
	for _, name := range [...]string{"DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"} {
		screen = screen || os.Getenv(name) != ""
	}
	path, err := exec.LookPath("notify-send")
	if !screen || err != nil {
		return queue.ErrNobody
	}
	// The body is markup to some of those that show it.
	body := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(words.reasons)
	if n.runBounded(ctx, popUpLimit, "", path, "--", words.subject, body+"esmtpq show "+notice.Message.ID) != nil {
		return queue.ErrNobody
	}
	return nil
}

// runBounded runs a helper in a process group of its own. It has its time and no descriptor of ours.
func (n *notifier) runBounded(ctx context.Context, limit time.Duration, input, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = n.r.Home
	cmd.Stdin = strings.NewReader(input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	process.CloseOnExec()
	err := cmd.Run()
	if ctx.Err() != nil && err != nil {
		return fmt.Errorf("not finished in time and stopped: %w", context.Cause(ctx))
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // it has left the reading to somebody else
	}
	return err
}
