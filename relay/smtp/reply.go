package smtp

import (
	"strconv"
	"strings"
)

// maxText is how many octets of a reply's text are kept.
const maxText = 1 << 10

// A Reply is one checked reply of the host: all its lines have the same code.
type Reply struct {
	Code   int      // 200 to 599
	Status string   // enhanced status code (RFC 2034) whose class agrees with Code; else ""
	Lines  []string // text of the lines, without code and enhanced status code; any octets

	noisy bool // a line that is no reply came before it
}

// Class returns the first digit of the code.
func (r *Reply) Class() int { return r.Code / 100 }

// Positive reports whether r is not nil and its class is 2.
func (r *Reply) Positive() bool { return r != nil && r.Class() == 2 }

// Negative reports whether r is not nil and its class is 4 or 5.
func (r *Reply) Negative() bool { return r != nil && r.Class() >= 4 }

// Enhanced returns the enhanced status code, class.0.0 where none was given.
func (r *Reply) Enhanced() string {
	if r.Status != "" {
		return r.Status
	}
	return strconv.Itoa(r.Class()) + ".0.0"
}

// Text returns the host's words on one line, cut to a length that can be stored.
func (r *Reply) Text() string {
	s := strings.TrimSpace(strings.Join(r.Lines, " "))
	if len(s) > maxText {
		s = s[:maxText]
	}
	return s
}

// Words returns the host's words, or ours if it had none.
func (r *Reply) Words(at Stage) string {
	if s := r.Text(); s != "" {
		return s
	}
	if r.Class() == 2 {
		return "accepted"
	}
	return "the host answered " + strconv.Itoa(r.Code) + " to " + string(at) + " without a word of explanation"
}

// String returns the reply as one line: code and words.
func (r *Reply) String() string {
	return strings.TrimSpace(strconv.Itoa(r.Code) + " " + r.Text())
}

// shape returns the reply without words that differ from one time to the next. Replies to the
// same command have the same shape.
func (r *Reply) shape() string {
	var kept []string
	for _, word := range strings.Fields(r.Text()) {
		if !strings.ContainsAny(word, "0123456789@") {
			kept = append(kept, word)
		}
	}
	return strconv.Itoa(r.Code) + " " + r.Status + " " + strings.Join(kept, " ")
}

// steadyWords returns the words of a greeting that are likely to be the same next time: no name
// of a day or a month, and none that has a digit, such as a time, but for version numbers such as
// 4.96 or 8.17.1.
func steadyWords(s string) string {
	var kept []string
	for _, word := range strings.Fields(s) {
		if steady(strings.Trim(word, ",;()[]<>")) {
			kept = append(kept, word)
		}
	}
	return strings.Join(kept, " ")
}

// dates are the words of a date (RFC 5322, 3.3) that have no digit.
const dates = " Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec "

// steady reports whether a word is likely to be the same next time.
func steady(word string) bool {
	if strings.Contains(dates, " "+word+" ") {
		return false
	}
	return !strings.ContainsAny(word, "0123456789") || versionNumber(word)
}

// versionNumber reports whether word is two or three numbers with dots between them. An IPv4
// address has four.
func versionNumber(word string) bool {
	parts := strings.Split(word, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return false
	}
	for _, p := range parts {
		if !shortNumber(p) {
			return false
		}
	}
	return true
}

// splitReplyLine splits a line (RFC 5321, 4.2): three digits, "-" if more lines follow, text. A
// code alone is a last line without text.
func splitReplyLine(s string) (code int, more bool, text string, ok bool) {
	if len(s) < 3 || s[0] < '2' || s[0] > '5' || !digit(s[1]) || !digit(s[2]) {
		return 0, false, "", false
	}
	code = int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
	switch {
	case len(s) == 3:
		return code, false, "", true
	case s[3] == ' ':
		return code, false, s[4:], true
	case s[3] == '-':
		return code, true, s[4:], true
	}
	return 0, false, "", false
}

// add appends the text of one line without its enhanced status code. The first line decides which
// code that is; a code whose class contradicts the reply code is not one, but words that look
// like it.
func (r *Reply) add(text string) {
	status, rest := cutEnhanced(text)
	if status != "" && int(status[0]-'0') == r.Class() && (len(r.Lines) == 0 || status == r.Status) {
		r.Status, text = status, rest
	}
	r.Lines = append(r.Lines, text)
}

// cutEnhanced splits an enhanced status code (RFC 3463, section 2) off the front of s; status is
// "" if there is none.
func cutEnhanced(s string) (status, rest string) {
	word, rest, _ := strings.Cut(s, " ")
	class, detail, ok := strings.Cut(word, ".")
	subject, detail, ok2 := strings.Cut(detail, ".")
	if !ok || !ok2 || (class != "2" && class != "4" && class != "5") || !shortNumber(subject) || !shortNumber(detail) {
		return "", s
	}
	return word, rest
}

// shortNumber reports whether s is one to three digits.
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
