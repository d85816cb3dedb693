package clients

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"esmtpq/tests/stage"
)

// An oddHost speaks enough SMTP to take mail, and what the server of the other tests does not: parameters of
// MAIL, and final replies of its own.
type oddHost struct {
	addr  string
	offer string // line of its reply to EHLO, "" for none
	final string // its reply to a content, with %d for how many it has had

	mu       sync.Mutex
	mails    []string // the parameters of MAIL of what it has taken
	contents []string
}

func newOddHost(t *testing.T, offer string) *oddHost {
	l := stage.Listen(t)
	h := &oddHost{addr: l.Addr().String(), offer: offer, final: "250 2.0.0 kept"}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go h.talk(conn)
		}
	}()
	return h
}

func (h *oddHost) talk(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "220 holding.test ESMTP\r\n")
	content, mail, text := false, "", ""
	for in := bufio.NewScanner(conn); in.Scan(); {
		line := in.Text()
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch {
		case content && line == ".":
			content = false
			h.mu.Lock()
			h.mails, h.contents = append(h.mails, mail), append(h.contents, text)
			fmt.Fprint(conn, strings.ReplaceAll(h.final, "%d", strconv.Itoa(len(h.mails)))+"\r\n")
			h.mu.Unlock()
		case content:
			text += line + "\n"
		case verb == "EHLO":
			fmt.Fprint(conn, "250-holding.test\r\n"+h.offer+"250 ENHANCEDSTATUSCODES\r\n")
		case verb == "DATA":
			content, text = true, ""
			fmt.Fprint(conn, "354 go on\r\n")
		case verb == "QUIT":
			fmt.Fprint(conn, "221 2.0.0 bye\r\n")
			return
		default:
			if verb == "MAIL" {
				_, mail, _ = strings.Cut(line, "> ")
			}
			fmt.Fprint(conn, "250 2.0.0 ok\r\n")
		}
	}
}

func (h *oddHost) taken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.mails...)
}
