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

// A host is a real smart host that the test has started, with the known differences from other
// hosts.
type host struct {
	name   string
	addr   string // in clear
	secure string // submission: STARTTLS and a login; "" if it has none
	sink   *sink
	cert   stage.Certificate

	login          bool // nothing is taken without one, in clear either
	user, password string

	domain    string              // of the recipients; example.net
	badDomain string              // of refused recipients; the same by default
	abroad    string              // a domain that needs a login; "": any
	mailbox   string              // format of the local part of a good recipient; friend%d
	refuse    string              // the words of a refusal
	arrives   func(string) string // the host's own changes of a content
	size      int64               // largest message; 0: none
	utf8      bool                // takes addresses outside ASCII
	line      fate                // of a mail with a line of 2,500 octets
	most      int                 // messages in a connection; 0: no limit
	errors    int                 // errors until it closes, such as refused recipients; 0: no limit
	spare     int                 // additional connections allowed: what kills the host is tried once
	patient   bool                // it makes us wait for seconds: two checks at a time
	slow      bool                // its refusals take long
	sluggish  bool                // so do its messages
	fleeting  bool                // its TLS tickets are good for a second
	cuts      bool                // it passes on what it has of a mail when the connection ends
	unsure    bool                // it answers 4xx to a wrong password
	strict    bool                // it closes after three errors of syntax, those of a first contact among them
}

// A fate is what a host does with an odd content.
type fate int

const (
	kept    fate = iota // passed on unchanged
	altered             // passed on, but changed
	refused
	either // unchanged or refused
)

// newHost makes the description of a host: its addresses, and what most hosts have in common.
func newHost(t *testing.T, name string) *host {
	t.Helper()
	return &host{
		name: name, sink: newSink(t), cert: stage.NewCertificate(t), user: "user", password: "correct-horse",
		addr: freeAddress(t), secure: freeAddress(t), domain: "example.net", badDomain: "example.net", mailbox: "friend%d", utf8: true,
	}
}

// freeAddress returns an address on loopback where nothing listens.
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

// greets reports whether a server at addr begins to speak.
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
