package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
)

// ErrUTF16 is what ReadHeader returns for a text in UTF-16, in which no field can be read.
var ErrUTF16 = errors.New("the message is in UTF-16, which no mail can be: convert it, with iconv -f utf-16 -t utf-8")

// skipMarks drops what some programs put before the first field: a byte order mark, CRs, and
// separator lines of an mbox.
func skipMarks(br *bufio.Reader) error {
	p, err := br.Peek(3)
	if err != nil && err != io.EOF {
		return err
	}
	switch {
	case bytes.HasPrefix(p, []byte("\xff\xfe")), bytes.HasPrefix(p, []byte("\xfe\xff")):
		return ErrUTF16
	case string(p) == "\ufeff":
		br.Discard(len(p))
	}
	for err == nil {
		if p, err = br.Peek(1); len(p) > 0 && p[0] != '\r' {
			return skipPostmarks(br)
		}
		br.Discard(len(p))
	}
	if err == io.EOF {
		err = nil
	}
	return err
}

// skipPostmarks drops a "From " line and a ">From " line behind it.
func skipPostmarks(br *bufio.Reader) error {
	for _, marks := range [][]string{{"From ", ">From "}, {">From "}} {
		is, err := atPostmark(br, marks)
		if err != nil || !is {
			return err
		}
		if _, err := readLine(br, nil); err != nil {
			return err
		}
	}
	return nil
}

// atPostmark reports whether the next line begins with one of marks and is the separator line of
// an mbox. Text may begin with "From " too, and must not lose its first line. So the line must
// contain a date, or a field must follow.
func atPostmark(br *bufio.Reader, marks []string) (bool, error) {
	kind, err := peekKind(br)
	if err != nil || kind != textLine {
		return false, err // "From : a@example.org" is a field
	}
	for need := 1; ; {
		p, err := br.Peek(max(need, br.Buffered()))
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return false, err
		}
		if !couldBegin(p, marks) {
			return false, nil
		}
		line, rest := p[:lineEnd(p)], p[lineEnd(p):]
		rest = bytes.TrimPrefix(rest, lineFeed)
		if next := kindOf(rest); next != undecided || err != nil {
			return next == fieldLine || isDated(line), nil
		}
		need = len(p) + 1
	}
}

// couldBegin reports whether p, or a continuation of p, begins with one of marks.
func couldBegin(p []byte, marks []string) bool {
	return slices.ContainsFunc(marks, func(mark string) bool {
		n := min(len(p), len(mark))
		return string(p[:n]) == mark[:n]
	})
}

// isDated reports whether the line contains a date in the form of asctime(3).
func isDated(line []byte) bool {
	words := bytes.Fields(line)
	for i := 0; i+3 < len(words); i++ {
		if slices.Contains(weekdays, string(words[i])) &&
			slices.Contains(months, string(words[i+1])) &&
			bytes.IndexByte(words[i+3], ':') > 0 {
			return true
		}
	}
	return false
}

var (
	weekdays = []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
	months   = []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
		"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
)
