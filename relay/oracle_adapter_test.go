package relay_test

import (
	"context"
	"time"

	"esmtpq/queue"
)

// A spoolSource is a spool as a transport sees it.
type spoolSource struct{ s *spool }

// Next implements queue.Source.
func (s spoolSource) Next() *queue.Delivery { return s.s.next() }

// Backlog implements queue.Source.
func (s spoolSource) Backlog() int { return s.s.backlog() }

// Wait implements queue.Source.
func (s spoolSource) Wait(ctx context.Context, limit time.Duration) bool { return s.s.wait(ctx, limit) }

// Sending implements queue.Source.
func (s spoolSource) Sending(d *queue.Delivery) error { return s.s.sending(d, nil) }

// Done implements queue.Source.
func (s spoolSource) Done(d *queue.Delivery, reports []queue.Report) error {
	return s.s.recordAll([]outcome{{d, nil, reports}})
}

// DoneAll implements queue.Batcher.
func (s spoolSource) DoneAll(all []queue.Outcome) error {
	var out []outcome
	for _, o := range all {
		out = append(out, outcome{o.Delivery, nil, o.Reports})
	}
	return s.s.recordAll(out)
}
