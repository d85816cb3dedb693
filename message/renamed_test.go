package message

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// The IDs of other mail are replaced where they name what a mail answers, and nowhere else; a signed header
// stays as it is.
func TestRenameIDs(t *testing.T) {
	names := map[string]string{"<a@x>": "<NEW-A@host>", "<b@x>": "<NEW-B@host>"}
	for _, c := range []struct {
		header, want    string
		changed, signed bool
	}{
		{"In-Reply-To: <a@x>\nReferences: <z@x> <a@x>\n\t<b@x>\n", "In-Reply-To: <NEW-A@host>\nReferences: <z@x> <NEW-A@host>\n\t<NEW-B@host>\n", true, false},
		{"Message-ID: <a@x>\nSubject: <a@x>\nin-reply-to:<b@x>(<c)\n", "Message-ID: <a@x>\nSubject: <a@x>\nin-reply-to:<NEW-B@host>(<c)\n", true, false},
		{"References: <c@x> <a@X> a@x <a@x\n", "", false, false},
		{"References: <a@x>\nDKIM-Signature: v=1\n", "", false, true},
		{"X-Developer-Signature: v=1\nReferences: <a@x>\n", "", false, true},
		{"DKIM-Signature: v=1\nReferences: <c@x>\n", "", false, false},
		{"References: " + strings.Repeat("x", MaxLine-len("References: <a@x>")) + "<a@x>\n", "", false, false},
		{"", "", false, false},
	} {
		h, err := ReadHeader(bufio.NewReader(strings.NewReader(c.header + "\nReferences: <a@x>\n")))
		if err != nil {
			t.Fatal(err)
		}
		changed, signed := h.RenameIDs(func(id string) string { return names[id] })
		want := c.want
		if !c.changed {
			want = c.header
		}
		var b bytes.Buffer
		h.WriteTo(&b)
		if b.String() != want+"\n" || changed != c.changed || signed != c.signed {
			t.Errorf("%q: %q, changed %v, signed %v", c.header, b.String(), changed, signed)
		}
	}
}

func TestValidMessageID(t *testing.T) {
	for id, want := range map[string]bool{
		"<a@b>": true, "<PN3PR01MB9597274E541169BDB8DC4297B8802@PN3PR01MB9597.INDPRD01.PROD.OUTLOOK.COM>": true, "<a.b+c=d@[10.0.0.1]>": true,
		"<a>": false, "a@b": false, "<@b>": false, "<a@>": false, "<a@b@c>": false, "<a b@c>": false, "<a@b\n>": false, "<a@b><c@d>": false, "<ä@b>": false,
		"<\"a\"@b>": false, "": false, "<" + strings.Repeat("a", 300) + "@b>": false,
	} {
		if got := ValidMessageID(id); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}
