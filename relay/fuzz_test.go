package relay

import (
	"bufio"
	"context"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// A parrot is a host that answers each command with the next of its replies,
// whatever they are, and remembers which messages it has taken. It closes the
// connection at an empty reply, and after anything but one proper reply.
type parrot struct {
	single bool // of a reply that is more than one, only the first is said

	mu      sync.Mutex
	replies []string
	taken   map[string]int // recipients, by message and address, of messages answered with a proper 2xx
	empty   bool           // a content came for which there was no recipient
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

// reply says the next reply, and returns its code, and whether the conversation goes on.
func (p *parrot) reply(w io.Writer) (int, bool) {
	p.mu.Lock()
	next := ""
	if len(p.replies) > 0 {
		next, p.replies = p.replies[0], p.replies[1:]
	}
	p.mu.Unlock()
	if next == "" {
		return 0, false
	}
	next += "\r\n"
	code, rest := oneReply(next)
	if p.single && code != 0 {
		next = next[:len(next)-len(rest)]
	}
	_, err := io.WriteString(w, next)
	return code, err == nil && code != 0 && code != 421 && rest == ""
}

// oneReply takes the first reply off what is said, in the plainest of ways; code 0 where there is
// none that is proper.
func oneReply(said string) (code int, rest string) {
	noise, lines, size := 0, 0, 0
	for {
		line, rest, found := strings.Cut(said, "\n")
		said = rest
		if !found || len(line) >= 4096 || strings.Contains(line, "\x00") {
			return 0, ""
		}
		line = strings.TrimSuffix(line, "\r")
		if size += len(line) + 2; size > 65536 || lines >= 256 {
			return 0, ""
		}
		n, err := strconv.Atoi(line[:min(3, len(line))])
		if err != nil || len(line) < 3 || n < 200 || n > 599 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
			if noise++; noise > 16 {
				return 0, ""
			}
			continue
		}
		if code != 0 && n != code {
			return 0, ""
		}
		code, lines = n, lines+1
		if len(line) == 3 || line[3] == ' ' {
			return code, said
		}
	}
}

// accepts reports whether a code is of class 2.
func accepts(code int) bool { return code/100 == 2 }

func (p *parrot) talk(conn net.Conn) {
	br := bufio.NewReader(conn)
	if _, ok := p.reply(conn); !ok {
		return
	}
	var rcpts []string            // that were accepted
	content, refused := "", false // what has come in chunks; one of them was refused
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		chunk, last, isChunk, err := takeChunk(br, line)
		if err != nil {
			return
		}
		content += chunk
		code, ok := p.reply(conn)
		switch {
		case strings.HasPrefix(line, "MAIL "), line == "RSET\r\n":
			rcpts, content, refused = nil, "", false
		case strings.HasPrefix(line, "RCPT "):
			if accepts(code) {
				_, to, _ := strings.Cut(line, "<")
				rcpts = append(rcpts, to[:strings.Index(to, ">")])
			}
		case isChunk:
			refused = refused || !accepts(code)
			if last && !refused {
				p.take(content, rcpts)
			}
			if last {
				content, refused = "", false
			}
		}
		if !ok {
			return
		}
		if line == "DATA\r\n" && code == 354 && !p.content(br, conn, rcpts) {
			return
		}
	}
}

// take counts a message as taken for its recipients.
func (p *parrot) take(content string, rcpts []string) {
	first, _, _ := strings.Cut(content, "\r\n")
	id, ok := strings.CutPrefix(first, "Subject: ")
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, to := range rcpts {
		p.taken[id+" "+to]++
	}
}

// takeChunk takes the chunk behind a BDAT.
func takeChunk(br *bufio.Reader, line string) (chunk string, last, isChunk bool, err error) {
	args, isChunk := strings.CutPrefix(line, "BDAT ")
	if !isChunk {
		return "", false, false, nil
	}
	size, word, _ := strings.Cut(strings.TrimSpace(args), " ")
	n, err := strconv.Atoi(size)
	if err != nil {
		return "", false, true, err
	}
	buf := make([]byte, n)
	_, err = io.ReadFull(br, buf)
	return string(buf), word == "LAST", true, err
}

