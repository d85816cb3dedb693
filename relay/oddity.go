package relay

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"esmtpq/queue"
	"esmtpq/relay/smtp"
)

// remark adds to reports of trouble with a content what in it may be the reason: hosts refuse lines longer than SMTP allows
// and NUL octets, or end the session over them, and few say where they are.
func remark(r *smtp.Result, reports []queue.Report, content queue.Content) {
	refused := r.End.Negative() || r.Data.Negative()
	lost := r.Sent != smtp.SentNothing && !r.End.Positive() && r.Err != nil && r.Err.Kind != smtp.KindStopped
	if !refused && !lost {
		return
	}
	odd, read := "", false
	for i := range reports {
		rep := &reports[i]
		if rep.Scope != queue.ScopeMessage && !rep.Unsure || rep.Action == "" {
			continue
		}
		if !read {
			odd, read = oddity(content), true
		}
		rep.Remark = odd
	}
}

// oddity returns what is odd about a content, "" for nothing. A content
// that cannot be read is not odd.
func oddity(content queue.Content) string {
	body, err := content.Open()
	if err != nil {
		return ""
	}
	defer body.Close()
	said, long, nul := "", 0, 0
	cure := "fold it" // until the end of the header
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
			said += fmt.Sprintf("line %d has %d octets where SMTP allows %d: %s", n, length-1, longLine, cure)
		}
		if length == 1 {
			cure = "send that part as quoted-printable or base64"
		}
		if n, length = n+1, 0; err == io.EOF {
			break
		} else if err != nil {
			return ""
		}
	}
	if nul > 0 {
		if said != "" {
			said += "; "
		}
		said += fmt.Sprintf("line %d has a NUL octet, which SMTP does not allow: send that part as base64", nul)
	}
	return said
}
