package smtpd

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
)

// feed returns one piece for each Read.
type feed struct{ pieces []string }

func (f *feed) Read(p []byte) (int, error) {
	if len(f.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.pieces[0])
	if f.pieces[0] = f.pieces[0][n:]; f.pieces[0] == "" {
		f.pieces = f.pieces[1:]
	}
	return n, nil
}

// talk reads a whole session, and answers each command that is handed out as a server would.
func talk(c *screen, answer func(line string) string) (string, error) {
	var got strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		got.Write(buf[:n])
		if n > 0 && c.state != inMessage && c.state != inChunk {
			c.Write([]byte(answer(string(buf[:n])) + "\r\n"))
		}
		if err != nil {
			return got.String(), err
		}
	}
}

func ok(line string) string {
	if strings.HasPrefix(strings.ToUpper(line), "DATA") {
		return "354 go"
	}
	return "250 ok"
}

func TestScreenQualifiesCommandsOnly(t *testing.T) {
	in := "MAIL FROM:<root> SIZE=3\r\nrcpt to:<bob>\r\nRCPT TO:<>\r\nRCPT TO:<a@x>\r\nDATA\r\nRCPT TO:<body>\r\n..\r\n.\r\n" +
		"RCPT TO:<joe>\r\nBDAT 16\r\nRCPT TO:<chunk>\nRCPT TO:<jim>\r\nBDAT 0 LAST\r\nQUIT\r\n"
	want := strings.NewReplacer("<root>", "<root@"+unqualified+">", "<bob>", "<bob@"+unqualified+">",
		"<joe>", "<joe@"+unqualified+">", "<jim>", "<jim@"+unqualified+">").Replace(in)
	for size := 1; size < len(in); size++ {
		f := &feed{}
		for rest := in; rest != ""; {
			n := min(size, len(rest))
			f.pieces, rest = append(f.pieces, rest[:n]), rest[n:]
		}
		got, err := talk(newScreen(f, io.Discard), ok)
		if got != want || err != io.EOF {
			t.Fatalf("in pieces of %d: %v\n%q", size, err, got)
		}
	}
}

// If DATA is refused, commands follow.
func TestScreenRefusedData(t *testing.T) {
	in := "DATA\r\nRCPT TO:<bob>\r\n"
	got, _ := talk(newScreen(strings.NewReader(in), io.Discard), func(string) string { return "503 no" })
	if want := "DATA\r\nRCPT TO:<bob@" + unqualified + ">\r\n"; got != want {
		t.Errorf("got %q", got)
	}
}

// The end of the input is the end of a session only between commands.
func TestScreenCutShort(t *testing.T) {
	for in, want := range map[string]error{
		"":                                 io.EOF,
		"NOOP\r\n":                         io.EOF,
		"NOO":                              io.ErrUnexpectedEOF,
		"DATA\r\nSubject: x\r\n":           io.ErrUnexpectedEOF,
		"DATA\r\nhalf":                     io.ErrUnexpectedEOF,
		"DATA\r\nx\r\n.\n":                 io.ErrUnexpectedEOF,
		"BDAT 1000 LAST\r\ntwelve octets":  io.ErrUnexpectedEOF,
		"DATA\r\nx\r\n.\r\n":               io.EOF,
		"DATA\r\n.\r\n":                    io.EOF,
		"DATA\r\nx\n.\n\r.\r\r\n\r\n.\r\n": io.EOF,
	} {
		_, err := talk(newScreen(strings.NewReader(in), io.Discard), ok)
		if err != want {
			t.Errorf("%q ends with %v, want %v", in, err, want)
		}
	}
}

func TestScreenHidesQualification(t *testing.T) {
	var out bytes.Buffer
	c := newScreen(strings.NewReader(""), &out)
	if _, err := c.Write([]byte("250 <bob@" + unqualified + "> ok\r\n")); err != nil || out.String() != "250 <bob> ok\r\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestRequote(t *testing.T) {
	for in, want := range map[string]string{
		"bob@example.org":        "bob@example.org",
		"root@" + unqualified:    "root",
		"a@b c@example.org":      `"a@b c"@example.org`,
		"a b@" + unqualified:     `"a b"`,
		`qu"ote@example.org`:     `"qu\"ote"@example.org`,
		"grüße@example.org":      "grüße@example.org",
		"-dash@" + unqualified:   "",
		"ctrl\x01@example.org":   "",
		"angle>x@exa>mple.org":   "",
		strings.Repeat("x", 300): "",
	} {
		got, err := requote(in)
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("%q: got %q (%v), want %q", in, got, err, want)
		}
	}
}

var tooLong = regexp.MustCompile(`(?i) SIZE=[0-9]{10}`)

func TestCutSize(t *testing.T) {
	for in, want := range map[string]string{
		"MAIL FROM:<a> SIZE=4294967295\r\n":                "MAIL FROM:<a> SIZE=4294967295\r\n",
		"MAIL FROM:<a> SIZE=4294967296\r\n":                "MAIL FROM:<a> SIZE=4294967295\r\n",
		"MAIL FROM:<a> size=99999999999999999999999 X\r\n": "MAIL FROM:<a> size=4294967295 X\r\n",
		"MAIL FROM:<a> SIZE=\r\n":                          "MAIL FROM:<a> SIZE=\r\n",
		"MAIL FROM:<a SIZE=99999999999>\r\n":               "MAIL FROM:<a SIZE=99999999999>\r\n",
		"MAIL FROM:<a> SIZE=99999999999":                   "MAIL FROM:<a> SIZE=4294967295",
		"MAIL":                                             "MAIL",
	} {
		got, size := cutSize(in)
		if got != want || size != 0 == (got == in) {
			t.Errorf("%q: %q, %d", in, got, size)
		}
	}
}

// withoutPaths drops what the screen may change: the path of each command MAIL and RCPT. If the input
// breaks off, it drops what is behind the path, too.
func withoutPaths(text string, broken bool) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		verb, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		begin := strings.IndexByte(line, '<')
		if begin < 0 || !strings.EqualFold(verb, "MAIL") && !strings.EqualFold(verb, "RCPT") {
			out.WriteString(line)
			continue
		}
		out.WriteString(line[:begin])
		if end := strings.LastIndexByte(line, '>'); !broken && end > begin {
			out.WriteString(line[end:])
		}
		if broken && strings.HasSuffix(line, "\n") {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// Whatever the input and its pieces, nothing is lost, and only the paths of commands are changed.
func FuzzScreen(f *testing.F) {
	f.Add("MAIL FROM:<a>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n", uint8(3))
	f.Add("BDAT 5 LAST\r\nhello\r\n", uint8(1))
	f.Add("MAIL FROM:<a b >\r\nRCPT TO:<@x:y@z.> NOTIFY=NEVER\r\n", uint8(9))
	f.Fuzz(func(t *testing.T, in string, size uint8) {
		fd := &feed{}
		for rest := in; rest != ""; {
			n := min(int(size)+1, len(rest))
			fd.pieces, rest = append(fd.pieces, rest[:n]), rest[n:]
		}
		got, err := talk(newScreen(fd, io.Discard), ok)
		if tooLong.MatchString(in) || len(in) > maxCommand {
			return // that number is changed, and a command of that length comes in pieces
		}
		broken := err != io.EOF
		got, want := withoutPaths(got, broken), withoutPaths(in, broken)
		if !broken && got != want || !strings.HasPrefix(want, got) {
			t.Errorf("%q became %q", in, got)
		}
	})
}