// content takes a content and answers it.
func (p *parrot) content(br *bufio.Reader, conn net.Conn, rcpts []string) bool {
	var content strings.Builder
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		content.WriteString(line)
	}
	if len(rcpts) == 0 {
		p.mu.Lock()
		p.empty = true
		p.mu.Unlock()
	}
	code, ok := p.reply(conn)
	if accepts(code) {
		p.take(content.String(), rcpts)
	}
	return ok
}

// FuzzHost: whatever a host answers, a run ends, every message is answered, and what the host has
// taken is exactly what counts as relayed, once; or in doubt, where its replies to what went behind
// a final dot made no sense.
func FuzzHost(f *testing.F) {
	const hello, one = "220 mx|250-mx\n250 PIPELINING|", "250 ok|250 ok|354 go|250 queued|"
	for _, s := range []string{
		hello + one + one + one + "221 bye",
		"220 mx|250 mx|" + one + one + one + "221 bye",
		hello + one + "250 reset|" + one + "250 reset|" + one + "221 bye",
		hello + one + "250 reset|503 a|503 b|503 c|" + one + one + "221 bye",
		hello + "250 ok|550 no|503 no|250 reset|" + one + one,
		hello + "250 ok|550 no|354 go|250 empty|250 reset|" + one + one,
		hello + "250 ok|250 ok|354 go||" + hello + one + one,
		hello + "250 ok|250 ok|354 go|421 bye|" + hello + one + one + one,
		hello + "||||" + hello + one,
		"220 mx|500 no|250 old|" + one + one + one,
		hello + "503 a|503 b|503 c|" + hello + "530 d|503 e|503 f",
		hello + "250 ok|503 x|354 y|250 z|" + hello + one,
		hello + "250 ok|250 ok|354 go|354 go|" + hello + one,
		hello + "250 ok|\n250 ok|hm\n354 go|\n\n250 queued|" + "250 reset|" + one,
		"hm\n" + hello + one,
		hello + one + "250 reset|452 a|503 b|503 c||" + hello + one,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		checkHost(t, &host{}, &parrot{replies: strings.Split(script, "|")}, messages(3))
	})
}

// FuzzSeriesHost is the same for a host that is known to drain. It gives no more than one reply to
// a command: with one that gives more nothing can be known of a window.
func FuzzSeriesHost(f *testing.F) {
	const hello, one = "220 mx|250-mx\n250-PIPELINING\n250 CHUNKING|", "250 ok|250 ok|250 chunk|250 queued|"
	const next, no = "250 reset|" + one, "250 reset|250 ok|550 no|503 no|503 no|"
	for _, s := range []string{
		hello + one + next + next + next + next + next + "250 reset|221 bye",
		hello + one + no + next + no + no + next + "250 reset|221 bye",
		hello + one + "250 reset|550 no|503 no|503 no|503 no|" + next + next + next + next,
		hello + one + next + "250 reset|250 ok|||" + hello + one + next,
		hello + one + next + "250 reset|250 ok|421 bye|" + hello + one + next + next + next,
		hello + one + "250 reset|421 bye|" + hello + one + next + next + next + next,
		hello + "250 ok|250 ok|552 no|503 no|250 reset|250 ok|250 ok|552 no||" + hello + one,
		hello + "250 ok|250 ok|552 no|250 queued|" + next + next + next,
		hello + "250 ok|250 ok|552 no|" + next + "250 reset|503 a|250 b|250 c|" + next,
		hello + one + "250 reset|550 no|250 ok|250 chunk|250 queued|" + next + next + next,
		hello + "250 ok|250 ok|354 go|" + one,
		hello + "500 line too long||" + hello + one + next + next,
		"220 mx|250-mx\n250-PIPELINING\n250-DSN\n250 CHUNKING|503 a|250 b|503 c|250 b|" + one + "250 b|503 a|250 b|" + one + next + next,
		"220 mx|250-mx\n250-PIPELINING\n250-DSN\n250 CHUNKING|503 a|250 b|250 c|" + hello + one + next + next,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		h := &host{}
		h.memory.run = known{Drains: true, Counts: true, Steady: true,
			Print: smtp.Fingerprint("mx", smtp.Extensions{"PIPELINING": "", "CHUNKING": ""})}
		checkHost(t, h, &parrot{replies: strings.Split(script, "|"), single: true}, messages(6))
	})
}

