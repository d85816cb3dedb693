package relay

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"esmtpq/identity"
	"esmtpq/queue"
)

// A parrot is a host that answers each command with the next of its replies,
// whatever they are, and remembers which messages it has taken. It closes the
// connection at an empty reply, and after anything but one proper reply.
type parrot struct {
	mu      sync.Mutex
	replies []string
	taken   map[string]int // messages answered with a proper 2xx
	wg      sync.WaitGroup
}

func (p *parrot) dial(context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	p.wg.Go(func() {
		defer server.Close()
		p.talk(server)
	})
	return client, nil
}

// reply says the next reply, and returns it while the conversation goes on.
func (p *parrot) reply(w io.Writer) (string, bool) {
	p.mu.Lock()
	next := ""
	if len(p.replies) > 0 {
		next, p.replies = p.replies[0], p.replies[1:]
	}
	p.mu.Unlock()
	if next == "" {
		return "", false
	}
	_, err := io.WriteString(w, next+"\r\n")
	rr := newReplyReader(strings.NewReader(next+"\r\n"), nil)
	r, bad := rr.next()
	_, end := rr.br.ReadByte()
	return next, err == nil && bad == nil && r.code != 421 && end == io.EOF
}

func (p *parrot) talk(conn net.Conn) {
	br := bufio.NewReader(conn)
	if _, ok := p.reply(conn); !ok {
		return
	}
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		said, ok := p.reply(conn)
		if !ok {
			return
		}
		if line == "DATA\r\n" && strings.HasPrefix(said, "354") && !p.content(br, conn) {
			return
		}
	}
}

// content takes a content and answers it.
func (p *parrot) content(br *bufio.Reader, conn net.Conn) bool {
	id := ""
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return false
		}
		if s, ok := strings.CutPrefix(line, "Subject: "); ok {
			id = strings.TrimSpace(s)
		}
		if line == ".\r\n" {
			break
		}
	}
	said, ok := p.reply(conn)
	if r, err := newReplyReader(strings.NewReader(said+"\r\n"), nil).next(); err == nil && r.class() == 2 && id != "" {
		p.mu.Lock()
		p.taken[id]++
		p.mu.Unlock()
	}
	return ok
}

// FuzzHost: whatever a host answers, a run ends, every message is answered, and what the
// host has taken is exactly what counts as relayed, once.
func FuzzHost(f *testing.F) {
	const hello, one = "220 mx|250-mx\n250 PIPELINING|", "250 ok|250 ok|354 go|250 queued|"
	for _, s := range []string{
		hello + one + one + one + "221 bye",
		"220 mx|250 mx|" + one + one + one + "221 bye",
		hello + "250 ok|550 no|503 no|250 reset|" + one + one,
		hello + "250 ok|550 no|354 go|250 empty|250 reset|" + one + one,
		hello + "250 ok|250 ok|354 go||" + hello + one + one,
		hello + "250 ok|250 ok|354 go|421 bye|" + hello + one + one + one,
		hello + "||||" + hello + one,
		"220 mx|500 no|250 old|" + one + one + one,
		hello + "503 a|503 b|503 c|" + hello + "530 d|503 e|503 f",
		hello + "250 ok|503 x|354 y|250 z|" + hello + one,
		hello + "250 ok|250 ok|354 go|354 go|" + hello + one,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		p := &parrot{replies: strings.Split(script, "|"), taken: map[string]int{}}
		h := &host{name: "mx", dial: p.dial, tls: identity.TLSOff, helo: "client.example.org", limits: newLimits(patience)}
		src := &testSource{t: t, queue: messages(3)}
		relayed := map[string]int{}
		src.run(context.Background(), h)
		p.wg.Wait()
		for _, line := range src.log {
			id, rest, _ := strings.Cut(line, " ")
			if _, what, _ := strings.Cut(rest, " "); strings.HasPrefix(what, string(queue.Relayed)) {
				relayed[id]++
			}
		}
		for _, d := range src.queue {
			if p.taken[d.ID] != relayed[d.ID] || relayed[d.ID] > 1 {
				t.Fatalf("message %s: taken %d times, relayed %d times\n%s", d.ID, p.taken[d.ID], relayed[d.ID], strings.Join(src.log, "\n"))
			}
		}
	})
}
