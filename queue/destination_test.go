package queue

import (
	"context"
	"fmt"
	"testing"

	"esmtpq/queue/spool"
)

// A message goes by two destinations. One of them turns out not to work while the other records;
// the race detector watches.
func TestOneDestinationRefusesWhileAnotherRecords(t *testing.T) {
	q := newQueue(t)
	submit(t, q, "b@bad.example")
	var to []string
	for i := range 100 {
		to = append(to, fmt.Sprintf("a%d@good.example", i))
	}
	id := submit(t, q, append(to, "b@bad.example")...)
	drawn := make(chan struct{})
	good := &fakeHost{before: func(*Delivery) { close(drawn) }}
	bad := transportFunc(func(ctx context.Context, src Source) {
		d := src.Next(true)
		<-drawn
		src.Record([]Outcome{{Delivery: d, Reports: []Report{unreachable}}})
	})
	sum := runQueue(t, q, &fakeRouter{hosts: map[string]Transport{"good.example": good, "bad.example": bad}}, everything)
	if m := read(t, q, id); sum.Done != len(to) || m.Progress[len(to)].State != spool.Deferred {
		t.Errorf("came to %+v; the last recipient: %+v", sum, m.Progress[len(to)])
	}
}
