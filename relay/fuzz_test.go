package relay

import (
	"bufio"
	"context"
	"io"
	"net"
	"strconv"
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
	single bool // of a reply that is more than one, only the first is said

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
	said := strings.NewReader(next + "\r\n")
	rr := newReplyReader(said, nil)
	r, bad := rr.next()
	_, end := rr.br.ReadByte()
	if p.single && bad == nil && end == nil {
		next = next[:len(next)+2-said.Len()-rr.br.Buffered()-1-2]
	}
	_, err := io.WriteString(w, next+"\r\n")
	return next, err == nil && bad == nil && r.code != 421 && end == io.EOF
}

func (p *parrot) talk(conn net.Conn) {
	br := bufio.NewReader(conn)
	if _, ok := p.reply(conn); !ok {
		return
	}
	rcpts := false // some were accepted
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		id := ""
		if strings.HasPrefix(line, "BDAT ") {
			if id, err = chunkID(br, line); err != nil {
				return
			}
		}
		said, ok := p.reply(conn)
		switch {
		case strings.HasPrefix(line, "MAIL "), line == "RSET\r\n":
			rcpts = false
		case strings.HasPrefix(line, "RCPT "):
			rcpts = rcpts || accepts(said)
		case id != "" && rcpts && accepts(said):
			p.mu.Lock()
			p.taken[id]++
			p.mu.Unlock()
		}
		if !ok {
			return
		}
		if line == "DATA\r\n" && strings.HasPrefix(said, "354") && !p.content(br, conn) {
			return
		}
	}
}

// accepts tells whether a reply begins with a proper 2xx.
func accepts(said string) bool {
	r, err := newReplyReader(strings.NewReader(said+"\r\n"), nil).next()
	return err == nil && r.class() == 2
}

// chunkID takes the chunk behind a BDAT, and returns which message it ends, if it does.
func chunkID(br *bufio.Reader, line string) (string, error) {
	size, last, _ := strings.Cut(strings.TrimSpace(line[len("BDAT "):]), " ")
	n, err := strconv.Atoi(size)
	if err != nil {
		return "", err
	}
	chunk := make([]byte, n)
	if _, err := io.ReadFull(br, chunk); err != nil || last != "LAST" {
		return "", err
	}
	first, _, _ := strings.Cut(string(chunk), "\r\n")
	id, _ := strings.CutPrefix(first, "Subject: ")
	return id, nil
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
	if accepts(said) && id != "" {
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
		h := &host{}
		h.chunking.refused = true
		checkHost(t, h, &parrot{replies: strings.Split(script, "|")}, 3)
	})
}

// FuzzBurstHost is the same for a host that is known to drain. It gives no more than one reply to a
// command: with one that gives more nothing can be known of a window.
func FuzzBurstHost(f *testing.F) {
	const hello, one = "220 mx|250-mx\n250-PIPELINING\n250 CHUNKING|", "250 ok|250 ok|250 queued|"
	const next, no = "250 reset|" + one, "250 reset|250 ok|550 no|503 no|"
	for _, s := range []string{
		hello + one + next + next + next + next + next + "221 bye",
		hello + one + no + next + no + no + next + "221 bye",
		hello + one + "250 reset|550 no|503 no|503 no|" + next + next + next + next,
		hello + one + next + "250 reset|250 ok|||" + hello + one + next,
		hello + one + next + "250 reset|250 ok|421 bye|" + hello + one + next + next + next,
		hello + one + "250 reset|421 bye|" + hello + one + next + next + next + next,
		hello + "250 ok|250 ok|552 no|250 reset|250 ok|250 ok|552 no||" + hello + one,
		hello + "250 ok|250 ok|552 no|" + next + "250 reset|503 a|250 b|250 c|" + next,
		hello + "250 ok|250 ok|354 go|" + one,
		"220 mx|250-mx\n250-PIPELINING\n250-DSN\n250 CHUNKING|503 a|250 b|503 c|250 d|" + one + next + next,
		"220 mx|250-mx\n250-PIPELINING\n250-DSN\n250 CHUNKING|503 a|250 b|250 c|" + hello + one + next + next,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		checkHost(t, drained(&host{}), &parrot{replies: strings.Split(script, "|"), single: true}, 6)
	})
}

// checkHost carries n messages to a host. What is relayed was taken, and what was taken is relayed, or in
// doubt; in doubt is only what a burst had in flight with a host that made no sense.
func checkHost(t *testing.T, h *host, p *parrot, n int) {
	p.taken = map[string]int{}
	h.name, h.dial, h.tls, h.helo, h.limits = "mx", p.dial, identity.TLSOff, "client.example.org", newLimits(patience)
	src := &testSource{t: t, queue: messages(n)}
	relayed, unsure := map[string]int{}, map[string]int{}
	src.run(context.Background(), h)
	p.wg.Wait()
	for _, line := range src.log {
		id, rest, _ := strings.Cut(line, " ")
		_, what, _ := strings.Cut(rest, " ")
		if strings.HasPrefix(what, string(queue.Relayed)) {
			relayed[id]++
		}
		if strings.HasPrefix(what, "delayed/session unsure ") && p.single {
			unsure[id]++
		}
	}
	for _, d := range src.queue {
		taken, told := p.taken[d.ID], relayed[d.ID]
		if taken > 1 || told > taken || told < taken && unsure[d.ID] == 0 {
			t.Fatalf("message %s: taken %d times, relayed %d times\n%s", d.ID, taken, told, strings.Join(src.log, "\n"))
		}
	}
}
