package relay

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Limits of what a host may say. RFC 5321, 4.5.3.1.5 has 512 octets a line;
// hosts put URLs and tracking words behind that.
const (
	maxReplyLine  = 4 << 10  // octets in a line, its end included
	maxReply      = 64 << 10 // octets in a reply
	maxReplyLines = 256
	maxText       = 1 << 10 // octets of a reply's text that are kept
)

// A reply is one reply of the host, checked: all its lines have the same code.
type reply struct {
	code   int      // 200 to 599
	status string   // enhanced status code (RFC 2034) whose class agrees with code; else ""
	lines  []string // text of the lines, without code and enhanced status code; any octets
}

// class returns the first digit of the code.
func (r *reply) class() int { return r.code / 100 }

// enhanced returns the enhanced status code, class.0.0 where none was given.
func (r *reply) enhanced() string {
	if r.status != "" {
		return r.status
	}
	return strconv.Itoa(r.class()) + ".0.0"
}

// text returns the host's words on one line, cut to a length fit to be kept.
func (r *reply) text() string {
	s := strings.TrimSpace(strings.Join(r.lines, " "))
	if len(s) > maxText {
		s = s[:maxText]
	}
	return s
}

// words returns the host's words, or ours where it had none.
func (r *reply) words(at stage) string {
	if s := r.text(); s != "" {
		return s
	}
	if r.class() == 2 {
		return "accepted"
	}
	return "the host answered " + strconv.Itoa(r.code) + " to " + string(at) + " without a word of explanation"
}

// A garbageError says in which way what a host said is not SMTP.
type garbageError string

func (e garbageError) Error() string { return string(e) }

// errLineTooLong and the others are what a reply can do wrong.
const (
	errLineTooLong  garbageError = "a reply line longer than 4096 octets"
	errReplyTooLong garbageError = "a reply longer than 65536 octets or 256 lines"
	errNoCode       garbageError = "a reply without a reply code"
	errNUL          garbageError = "a reply with a NUL octet"
	errMixedCodes   garbageError = "a reply whose lines have different codes"
	errUnsolicited  garbageError = "a reply before anything was asked"
)

// A replyReader reads replies, and no more of them than are asked for. Time
// limits are the connection's business.
type replyReader struct {
	br    *bufio.Reader
	hide  []string                    // what must not be kept or shown of what a host says
	trace func(dir byte, line string) // may be nil
}

func newReplyReader(r io.Reader, trace func(byte, string)) *replyReader {
	return &replyReader{br: bufio.NewReaderSize(r, maxReplyLine), trace: trace}
}

// next reads one reply. An error that is not a garbageError is the
// connection's; io.ErrUnexpectedEOF where it ended inside a reply.
func (rr *replyReader) next() (*reply, error) {
	r := &reply{}
	size := 0
	for n := 0; ; n++ {
		line, err := rr.line()
		if err == io.EOF && n > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if size += len(line) + 2; size > maxReply || n >= maxReplyLines {
			return nil, errReplyTooLong
		}
		code, more, text, err := splitReplyLine(line)
		if err != nil {
			return nil, err
		}
		if n > 0 && code != r.code {
			return nil, errMixedCodes
		}
		r.code = code
		r.add(text)
		if !more {
			return r, nil
		}
	}
}

// line reads one line and returns it without its end.
func (rr *replyReader) line() (string, error) {
	b, err := rr.br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errLineTooLong
	case err == io.EOF && len(b) > 0:
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	s := rr.hidden(strings.TrimSuffix(string(b[:len(b)-1]), "\r"))
	if rr.trace != nil {
		rr.trace('<', s)
	}
	return s, nil
}

// hidden returns a line without secrets. A reply's words end up in the queue, in mailq and in
// transcripts, and a host may well repeat there what it was told.
func (rr *replyReader) hidden(s string) string {
	if len(s) <= 4 {
		return s
	}
	text := s[4:]
	for _, secret := range rr.hide {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return s[:4] + text
}

// splitReplyLine takes a line apart (RFC 5321, 4.2): three digits, "-" where
// more lines follow, text. A code alone is a last line without text.
func splitReplyLine(s string) (code int, more bool, text string, err error) {
	if strings.IndexByte(s, 0) >= 0 {
		return 0, false, "", errNUL
	}
	if len(s) < 3 || s[0] < '2' || s[0] > '5' || !digit(s[1]) || !digit(s[2]) {
		return 0, false, "", errNoCode
	}
	code = int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
	switch {
	case len(s) == 3:
		return code, false, "", nil
	case s[3] == ' ':
		return code, false, s[4:], nil
	case s[3] == '-':
		return code, true, s[4:], nil
	}
	return 0, false, "", errNoCode
}

// add appends the text of one line, taking its enhanced status code off. The
// first line decides which that is; one whose class contradicts the reply code
// is no enhanced status code but words that look like one.
func (r *reply) add(text string) {
	status, rest := cutEnhanced(text)
	if status != "" && int(status[0]-'0') == r.class() && (len(r.lines) == 0 || status == r.status) {
		r.status, text = status, rest
	}
	r.lines = append(r.lines, text)
}

// cutEnhanced splits an enhanced status code (RFC 3463, section 2) off the
// front of s; status is "" where there is none.
func cutEnhanced(s string) (status, rest string) {
	word, rest, _ := strings.Cut(s, " ")
	class, detail, ok := strings.Cut(word, ".")
	subject, detail, ok2 := strings.Cut(detail, ".")
	if !ok || !ok2 || (class != "2" && class != "4" && class != "5") || !shortNumber(subject) || !shortNumber(detail) {
		return "", s
	}
	return word, rest
}

// shortNumber tells whether s is one to three digits.
func shortNumber(s string) bool {
	if len(s) == 0 || len(s) > 3 {
		return false
	}
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return true
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// codeText shows a reply as one line.
func codeText(r *reply) string {
	return strings.TrimSpace(strconv.Itoa(r.code) + " " + r.text())
}
