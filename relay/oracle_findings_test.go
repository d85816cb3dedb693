package relay_test

import (
	"flag"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

var (
	keepOn = flag.Int("findings", 8, "kinds of violations after which a test of the oracle ends")
	class  = flag.String("class", "", "classes of violations to look for (of ABC); \"\" for all")
)

// A finding is a kind of violation: those that differ in names and numbers only.
type finding struct {
	class string
	text  string
	count int
	lines int // of the shortest dialogue
	name  string
	again func(verbose bool) *world
}

// findings are what dialogues came to: of each kind the shortest one is kept.
type findings struct {
	played int
	bad    int
	kinds  map[string]*finding
}

func (f *findings) open() bool { return len(f.kinds) < *keepOn }

var (
	quoted  = regexp.MustCompile(`"(relayed|failed|delayed)?[^"]*"`)
	names   = regexp.MustCompile(`\bm\d+(r\d+@example\.com)?\b`)
	numbers = regexp.MustCompile(`\b\d+(\.\d+)*\b`)
)

func kindOf(v violation) string {
	if i := strings.Index(v.text, ", and m"); i > 0 && v.class == "C" {
		to := v.text[strings.LastIndex(v.text, " "):]
		scope, _, _ := strings.Cut(v.text[strings.Index(v.text, " is ")+4:], " ")
		return v.class + ": an honest host, and m is " + scope + ", not" + to
	}
	text := quoted.ReplaceAllString(v.text, `"$1"`)
	text = numbers.ReplaceAllString(names.ReplaceAllString(text, "m"), "n")
	if len(text) > 100 {
		text = text[:100]
	}
	return v.class + ": " + text
}

// bubble plays a dialogue in faked time.
func bubble(t *testing.T, play func() *world) (w *world) {
	synctest.Test(t, func(*testing.T) { w = play() })
	return w
}

// play plays a dialogue, and keeps what it violates.
func (f *findings) play(t *testing.T, name string, dialogue func(verbose bool) *world) {
	defer func() {
		if p := recover(); p != nil { // nothing goes on any more, or goroutines are left
			t.Fatalf("%s: %v", name, p)
		}
	}()
	w := bubble(t, func() *world { return dialogue(false) })
	f.played++
	if len(w.broken) == 0 {
		return
	}
	f.bad++
	if f.kinds == nil {
		f.kinds = map[string]*finding{}
	}
	seen := map[string]bool{}
	for _, v := range w.broken {
		if *class != "" && !strings.Contains(*class, v.class) {
			continue
		}
		key := kindOf(v)
		k := f.kinds[key]
		if k == nil {
			k = &finding{class: v.class, text: v.text, lines: 1 << 30}
			f.kinds[key] = k
		}
		if seen[key] {
			continue
		}
		seen[key] = true
		k.count++
		size := 0
		for _, s := range w.sessions {
			size += len(s.commands) + 10
		}
		if size < k.lines {
			k.lines, k.name, k.again, k.text = size, name, dialogue, v.text
		}
	}
}

// report fails the test over what was found, most serious first.
func (f *findings) report(t *testing.T) {
	var keys []string
	for key := range f.kinds {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	shown := map[string]bool{}
	for _, key := range keys {
		k := f.kinds[key]
		if shown[k.name] {
			t.Errorf("%s (%d dialogues)\n%s: %s\n%s, above", key, k.count, k.class, k.text, k.name)
			continue
		}
		shown[k.name] = true
		w := bubble(t, func() *world { return k.again(true) })
		lines := w.lines
		if len(lines) > 300 {
			lines = append(lines[:300:300], "...")
		}
		t.Errorf("%s (%d dialogues)\n%s: %s\n%s\n\t%s", key, k.count, k.class, k.text, k.name, strings.Join(lines, "\n\t"))
	}
	if f.bad > 0 {
		t.Logf("%d of %d dialogues", f.bad, f.played)
	}
}
