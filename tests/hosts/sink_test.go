package hosts

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// An arrival is a mail that a host has passed on.
type arrival struct {
	from    string
	to      []string
	content string // CRLF line ends
}

// A sink takes all mail that a host passes on.
type sink struct {
	t    *testing.T
	addr string
	// If the host runs an agent instead of passing mail on by SMTP, the agent writes here: a file
	// for each mail, with the sender on the first line, the recipients on the second, then the
	// content. "" means no agent.
	dir string
	// What a host adds to the address of each recipient.
	mark string

	mu       sync.Mutex
	arrivals []arrival
	read     map[string]bool // files in dir
}

// newSink starts a sink on loopback for the length of the test.
func newSink(t *testing.T) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &sink{t: t, addr: l.Addr().String(), read: map[string]bool{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.session(c)
		}
	}()
	return s
}

func (s *sink) port() string {
	_, port, _ := net.SplitHostPort(s.addr)
	return port
}

// withAgent makes a directory, and an agent to be called as "agent FROM TO..." with a mail on its
// standard input.
func (s *sink) withAgent() (agent string) {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "esmtpq-sink-")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		s.t.Fatal(err)
	}
	agent = filepath.Join(dir, ".agent")
	write(s.t, agent, `#!/bin/sh
set -e
new=$(mktemp `+dir+`/.XXXXXXXXXX)
{ printf '%s\n' "$1"; shift; printf '%s\n' "$*"; cat; } >"$new"
chmod 644 "$new"
mv "$new" `+dir+`/"$(date +%s%N)${new##*/}"
`, 0o755)
	s.dir = dir
	return agent
}

// all returns the mail that has arrived, in order.
func (s *sink) all() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir != "" {
		files, _ := filepath.Glob(filepath.Join(s.dir, "[^.]*"))
		sort.Strings(files)
		for _, file := range files {
			if !s.read[file] {
				s.read[file] = true
				s.arrivals = append(s.arrivals, s.parse(stage.Read(s.t, file)))
			}
		}
	}
	return slices.Clone(s.arrivals)
}

// parse parses a file that the agent has written.
func (s *sink) parse(file string) arrival {
	from, rest, _ := strings.Cut(file, "\n")
	to, content, _ := strings.Cut(rest, "\n")
	content = strings.ReplaceAll(strings.ReplaceAll(content, "\r\n", "\n"), "\n", "\r\n")
	return arrival{from, strings.Fields(strings.ReplaceAll(to, s.mark, "")), content}
}

func (s *sink) session(c net.Conn) {
	defer c.Close()
	r, w := bufio.NewReaderSize(c, 64<<10), bufio.NewWriter(c)
	say := func(line string) {
		w.WriteString(line + "\r\n")
		if r.Buffered() == 0 {
			w.Flush()
		}
	}
	say("220 sink.test ESMTP")
	var a arrival
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		switch verb, arg, _ := strings.Cut(line, " "); strings.ToUpper(verb) {
		case "EHLO":
			say("250-sink.test\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES")
		case "MAIL":
			a = arrival{from: address(arg)}
			say("250 2.1.0 ok")
		case "RCPT":
			if strings.HasPrefix(address(arg), "bad") {
				say("550 5.1.1 No such user here")
				continue
			}
			a.to = append(a.to, address(arg))
			say("250 2.1.5 ok")
		case "DATA":
			if len(a.to) == 0 {
				say("554 5.5.1 no valid recipients")
				continue
			}
			w.WriteString("354 go on\r\n")
			w.Flush()
			if a.content, err = readDots(r); err != nil {
				return
			}
			s.mu.Lock()
			s.arrivals = append(s.arrivals, a)
			s.mu.Unlock()
			say("250 2.0.0 taken")
			a = arrival{}
		case "HELO", "RSET", "NOOP":
			a = arrival{}
			say("250 2.0.0 ok")
		case "QUIT":
			say("221 2.0.0 bye")
			w.Flush()
			return
		default:
			say("502 5.5.2 not known")
		}
	}
}

func address(arg string) string {
	_, arg, _ = strings.Cut(arg, "<")
	end := strings.LastIndexByte(arg, '>')
	if end < 0 {
		return arg
	}
	if mail, _, ok := strings.Cut(arg, "> "); ok {
		return mail
	}
	return arg[:end]
}

// readDots reads a content up to its final dot, octet for octet: a lone LF ends no line.
func readDots(r *bufio.Reader) (string, error) {
	var content []byte
	for begins := true; ; {
		line, err := r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
		if begins && bytes.Equal(line, []byte(".\r\n")) {
			return string(content), nil
		}
		if begins && line[0] == '.' {
			line = line[1:]
		}
		content = append(content, line...)
		begins = bytes.HasSuffix(content, []byte("\r\n"))
	}
}

// await waits until enough mail has arrived, or no more arrives for long, and returns all.
func (s *sink) await(enough func([]arrival) bool) []arrival {
	last, since := -1, time.Now()
	for {
		all := s.all()
		if len(all) != last {
			last, since = len(all), time.Now()
		}
		quiet := time.Since(since)
		if quiet > settles || quiet > lingers && enough(all) {
			return all
		}
		time.Sleep(10 * time.Millisecond)
	}
}

const (
	settles = 8 * time.Second        // longer than a host takes between two mails that it passes on
	lingers = 150 * time.Millisecond // for a copy that should not come
)
