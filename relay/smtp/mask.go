package smtp

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// minSpelling is how many octets of a secret within base64 are looked for: fewer occur in other words.
const minSpelling = 6

// spellings returns the ways in which a host may write secrets, in lower case and without blanks: as they are, in hexadecimal or escaped for a
// URL, and in base64 of either alphabet, with and without padding, and within something longer.
func spellings(secrets []string) []spelling {
	var all []spelling
	for _, s := range secrets {
		all = append(all, spelling{s, minCut}, spelling{strings.TrimRight(s, "="), minCut},
			spelling{hex.EncodeToString([]byte(s)), 2 * minCut}, spelling{url.QueryEscape(s), minCut}, spelling{url.PathEscape(s), minCut})
		for before := range 3 {
			if within := within(s, before); len(within) >= minSpelling {
				all = append(all, spelling{within, minCut * 4 / 3})
			}
		}
	}
	for i := range all {
		all[i].text = strings.NewReplacer(" ", "", "\t", "").Replace(lower(all[i].text))
	}
	slices.SortFunc(all, func(a, b spelling) int { return cmp.Or(cmp.Compare(a.text, b.text), a.cut-b.cut) })
	all = slices.CompactFunc(all, func(a, b spelling) bool { return a.text == b.text })
	return slices.DeleteFunc(all, func(s spelling) bool { return len(s.text) < minSecret })
}

// A spelling is a way to write a secret.
type spelling struct {
	text string
	cut  int // how many octets of its beginning are hidden, too
}

// within returns what of the base64 of a text depends on s alone, where s stands in the text behind octets that leave the
// remainder before when divided by three.
func within(s string, before int) string {
	text := base64.StdEncoding.EncodeToString([]byte("xx"[:before] + s + "xx"))
	return text[(8*before+5)/6 : 8*(before+len(s))/6]
}

// lower returns s with ASCII letters in lower case, and the two alphabets of base64 (RFC 4648) made one. It has as many octets.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		switch {
		case 'A' <= c && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case c == '-':
			b[i] = '+'
		case c == '_':
			b[i] = '/'
		}
	}
	return string(b)
}

// mask puts *** in the place of secrets in the lines of a reply. A host may cut a secret by a line end, so they are looked
// for in the text of all lines together, without codes and blanks. With open, the last line has no end: it may stop within a
// secret.
func mask(lines []string, secrets []spelling, open bool) {
	var text []byte
	var line, column []int // of each octet of text
	hits := make([][]bool, len(lines))
	for i, l := range lines {
		hits[i] = make([]bool, len(l))
		for k := len(l) - len(wordsOf(l)); k < len(l); k++ {
			if l[k] != ' ' && l[k] != '\t' {
				text, line, column = append(text, l[k]), append(line, i), append(column, k)
			}
		}
	}
	for _, v := range views(string(text), line) {
		for _, part := range found(v.text, secrets, open) {
			for i := v.begin[part[0]]; i < v.end[part[1]-1]; i++ {
				hits[line[i]][column[i]] = true
				for k := column[i] + 1; i+1 < v.end[part[1]-1] && line[i+1] == line[i] && k < column[i+1]; k++ {
					hits[line[i]][k] = true // a blank within a secret
				}
			}
		}
	}
	for i, l := range lines {
		lines[i] = masked(l, hits[i])
	}
}

// wordsOf returns what follows the codes of a line.
func wordsOf(line string) string {
	if _, _, text, ok := splitReplyLine(line); ok {
		_, line = cutEnhanced(text)
	}
	return line
}

// found returns where secrets stand in a text, each from its first octet to behind its last.
func found(text string, secrets []spelling, open bool) (all [][2]int) {
	for _, s := range secrets {
		secret := s.text
		for at := 0; ; at++ {
			i := strings.Index(text[at:], secret)
			if i < 0 {
				break
			}
			at += i
			all = append(all, [2]int{at, at + len(secret)})
		}
		all = append(all, cutOff(text, s)...)
		for n := min(len(secret)-1, len(text)); open && n >= minSecret; n-- {
			if strings.HasSuffix(text, secret[:n]) {
				all = append(all, [2]int{len(text) - n, len(text)})
				break
			}
		}
	}
	return all
}

// masked returns a text with *** in the place of each run of octets that are hit.
func masked(text string, hits []bool) string {
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hits[i]:
			b.WriteByte(text[i])
		case i == 0 || !hits[i-1]:
			b.WriteString("***")
		}
	}
	return b.String()
}
