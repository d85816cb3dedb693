package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
)

// Limits of replies. RFC 5321, 4.5.3.1.5 has 512 octets for a line; hosts put URLs and tracking
// words beyond that.
const (
	maxReplyLine  = 4 << 10  // octets in a line, its end included
	maxReply      = 64 << 10 // octets in a reply
	maxReplyLines = 256
	maxNoise      = 16 // lines that are no reply, before a reply
)

// A garbageError says in which way the words of a host are not SMTP.
type garbageError string

func (e garbageError) Error() string { return string(e) }

// errLineTooLong and the others are what can be wrong with a reply.
const (
	errLineTooLong  garbageError = "a reply line longer than 4096 octets"
	errReplyTooLong garbageError = "a reply longer than 65536 octets or 256 lines"
	errNoise        garbageError = "line after line without a reply code"
	errNUL          garbageError = "a reply with a NUL octet"
	errMixedCodes   garbageError = "a reply whose lines have different codes"
	errUnsolicited  garbageError = "a reply before anything was asked"
	errContinued    garbageError = "\"+\" in place of a reply"
)

// A replyReader reads replies, and no more of them than are asked for. The connection has the
// time limits.
//
// A line that is no reply, such as an empty one, is skipped: hosts, and devices in between, send
// such lines, and taking one for a lost session would send an accepted message again. Before the
// greeting they are errors, see strict.
type replyReader struct {
	br     *bufio.Reader
	hide   []string                    // secrets to be masked in the words of a host
	trace  func(dir byte, line string) // may be nil
	strict bool                        // a line that is no reply is an error, which quotes it
	// challenged says that a line which begins with "+ " is an error: Yahoo was seen to write a
	// challenge as POP does.
	challenged bool
	noise      string // the last line that was skipped, to be quoted in a reason

	spelled []string // hide, when it was spelled
	secrets []spelling
}

func newReplyReader(r io.Reader, trace func(byte, string)) *replyReader {
	return &replyReader{br: bufio.NewReaderSize(r, maxReplyLine), trace: trace}
}

// next reads one reply. An error that is not a garbageError is that of the connection; it is
// io.ErrUnexpectedEOF if that ended inside a reply.
func (rr *replyReader) next() (*Reply, error) {
	lines, rest, err := rr.gather()
	rr.conceal(lines, rest)
	for _, line := range lines {
		if rr.trace != nil {
			rr.trace('<', line)
		}
	}
	r := &Reply{}
	for _, line := range lines {
		code, _, text, ok := splitReplyLine(line)
		switch {
		case ok:
			r.Code = code
			r.add(text)
			continue
		case strings.TrimSpace(line) == "":
			continue
		}
		r.noisy = true
		rr.noise = shorten(strings.TrimSpace(line), 200)
		if rr.strict {
			return nil, garbageError("\"" + rr.noise + "\", which is no SMTP,")
		}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// gather reads the lines of a reply, and of what stands before it. With an error they are those up to it. rest, if not nil,
// is the start of a line that has no end.
func (rr *replyReader) gather() (lines []string, rest *string, err error) {
	size, noise, first, replies := 0, 0, 0, 0
	for {
		b, err := rr.br.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return lines, nil, errLineTooLong
		case err != nil && len(b) > 0:
			line := string(b)
			rest = &line
			fallthrough
		case err != nil:
			if err == io.EOF && (rest != nil || replies > 0) {
				err = io.ErrUnexpectedEOF
			}
			return lines, rest, err
		}
		line := strings.TrimSuffix(string(b[:len(b)-1]), "\r")
		lines = append(lines, line)
		if size += len(line) + 2; size > maxReply || replies >= maxReplyLines {
			return lines, nil, errReplyTooLong
		}
		code, more, _, ok := splitReplyLine(line)
		switch {
		case strings.IndexByte(line, 0) >= 0:
			return lines, nil, errNUL
		case !ok:
			if noise++; noise > maxNoise {
				return lines, nil, errNoise
			}
			if rr.challenged && (line == "+" || strings.HasPrefix(line, "+ ")) {
				return lines, nil, errContinued
			}
			if rr.strict && strings.TrimSpace(line) != "" {
				return lines, nil, errNoise
			}
			continue
		case replies > 0 && code != first:
			return lines, nil, errMixedCodes
		}
		first = code
		if replies++; !more {
			return lines, nil, nil
		}
	}
}

// holds reports whether another whole reply has arrived already.
func (rr *replyReader) holds() bool {
	b, _ := rr.br.Peek(rr.br.Buffered())
	for line := range bytes.Lines(b) {
		if _, more, _, ok := splitReplyLine(string(bytes.TrimRight(line, "\r\n"))); ok && !more && line[len(line)-1] == '\n' {
			return true
		}
	}
	return false
}

// skipEmpty skips empty lines that have arrived already.
func (rr *replyReader) skipEmpty() {
	for {
		b, _ := rr.br.Peek(rr.br.Buffered())
		n := bytes.IndexFunc(b, func(c rune) bool { return c != '\r' && c != '\n' })
		if n < 0 {
			n = len(b)
		}
		if n == 0 {
			return
		}
		rr.br.Discard(n)
	}
}

// conceal masks secrets in the lines of a reply, and notes rest, which has no end, to be quoted. A reply's words end up in the
// queue, in mailq and in transcripts, and a host may repeat a secret in them.
func (rr *replyReader) conceal(lines []string, rest *string) {
	all := lines
	if rest != nil {
		all = append(slices.Clip(lines), *rest)
	}
	if len(rr.hide) > 0 {
		if !slices.Equal(rr.hide, rr.spelled) {
			rr.spelled, rr.secrets = slices.Clone(rr.hide), spellings(rr.hide)
		}
		mask(all, rr.secrets, rest != nil)
		copy(lines, all)
	}
	if rest != nil {
		rr.noise = shorten(strings.TrimSpace(all[len(lines)]), 200)
	}
}

// shorten returns at most n octets of s.
func shorten(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
