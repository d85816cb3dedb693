package localmda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"

	"esmtpq/helper"
	"esmtpq/queue"
)

// call runs the agent once for names and returns the report.
func (a *Agent) call(ctx context.Context, d *queue.Delivery, sender string, names []string) queue.Report {
	mark := a.mark(d.ID, names)
	if err := a.endLast(mark); err != nil {
		return delayed(queue.ScopeRecipient, "4.3.0", "the last call of the "+a.noun()+" still runs: "+err.Error())
	}
	r, err := d.Content.Open()
	if err != nil {
		return unreadable(err)
	}
	defer r.Close()
	c := a.line.command(names...)
	c.Env = []string{senderVariable + "=" + senderArgument(sender)}
	c.Stdin = r
	if !a.carries {
		c.Stdin = io.MultiReader(strings.NewReader(returnPath(sender)), r)
	}
	c.MustRead, c.Limit, c.Mark = !a.Unread, a.Timeout, mark
	exit, err := c.Run(ctx)
	if err != nil {
		return a.unstartable(err)
	}
	if len(exit.Left) > 0 {
		a.left[mark] = true
	}
	a.show(exit)
	if exit.InputErr != nil {
		rep := unreadable(exit.InputErr)
		rep.Unsure = exit.OK()
		return rep
	}
	return a.judge(exit)
}

// mark is what a call is known by. No other call may begin for the same recipient of the same
// message while a process with the mark lives, since that could deliver a second copy.
func (a *Agent) mark(id string, names []string) string {
	mark := a.Queue + " " + id
	if a.carries || a.line.perRecipient && a.forceUser == "" {
		mark += " " + names[0]
	}
	return mark
}

// endLast ends what is left of an earlier call with the same mark, by this run or by one that was
// killed. Processes of killed runs are listed once, since no new ones appear during a run.
func (a *Agent) endLast(mark string) error {
	if a.left == nil {
		if a.left = helper.Marks(); a.left == nil {
			a.left = map[string]bool{}
		}
	}
	if !a.left[mark] {
		return nil
	}
	err := helper.EndMarked(mark)
	if err == nil {
		delete(a.left, mark)
	}
	return err
}

// show passes the agent's output to Trace.
func (a *Agent) show(exit *helper.Exit) {
	if a.Trace == nil {
		return
	}
	if exit.Output != "" {
		for line := range strings.SplitSeq(exit.Output, "\n") {
			a.Trace(line)
		}
	}
	a.Trace(exit.How())
}

// judge returns the report that follows from how the agent ended.
func (a *Agent) judge(exit *helper.Exit) queue.Report {
	if exit.Stopped != nil && !exit.OK() {
		text := "the " + a.noun() + " was stopped"
		if errors.Is(exit.Stopped, context.DeadlineExceeded) {
			text = fmt.Sprintf("the %s had not finished after %v and was stopped", a.noun(), a.Timeout)
		}
		if len(exit.Left) > 0 {
			text += " in vain: process " + strconv.Itoa(exit.Left[0]) + " lives on"
		}
		if words := exit.Words(); words != "" {
			text += ": " + words
		}
		r := delayed(queue.ScopeRecipient, "4.3.0", text)
		r.Unsure = exit.Whole
		return r
	}
	if exit.Unread {
		text := "exit status 0, but nothing of the message was read"
		if !a.carries {
			text += " (mda_unread: true allows that)"
		}
		if words := exit.Words(); words != "" {
			text += ": " + words
		}
		return delayed(queue.ScopeRecipient, "4.3.0", text)
	}
	status := exit.Status
	if exit.Signal != 0 {
		status = 128 + int(exit.Signal) // as the shell would put it
	}
	r := a.exitReport(status, exit.Words())
	r.Unsure = bySignal(status) && exit.Whole
	return r
}

// unstartable is the report for an agent that could not be started.
func (a *Agent) unstartable(err error) queue.Report {
	scope := queue.ScopeIdentity
	if errors.Is(err, syscall.E2BIG) {
		scope = queue.ScopeMessage // it has too many recipients for one call
	}
	return delayed(scope, "4.3.0", "the "+a.noun()+" cannot be started: "+err.Error())
}
