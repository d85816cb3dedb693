package hosts

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// A host is a real smart host that the test has started, and what is known of it beforehand: how it
// differs from others for good reason.
type host struct {
	name   string
	addr   string // in clear
	secure string // submission: STARTTLS and a login; "" where it has none
	sink   *sink
	cert   stage.Certificate

	login          bool // in clear, too, nothing is taken without one
	user, password string

	domain    string              // of the recipients; example.net
	badDomain string              // of those who are refused; the same
	abroad    string              // a domain that only those who are logged in may write to; "": any
	mailbox   string              // fmt for the local part of a good recipient; friend%d
	refuse    string              // the words of a refusal
	arrives   func(string) string // what the host itself makes of a content
	size      int64               // largest message; 0: none
	utf8      bool                // takes addresses beyond ASCII
	nul       fate                // what becomes of a mail with a NUL
	line      fate                // of a line of 2,500 octets
	most      int                 // messages of a connection; 0: no limit
	errors    int                 // of a connection, until it is closed; a refused recipient is one; 0: no limit
	spare     int                 // connections that there may be beyond what there must: what the host does not survive is tried once
	patient   bool                // it lets us wait for seconds: two checks at a time
	slow      bool                // a refusal takes it long
	loose     bool                // delivers what a lost connection has cut short (maddy within DATA)
}

// A fate is what a host makes of an odd content.
type fate int

const (
	kept    fate = iota // passed on as it is
	altered             // passed on, but not as it was
	refused
	either // as it is, or refused
)

// newHost makes the description of a host: where it is to listen, and what most have in common.
func newHost(t *testing.T, name string) *host {
	t.Helper()
	return &host{
		name: name, sink: newSink(t), cert: stage.NewCertificate(t), user: "user", password: "correct-horse",
		addr: freeAddress(t), secure: freeAddress(t), domain: "example.net", badDomain: "example.net", mailbox: "friend%d", utf8: true,
	}
}

// freeAddress returns one on loopback where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// ownAddress returns an address of loopback where no other host of a test is, for one that must
// have a certain port.
func ownAddress() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+os.Getpid()%250, 1+os.Getpid()/250%250, 1+series.Add(1)%250)
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func (h *host) good(i int) string { return fmt.Sprintf(h.mailbox, i) + "@" + h.domain }

// bad returns a recipient whom the host refuses.
func (h *host) bad(i int) string { return fmt.Sprintf("bad%d@%s", i, h.badDomain) }

// awaitReady waits until the host greets at each of its addresses.
func (h *host) awaitReady(t *testing.T, p *process) {
	t.Helper()
	for _, addr := range []string{h.addr, h.secure} {
		if addr != "" {
			p.awaitGreeting(t, addr)
		}
	}
}

// awaitGreeting waits until the process greets at addr, as long as it runs.
func (p *process) awaitGreeting(t *testing.T, addr string) {
	t.Helper()
	stage.Await(t, "greeted at "+addr, func() bool {
		if p.ended() {
			t.Fatalf("%q has ended", p.cmd.Args[0])
		}
		return greets(addr)
	})
}

// greets reports whether somebody at addr begins to speak.
func greets(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	greeting := make([]byte, 512)
	n, _ := c.Read(greeting)
	if !strings.HasPrefix(string(greeting[:n]), "220") {
		return false
	}
	fmt.Fprint(c, "QUIT\r\n")
	c.Read(greeting)
	return true
}
