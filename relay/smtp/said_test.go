package smtp

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
	_, err := Open(t.Context(), &Config{Name: "mx.example.org", Limits: NewLimits(time.Second), Dial: func(context.Context) (net.Conn, error) {
		return waitingTunnel{ours}, nil
	}})
	want := "mx.example.org did not answer to greeting within 1s; the tunnel (ask) has said: Enter the code"
	if err == nil || err.Text != want || err.Kind != KindTimeout {
		t.Errorf("%+v", err)
	}
}
