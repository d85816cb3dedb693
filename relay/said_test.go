package relay

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// A waitingTunnel is a connection that nothing comes over, and an error that says why.
type waitingTunnel struct{ net.Conn }

func (waitingTunnel) Read([]byte) (int, error) {
	return 0, fmt.Errorf("read: %w", waitingTunnel{})
}
func (waitingTunnel) Error() string { return "deadline" }
func (waitingTunnel) Unwrap() error { return os.ErrDeadlineExceeded }
func (waitingTunnel) Said() string  { return "the tunnel (ask) has said: Enter the code" }

func TestATunnelThatAsksIsTheReason(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	h := host{name: "mx.example.org", limits: newLimits(time.Second), dial: func(context.Context) (net.Conn, error) {
		return waitingTunnel{ours}, nil
	}}
	_, trouble := open(t.Context(), &h)
	want := "mx.example.org did not answer to greeting within 1s; the tunnel (ask) has said: Enter the code"
	if trouble == nil || trouble.text != want || trouble.event != eventTimeout {
		t.Errorf("%+v", trouble)
	}
}
