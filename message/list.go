package message

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// maxTokens bounds the memory that one member of a list takes.
const maxTokens = 512

// ParseAddressList parses a list of addresses as it is in To:, folded or not: with display names,
// comments, groups, source routes (which are dropped, RFC 5321, appendix C) and the obsolete
// forms of RFC 5322. A name without "@" is a local address. Members are separated by commas, or
// by semicolons, as some programs write them; empty ones do not count.
//
// Each member that cannot be parsed, or that CheckAddress refuses, is returned
// as an error in bad, which names it; the others are not affected. Encoded
// words (RFC 2047) in display names are never decoded.
//
// A few slips that leave no doubt about the address are tolerated: an unquoted "@" or bracket in
// a display name, one ">" too many at the end, and remarks after a "#" as in
// "stable@vger.kernel.org # v5.10+".
func ParseAddressList(s string) (addrs []Address, bad []error) {
	for m := range members(s) {
		switch {
		case m.err != nil:
			bad = append(bad, m.failure())
		case m.addr != nil:
			addrs = append(addrs, *m.addr)
		}
	}
	return addrs, bad
}

// A member is one member of a list of addresses.
type member struct {
	addr *Address // nil if it is empty or err is set
	err  error
	text string // all of it
	at   int    // where it is in the list
	spec int    // where the addr-spec ends in the list, if there is addr
}

// failure returns an error that names a member.
func (m *member) failure() error {
	return fmt.Errorf("address %s: %w", shown(strings.Trim(m.text, " \t")), m.err)
}

// members yields the members of a list.
func members(s string) iter.Seq[member] {
	return func(yield func(member) bool) {
		p := listParser{lexer: lexer{s: s}}
		p.advance()
		for p.tok.kind != tokenEnd {
			m := member{at: p.tok.pos}
			if m.addr, m.err = p.member(); m.err == nil && m.addr != nil {
				m.err = checkSpec(m.addr.Spec())
			}
			p.skipMember()
			m.text, m.spec = s[m.at:p.tok.pos], p.spec
			if !yield(m) {
				return
			}
			if p.tok.kind != tokenEnd {
				p.advance()
			}
		}
	}
}

// ParseArgument parses a command-line argument that names recipients. It is a list as for
// ParseAddressList, but CR, LF and NUL, which have no business there, are an error of the whole
// argument.
func ParseArgument(s string) (addrs []Address, bad []error) {
	if strings.ContainsAny(s, "\r\n\x00") {
		return nil, []error{fmt.Errorf("address %s: it has a line end or a NUL in it", shown(s))}
	}
	return ParseAddressList(s)
}

// ParseReversePath parses the argument of -f and -r: an addr-spec, perhaps in angle brackets,
// perhaps with a display name. It returns the addr-spec, or "" for the null reverse-path: "", "<>",
// and MAILER-DAEMON without a domain, which is how mail clients that fetch mail hand on a bounce.
func ParseReversePath(s string) (spec string, err error) {
	if IsNull(strings.Trim(strings.TrimSuffix(strings.TrimPrefix(strings.Trim(s, " \t"), "<"), ">"), " \t")) {
		return "", nil
	}
	addrs, bad := ParseArgument(s)
	switch {
	case len(bad) > 0:
		return "", bad[0]
	case len(addrs) != 1:
		return "", fmt.Errorf("address %s: one address is needed, this is %d", shown(s), len(addrs))
	}
	return addrs[0].Spec(), nil
}

// IsNull reports whether an addr-spec stands for the null reverse-path: see ParseReversePath.
func IsNull(spec string) bool { return spec == "" || strings.EqualFold(spec, "MAILER-DAEMON") }

// A listParser parses a list of addresses, member by member.
type listParser struct {
	lexer lexer
	tok   token // the next one
	spec  int   // where the last addr-spec ends
}

func (p *listParser) advance() { p.tok = p.lexer.next() }

// atSeparator reports whether a member ends here.
func (p *listParser) atSeparator() bool {
	return p.tok.kind == ',' || p.tok.kind == ';' || p.tok.kind == tokenEnd
}

// skipMember skips the rest of a member.
func (p *listParser) skipMember() {
	for !p.atSeparator() {
		p.advance()
	}
}

