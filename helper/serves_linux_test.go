package helper

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// A process that listens at a local socket serves others; one that has other sockets does not.
func TestServes(t *testing.T) {
	if serves(os.Getpid()) {
		t.Skip("something in this process listens at a local socket")
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	if serves(os.Getpid()) {
		t.Error("a TCP port counts")
	}
	local, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	if !serves(os.Getpid()) {
		t.Error("a local socket does not count")
	}
	conn, err := net.Dial("unix", local.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	local.Close()
	if serves(os.Getpid()) {
		t.Error("a connection counts")
	}
}
