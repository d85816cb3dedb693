package message

import (
	"bytes"
	"slices"
	"strings"
)

// MaxMessageID is how long a Message-ID is at most that ValidMessageID takes, in octets.
const MaxMessageID = 250

// ValidMessageID reports whether s is a Message-ID with its angle brackets, of the plain form that all
// programs write: printable ASCII around one "@" (RFC 5322, 3.6.4).
func ValidMessageID(s string) bool {
	if len(s) < len("<a@b>") || len(s) > MaxMessageID || s[0] != '<' || s[len(s)-1] != '>' {
		return false
	}
	left, right, _ := strings.Cut(s[1:len(s)-1], "@")
	strange := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`<>()@,;"\`, r) }
	return left != "" && right != "" && !strings.ContainsFunc(left, strange) && !strings.ContainsFunc(right, strange)
}

// RenameIDs replaces Message-IDs in In-Reply-To and References. renamed returns the new one, with its angle
// brackets, and "" for one that stays. Nothing else of a field changes, and a field whose lines would get too
// long stays as it is. A header with a signature of itself, such as DKIM's, is left alone; then signed says
// that something would have been replaced.
func (h *Header) RenameIDs(renamed func(id string) string) (changed, signed bool) {
	kept := make([]byte, 0, len(h.raw)+MaxMessageID)
	seal := false
	for f := range h.fields() {
		b := h.raw[f.start:f.end]
		seal = seal || bytes.Contains(bytes.ToLower(f.name), []byte("signature"))
		if f.is("In-Reply-To") || f.is("References") {
			if mended := replaceIDs(b, renamed); mended != nil {
				b, changed = mended, true
			}
		}
		kept = append(kept, b...)
	}
	if !changed || seal {
		return false, changed
	}
	h.raw = kept
	return true, false
}

// replaceIDs returns a field with other Message-IDs; nil if it stays as it is.
func replaceIDs(field []byte, renamed func(id string) string) []byte {
	var mended []byte
	at := 0
	for {
		open := bytes.IndexByte(field[at:], '<')
		if open < 0 {
			break
		}
		open += at
		end := bytes.IndexByte(field[open:], '>')
		if end < 0 {
			break
		}
		end += open + 1
		id := string(field[open:end])
		if other := renamed(id); other != "" && other != id {
			mended = append(append(mended, field[at:open]...), other...)
		} else {
			mended = append(mended, field[at:end]...)
		}
		at = end
	}
	mended = append(mended, field[at:]...)
	tooLong := func(line []byte) bool { return len(line) > MaxLine }
	if bytes.Equal(mended, field) || slices.ContainsFunc(bytes.Split(mended, []byte("\n")), tooLong) {
		return nil
	}
	return mended
}