// member parses one member: an addr-spec or local name, a name-addr, or the beginning of a group
// with its first member. The ends of groups do not matter, so all separators are alike. It
// returns nil for an empty member.
func (p *listParser) member() (*Address, error) {
	var words []token
	p.skipRoute()
	for len(words) < maxTokens {
		switch {
		case p.atSeparator():
			return p.addrSpec(words)
		case p.tok.kind == tokenStray && p.tok.text != "[" && p.tok.text != "]":
			return nil, stray(p.tok)
		case p.tok.kind == ':':
			if !isGroupName(words) {
				return nil, errors.New("a colon where none can be")
			}
			words = words[:0]
		case p.tok.kind == '<':
			return p.nameAddr(words)
		case p.tok.kind == '>':
			return p.surplusBracket(words)
		case isRemark(p.tok) && hasDomain(words):
			p.skipMember()
			continue
		default:
			words = append(words, p.tok)
		}
		p.advance()
	}
	return nil, errors.New("too many words")
}

// addrSpec makes an address from words, and notes where they end, apart from comments.
func (p *listParser) addrSpec(words []token) (*Address, error) {
	for _, w := range words {
		if w.kind != tokenComment {
			p.spec = w.end
		}
	}
	return addrSpec(words)
}

// nameAddr parses from the "<" of a name-addr (RFC 5322, 3.4) to its end.
func (p *listParser) nameAddr(name []token) (*Address, error) {
	words, err := p.angleAddr()
	if err != nil {
		return nil, err
	}
	a, err := p.addrSpec(words)
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return nil, errors.New("nothing between the angle brackets")
	}
	tail, err := p.tail()
	if err != nil {
		return nil, err
	}
	if phrase := join(name); phrase != "" {
		a.Name = phrase
	} else if a.Name == "" {
		a.Name = lastComment(append(name, tail...))
	}
	return a, nil
}

// angleAddr reads from "<" to ">" and returns the tokens of the addr-spec
// between them. A source route (obs-route: "@a,@b:") is dropped.
func (p *listParser) angleAddr() ([]token, error) {
	var words []token
	routed := false
	for len(words) < maxTokens {
		p.advance()
		inRoute := !routed && len(words) > 0 && words[0].kind == '@'
		switch p.tok.kind {
		case '>':
			p.advance()
			return words, nil
		case tokenStray:
			return nil, stray(p.tok)
		case tokenAtom, tokenQuoted, tokenComment, tokenLiteral, '@':
			words = append(words, p.tok)
			continue
		case ':':
			if inRoute {
				words, routed = words[:0], true
				continue
			}
		case ',':
			if inRoute {
				continue
			}
		case tokenEnd:
			return nil, errors.New("< without >")
		}
		return nil, fmt.Errorf("%q between the angle brackets", p.tok.text)
	}
	return nil, errors.New("too many words")
}

// skipRoute skips a source route ("@a,@b:") that a member without angle brackets begins with, as a command
// line may have one.
func (p *listParser) skipRoute() {
	if p.tok.kind != '@' {
		return
	}
	from := p.tok.pos
	if n := routeLength(p.lexer.s[from:min(len(p.lexer.s), from+maxRoute)]); n > 0 {
		p.lexer.pos = from + n
		p.advance()
	}
}

// surplusBracket parses the end of "a@b>".
func (p *listParser) surplusBracket(words []token) (*Address, error) {
	p.advance()
	if a, err := p.addrSpec(words); err == nil && a != nil && a.Domain != "" {
		_, err := p.tail()
		return a, err
	}
	return nil, errors.New("> without <")
}

// tail reads what may follow the address in a member, comments and a remark, and returns the
// comments.
func (p *listParser) tail() ([]token, error) {
	var words []token
	for !p.atSeparator() && !isRemark(p.tok) && len(words) < maxTokens {
		if p.tok.kind != tokenComment {
			return nil, errors.New("something stands behind the address")
		}
		words = append(words, p.tok)
		p.advance()
	}
	return words, nil
}

// isRemark reports whether t begins a remark such as "# v5.10+".
func isRemark(t token) bool {
	return t.kind == tokenAtom && t.spaced && t.text[0] == '#'
}

// hasDomain reports whether words have an "@" and something after it. Up to there, a "#" belongs
// to a display name or the address.
func hasDomain(words []token) bool {
	at := slices.IndexFunc(words, func(w token) bool { return w.kind == '@' })
	return at >= 0 && join(words[at+1:]) != ""
}

// isGroupName reports whether words can be the name of a group.
func isGroupName(words []token) bool {
	if slices.ContainsFunc(words, func(w token) bool { return w.kind == '@' }) {
		return false
	}
	return join(words) != ""
}

func stray(t token) error {
	switch t.text {
	case `"`:
		return errors.New("a quote that is not closed")
	case "(", ")", "[", "]":
		return errors.New("a bracket without its pair")
	}
	return fmt.Errorf("%s where it cannot be", shown(t.text))
}
