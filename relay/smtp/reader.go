package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
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
	noise  string                      // the last line that was skipped, to be quoted in a reason
}

func newReplyReader(r io.Reader, trace func(byte, string)) *replyReader {
	return &replyReader{br: bufio.NewReaderSize(r, maxReplyLine), trace: trace}
}

// next reads one reply. An error that is not a garbageError is that of the connection; it is
// io.ErrUnexpectedEOF if that ended inside a reply.
func (rr *replyReader) next() (*Reply, error) {
	r := &Reply{}
	size, noise := 0, 0
	for {
		line, err := rr.line()
		if err == io.EOF && len(r.Lines) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if size += len(line) + 2; size > maxReply || len(r.Lines) >= maxReplyLines {
			return nil, errReplyTooLong
		}
		code, more, text, ok := splitReplyLine(line)
		switch {
		case strings.IndexByte(line, 0) >= 0:
			return nil, errNUL
		case !ok:
			if noise++; noise > maxNoise {
				return nil, errNoise
			}
			r.noisy = r.noisy || strings.TrimSpace(line) != ""
			if err := rr.passOver(line); err != nil {
				return nil, err
			}
			continue
		case len(r.Lines) > 0 && code != r.Code:
			return nil, errMixedCodes
		}
		r.Code = code
		r.add(text)
		if !more {
			return r, nil
		}
	}
}

// passOver notes a line that is no reply. If it must not be skipped, it is returned as an error.
func (rr *replyReader) passOver(line string) error {
	if line = strings.TrimSpace(line); line != "" {
		rr.noise = shorten(line, 200)
	}
	if rr.strict && line != "" {
		return garbageError("\"" + rr.noise + "\", which is no SMTP,")
	}
	return nil
}

// line reads one line and returns it without its end.
func (rr *replyReader) line() (string, error) {
	b, err := rr.br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errLineTooLong
	case err != nil && len(b) > 0:
		rr.noise = shorten(strings.TrimSpace(rr.hidden(string(b))), 200)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	case err != nil:
		return "", err
	}
	s := rr.hidden(strings.TrimSuffix(string(b[:len(b)-1]), "\r"))
	if rr.trace != nil {
		rr.trace('<', s)
	}
	return s, nil
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

// hidden returns a line without secrets. A reply's words end up in the queue, in mailq and in
// transcripts, and a host may repeat a secret in them. The code of a reply stays.
func (rr *replyReader) hidden(s string) string {
	code := 0
	if _, _, _, ok := splitReplyLine(s); ok {
		code = min(4, len(s))
	}
	text := s[code:]
	for _, secret := range rr.hide {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return s[:code] + text
}

// shorten returns at most n octets of s.
func shorten(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
