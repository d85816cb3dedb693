package spool

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The only Message-ID in a host's words is the one that it has given.
func TestHostID(t *testing.T) {
	for words, want := range map[string]string{
		"OK <A1@B.PROD.EXAMPLE.COM> [Hostname=B.PROD.EXAMPLE.COM]": "<A1@B.PROD.EXAMPLE.COM>",
		"<a@b> queued as <a@b>":  "<a@b>",
		"<a@b> for <c@d>":        "",
		"queued as 1234":         "",
		"<a@b":                   "",
		"<<a@b>>":                "",
		"<a b@c> <d@e>":          "<d@e>",
		"<> <a@b\x1b> \xff<c@d>": "<c@d>",
	} {
		if got := HostID(words); got != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
}

// What is remembered is read back, but for what is old, too much, or no Message-ID.
func TestRenamings(t *testing.T) {
	q := newQueue(t)
	now := time.Unix(1_800_000_000, 0)
	all := Renamings{{now.Add(-keepRenamed), "<old@x>", "<o@h>"}, {now, "<a@x>", "<1@h>"}, {now, "<a@x>", "<2@h>"}, {now, "<b x@x>", "<3@h>"}, {now, "<c@x>", "<4@h\n5>"}}
	if err := q.SetRenamings(all, now); err != nil {
		t.Fatal(err)
	}
	if got := q.Renamings(); len(got) != 2 || got.Of("<a@x>") != "<2@h>" || got.Of("<old@x>") != "" || !got[0].Time.Equal(now) {
		t.Errorf("%v", got)
	}
	all = nil
	for i := range maxRenamed + 10 {
		all = append(all, Renaming{now, fmt.Sprintf("<%d@x>", i), "<" + strings.Repeat("y", 240) + "@h>"})
	}
	if err := q.SetRenamings(all, now); err != nil {
		t.Fatal(err)
	}
	if got := q.Renamings(); len(got) != maxRenamed || got[0].Old != "<10@x>" {
		t.Errorf("%d", len(got))
	}
	for _, text := range []string{"", "x", "1 <a@b>\n", "1 <a@b> <c@d> <e@f>\n", "1 <a@b> c@d\n", "x <a@b> <c@d>\n", "1 <a@b> <\x1b@d>\n", strings.Repeat("1", 1<<20)} {
		if err := os.WriteFile(q.Dir+"/"+renamedFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := q.Renamings(); len(got) != 0 {
			t.Errorf("%.20q: %v", text, got)
		}
	}
}
