package relay

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// explainRefusal adds to the refusal of a content what in it may be the reason: hosts refuse lines
// longer than SMTP allows and NUL octets, and few say where they are.
func explainRefusal(r *smtp.Result, v *verdict, content queue.Content) {
	if !r.End.Negative() && !r.Data.Negative() {
		return
	}
	odd := ""
	for i := range v.reports {
		if rep := &v.reports[i]; rep.Scope == queue.ScopeMessage && !rep.Unsure {
			if odd == "" {
				odd = oddity(content)
			}
			rep.Text += odd
		}
	}
}

// oddity returns what is odd about a content, for the end of a sentence; "" for nothing. A content
// that cannot be read is not odd.
func oddity(content queue.Content) string {
	body, err := content.Open()
	if err != nil {
		return ""
	}
	defer body.Close()
	said, long, nul := "", 0, 0
	br := bufio.NewReaderSize(body, 64<<10)
	for n, length := 1, 0; ; {
		piece, err := br.ReadSlice('\n')
		if nul == 0 && bytes.IndexByte(piece, 0) >= 0 {
			nul = n
		}
		length += len(piece)
		if err == bufio.ErrBufferFull {
			continue
		}
		if length-1 > longLine && long == 0 {
			long = n
			said += fmt.Sprintf("; line %d has %d octets where SMTP allows %d: encode that part as quoted-printable or base64", n, length-1, longLine)
		}
		if n, length = n+1, 0; err == io.EOF {
			break
		} else if err != nil {
			return ""
		}
	}
	if nul > 0 {
		said += fmt.Sprintf("; line %d has a NUL octet, which SMTP does not allow: send that part as base64", nul)
	}
	return said
}
