package hosts

import (
	"fmt"
	"net"
	"os"
	"testing"
)

// newNames starts a name server on an address of loopback, which it returns, for hosts that wait for an answer where
// none can come. It knows no name.
func newNames(t *testing.T) string {
	t.Helper()
	ip := fmt.Sprintf("127.%d.%d.%d", 1+os.Getpid()%250, 1+os.Getpid()/250%250, 1+series.Add(1)%250)
	c, err := net.ListenPacket("udp", ip+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		query := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(query)
			if err != nil {
				return
			}
			if n < 12 {
				continue
			}
			answer := append([]byte(nil), query[:n]...)
			answer[2], answer[3] = 0x84|answer[2]&1, 0x83 // an answer, with authority: no such name
			answer[7], answer[9], answer[11] = 0, 0, 0
			if end := questionEnd(query[:n]); end > 0 {
				answer = answer[:end]
			}
			c.WriteTo(answer, from)
		}
	}()
	return ip
}

// questionEnd returns where the question of a query ends, 0 where it is cut.
func questionEnd(query []byte) int {
	i := 12
	for i < len(query) && query[i] != 0 {
		i += int(query[i]) + 1
	}
	if i+5 > len(query) {
		return 0
	}
	return i + 5
}
