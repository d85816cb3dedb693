package message

import (
	"errors"
	"strings"
)

// addrSpec makes an address from the tokens of an addr-spec or a local name. Comments may be
// anywhere in it. It returns nil if there is nothing but comments.
func addrSpec(tokens []token) (*Address, error) {
	var words []token
	at := -1
	for _, t := range tokens {
		switch {
		case t.kind == tokenComment:
			continue
		case t.kind == '@' && at >= 0:
			return nil, errors.New("more than one @")
		case t.kind == '@':
			at = len(words)
		}
		words = append(words, t)
	}
	if len(words) == 0 {
		return nil, nil
	}
	a := &Address{Name: lastComment(tokens)}
	if at < 0 {
		return a, a.setLocalName(words)
	}
	return a, a.setBoth(words[:at], words[at+1:])
}

// setLocalName sets an address without a domain.
func (a *Address) setLocalName(words []token) (err error) {
	if a.Local, err = localPart(words); err != nil {
		return err
	}
	if strings.HasPrefix(a.Local, "=?") {
		return errors.New("an encoded word is not an address")
	}
	return nil
}

func (a *Address) setBoth(local, domain []token) (err error) {
	if a.Local, err = localPart(local); err != nil {
		return err
	}
	a.Domain, err = domainPart(domain)
	return err
}

// localPart returns what the words of a local part stand for: one word, or, in
// the obsolete form, several with dots between them (RFC 5322, 4.4).
func localPart(words []token) (string, error) {
	if len(words) == 0 {
		return "", errors.New("nothing before the @")
	}
	for i, w := range words {
		if w.kind != tokenAtom && w.kind != tokenQuoted {
			return "", errors.New("a domain where a local part should be")
		}
		if i > 0 && !dotBetween(words[i-1], w) {
			return "", errors.New("several words, and none of them in angle brackets")
		}
	}
	return concat(words), nil
}

// domainPart returns the domain that the words stand for.
func domainPart(words []token) (string, error) {
	if len(words) == 1 && words[0].kind == tokenLiteral {
		return words[0].text, nil
	}
	if len(words) == 0 {
		return "", errors.New("nothing after the @")
	}
	for i, w := range words {
		if w.kind != tokenAtom || i > 0 && !dotBetween(words[i-1], w) {
			return "", errors.New("something stands behind the address")
		}
	}
	return withoutFinalDot(concat(words)), nil
}

// withoutFinalDot returns a domain without the dot at its end, by which DNS marks a whole name. The name
// is the same, and SMTP has no such form (RFC 5321, 2.3.5).
func withoutFinalDot(domain string) string {
	if name, ok := strings.CutSuffix(domain, "."); ok && isDotAtom(name) {
		return name
	}
	return domain
}

// dotBetween reports whether a dot separates two words that follow each other.
func dotBetween(a, b token) bool {
	return a.kind == tokenAtom && strings.HasSuffix(a.text, ".") ||
		b.kind == tokenAtom && strings.HasPrefix(b.text, ".")
}

func concat(words []token) string {
	var s strings.Builder
	for _, w := range words {
		s.WriteString(w.text)
	}
	return s.String()
}

// join returns the words of a phrase as text, without comments.
func join(words []token) string {
	var s strings.Builder
	for _, w := range words {
		if w.kind == tokenComment {
			continue
		}
		if w.spaced && s.Len() > 0 {
			s.WriteByte(' ')
		}
		s.WriteString(w.text)
	}
	return s.String()
}

// lastComment returns the text of the last comment, where RFC 733 had the name: "Cron Daemon" in
// "root (Cron Daemon)".
func lastComment(words []token) string {
	for i := len(words) - 1; i >= 0; i-- {
		if words[i].kind == tokenComment {
			return strings.TrimSpace(words[i].text)
		}
	}
	return ""
}
