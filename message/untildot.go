package message

import (
	"bufio"
	"io"
)

// UntilDot returns a reader of r up to a line that is a lone dot, which is not part of it. A
// person who types a message at a terminal ends it in this way. It is for terminals only, since
// programs that forget -i have such lines in their text. Other lines that begin with a dot are
// left as they are.
func UntilDot(r io.Reader) io.Reader {
	return &dotReader{br: bufio.NewReader(r), atStart: true}
}

type dotReader struct {
	br      *bufio.Reader
	atStart bool // the next octet begins a line
	ended   bool
}

func (d *dotReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if d.atStart && !d.ended {
		ended, err := d.atDot()
		if err != nil {
			return 0, err
		}
		d.ended = ended
	}
	if d.ended {
		return 0, io.EOF
	}
	if _, err := d.br.Peek(1); err != nil {
		return 0, err
	}
	line, _ := d.br.Peek(d.br.Buffered())
	end := lineEnd(line)
	d.atStart = false
	if end < len(line) && end < len(p) {
		end++ // with its line end
		d.atStart = true
	}
	n := copy(p, line[:end])
	d.br.Discard(n)
	return n, nil
}

// atDot reports whether the line that begins here is a lone dot.
func (d *dotReader) atDot() (bool, error) {
	p, err := d.br.Peek(2)
	if err != nil && err != io.EOF {
		return false, err
	}
	return len(p) > 0 && p[0] == '.' && (len(p) == 1 || isLineEnd(p[1])), nil
}
