package submit

import (
	"testing"
	"time"

	"esmtpq/queue/spool"
)

func TestLegacyReasons(t *testing.T) {
	e := &spool.LegacyEntry{Cmd: "bob@x", Arrival: time.Now()}
	if r := LegacyReason(e, nil); r != "" {
		t.Errorf("complete: %s", r)
	}
	e.Locked = true
	if r := LegacyReason(e, nil); r != "esmtp-wrapper is still writing it" {
		t.Errorf("locked just now: %s", r)
	}
	e.Arrival = e.Arrival.Add(-time.Hour)
	if r := LegacyReason(e, nil); r == "" || r == "esmtp-wrapper is still writing it" {
		t.Errorf("locked for an hour: %s", r)
	}
}