// A singleSource has nothing waiting, so there is never a series.
type singleSource struct{ *testSource }

func (singleSource) Backlog() int { return 0 }

// FuzzRecipients is the same for messages to several recipients.
func FuzzRecipients(f *testing.F) {
	const hello, chunking = "220 mx|250-mx\n250 PIPELINING|", "220 mx|250-mx\n250-PIPELINING\n250 CHUNKING|"
	const one, next = "250 ok|250 ok|250 ok|354 go|250 queued|", "250 reset|250 ok|250 ok|550 no|250 chunk|250 queued|"
	for _, s := range []string{
		hello + one + one + one + one + "221 bye",
		hello + "250 ok|550 no|250 ok|354 go|250 queued|250 reset|" + one + "250 reset|" + one,
		hello + "250 ok|550 no|450 no|503 no|250 reset|" + one + "250 reset|" + one,
		hello + "250 ok|250 ok|452 4.5.3 too many|354 go|250 queued|250 reset|" + one + "250 reset|250 ok|250 ok|354 go|250 queued",
		hello + "250 ok|250 ok|530 login|354 go|250 queued|250 reset|" + one,
		hello + "250 ok|550 no|550 no|354 go|250 queued|" + one,
		hello + "503 no|250 ok|250 ok|354 go|250 queued|" + one,
		hello + "250 ok|250 ok|550 no||" + hello + one + "250 reset|" + one,
		chunking + next[10:] + next + next + next + "250 reset",
		chunking + "250 ok|250 ok|421 no||" + chunking + next[10:] + next,
		chunking + "250 ok|550 no|550 no|503 no|503 no|" + next + next + next + "250 reset",
	} {
		f.Add(s, strings.HasPrefix(s, chunking))
	}
	f.Fuzz(func(t *testing.T, script string, single bool) {
		h := &host{}
		h.memory.run = known{Drains: true, Counts: true, Steady: true,
			Print: smtp.Fingerprint("mx", smtp.Extensions{"PIPELINING": "", "CHUNKING": ""})}
		var all []*queue.Delivery
		for _, id := range []string{"1", "2", "3", "4"} {
			all = append(all, message(id, "x"+id+"@example.com", "y"+id+"@example.com"))
		}
		checkHost(t, h, &parrot{replies: strings.Split(script, "|"), single: single}, all)
	})
}

// checkHost carries messages to a host. What is relayed was taken, and what was taken is relayed,
// or in doubt; in doubt is only what had something behind it with a host that made no sense.
// Nothing is sent to nobody.
func checkHost(t *testing.T, h *host, p *parrot, all []*queue.Delivery) {
	p.taken = map[string]int{}
	h.name, h.dial = "mx", p.dial
	h.config = smtp.Config{Name: "mx", Helo: "client.example.org", Limits: smtp.NewLimits(patience)}
	src := &testSource{t: t, queue: all}
	w := worker{ctx: context.Background(), host: h, src: singleSource{src}}
	if p.single {
		w.src = src
	}
	w.run()
	p.wg.Wait()
	relayed, unsure := map[string]int{}, map[string]int{}
	for _, line := range src.log {
		words := strings.SplitN(line, " ", 3)
		name := words[0] + " " + words[1]
		if strings.HasPrefix(words[2], string(queue.Relayed)) {
			relayed[name]++
		}
		if strings.Contains(words[2], " unsure ") {
			unsure[name]++
		}
	}
	for _, d := range src.queue {
		for i := range d.Recipients {
			name := d.ID + " " + d.Recipients[i].Address
			taken, told := p.taken[name], relayed[name]
			if taken > 1 || told > taken || told < taken && unsure[name] == 0 {
				t.Fatalf("%s: taken %d times, relayed %d times\n%s", name, taken, told, strings.Join(src.log, "\n"))
			}
			if slices.Contains(src.queue[:src.drawn], d) && !src.reported[key(d, i)] {
				t.Fatalf("%s was drawn and not reported", name)
			}
		}
	}
	if p.empty {
		t.Fatalf("a content was sent to nobody\n%s", strings.Join(src.log, "\n"))
	}
}
