package message

import (
	"strings"
	"testing"
	"testing/iotest"
)

// The line that is too long is named by its number in the file that was checked, however that is
// read, and so is what helps there.
func TestCheckNamesTheLongLine(t *testing.T) {
	long := strings.Repeat("y", MaxLine+1)
	for text, want := range map[string]string{
		"From: a@b.example\nSubject: x\n\none\n" + long + "\n" + long + "\n":   "line 5 has over 998 octets, which hosts may refuse or break (RFC 5321); encode",
		"From: a@b.example\r\nSubject: x\r\n\r\n" + long + "\r\n":              "line 4 has over",
		"From: a@b.example\nSubject: " + long + "\n\none\n":                    "line 2 has over 998 octets, which hosts may refuse or break (RFC 5321); fold the field",
		"From: a@b.example\n\none\n" + long:                                    "line 4 has over",
		"From: a@b.example\r\n\r\n" + strings.Repeat("y", MaxLine) + "\r\nx\n": "",
	} {
		for _, r := range []interface{ Read([]byte) (int, error) }{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			remarks, err := Check(r)
			if all := strings.Join(remarks, "\n"); err != nil || want == "" && strings.Contains(all, "998") || !strings.Contains(all, want) {
				t.Errorf("%.60q: %q, %v, want %q", text, remarks, err, want)
			}
		}
	}
}
