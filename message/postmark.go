package message

import (
	"bufio"
	"bytes"
	"io"
	"slices"
)

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
		rest = bytes.TrimPrefix(bytes.TrimPrefix(rest, []byte("\r")), []byte("\n"))
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
