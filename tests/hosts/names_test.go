package hosts

import (
	"bytes"
	"net"
	"testing"
)

// newNames starts a name server on loopback and returns its address. It is for hosts that would
// wait for an answer that cannot come, or that do not read /etc/hosts. It only knows localhost.
func newNames(t *testing.T) string {
	t.Helper()
	ip := ownAddress()
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
			if end := questionEnd(query[:n]); end > 0 {
				c.WriteTo(reply(query[:end]), from)
			}
		}
	}()
	return ip
}

// reply answers a query, which ends with its question.
func reply(query []byte) []byte {
	answer := bytes.Clone(query)
	answer[2], answer[3] = 0x84|answer[2]&1, 0x80 // an answer, with authority
	answer[7], answer[9], answer[11] = 0, 0, 0
	question := answer[12:]
	switch {
	case !bytes.HasPrefix(question, []byte("\x09localhost\x00")):
		answer[3] |= 3 // no such name
	case bytes.HasSuffix(question, []byte{0, 1, 0, 1}): // its address
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
	}
	return answer
}

// questionEnd returns where the question of a query ends, 0 if it is cut short.
func questionEnd(query []byte) int {
	i := 12 // after the header
	for i < len(query) && query[i] != 0 {
		i += int(query[i]) + 1
	}
	if i+5 > len(query) {
		return 0
	}
	return i + 5
}
