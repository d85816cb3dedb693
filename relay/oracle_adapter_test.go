package relay_test

import (
	"context"
	"time"

	"esmtpq/queue"
)

// A spoolSource is a spool as a transport sees it.
type spoolSource struct{ s *spool }

// Next implements queue.Source.
func (s spoolSource) Next(wait bool) *queue.Delivery { return s.s.next(wait) }

// Backlog implements queue.Source.
func (s spoolSource) Backlog() int { return s.s.backlog() }

// Wait implements queue.Source.
func (s spoolSource) Wait(ctx context.Context, limit time.Duration) bool { return s.s.wait(ctx, limit) }

// Sending implements queue.Source.
func (s spoolSource) Sending(d *queue.Delivery, recipients []int) error {
	return s.s.sending(d, recipients)
}

// Record implements queue.Source.
func (s spoolSource) Record(outcomes []queue.Outcome) error { return s.s.recordAll(outcomes) }
