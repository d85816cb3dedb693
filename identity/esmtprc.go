package identity

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// An esmtprcParser reads the statements of an esmtprc:
//
//	file       = [ statements ] [ identities ]
//	identities = IDENTITY [ statements ] { IDENTITY statements }
//	IDENTITY   = "identity" [ "=" ] word
//	statement  = "default" | keyword [ "=" ] word | ...
type esmtprcParser struct {
	lex    lexer
	config *Config
	blocks []*block // the first one holds what precedes the first identity
	// openQuote is the line in which the last value began, if it looks as if a quotation mark
	// were missing: one that begins with a mark without being quoted, or goes over a line end.
	openQuote int
}

// A block is an identity of an esmtprc. Blocks do not inherit.
type block struct {
	identity   *Identity
	word       string // behind "identity", "" in the unnamed block
	line       int
	host       string // as written
	hostLine   int
	options    int // statements other than default, mda and force_mda
	statements int
}

// parseEsmtprc reads the content of an esmtprc.
func parseEsmtprc(path string, data []byte) (*Config, error) {
	c := &Config{File: path, Format: FormatEsmtprc, BatchDelay: DefaultBatchDelay}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return nil, &ConfigError{File: path, Line: 1, Text: "syntax error: the file begins with a byte-order mark; save it without"}
	}
	p := &esmtprcParser{config: c, lex: lexer{data: data, line: 1, warn: c.warn}}
	if err := p.file(); err != nil {
		return nil, err
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return c, nil
}

// file reads all statements.
func (p *esmtprcParser) file() error {
	b := p.begin("", 1)
	var defaultBlock *block
	last := "" // the keyword whose value came before
	for t := p.lex.next(); t.kind != tokenEnd; t = p.lex.next() {
		if t.kind != tokenKeyword {
			return p.misplaced(t, last)
		}
		last = t.text
		switch t.text {
		case "identity":
			if len(p.blocks) > 2 && b.statements == 0 {
				return p.syntax(b.line, "this identity has no settings")
			}
			word, err := p.value(t.text)
			if err != nil {
				return err
			}
			if err := p.checkValue(word, t.text); err != nil {
				return err
			}
			b = p.begin(word.text, t.line)
			continue
		case "default":
			defaultBlock = b
		case "disabled", "enabled", "required", "sender", "reverse_path":
			return p.syntax(t.line, fmt.Sprintf("%q cannot stand here", t.text))
		default:
			if err := p.statement(b, t); err != nil {
				return err
			}
			if t.text != "mda" && t.text != "force_mda" {
				b.options++
			}
		}
		b.statements++
	}
	if len(p.blocks) > 2 && b.statements == 0 {
		return p.syntax(b.line, "this identity has no settings")
	}
	p.markDefault(defaultBlock)
	return nil
}

// begin starts a block.
func (p *esmtprcParser) begin(word string, line int) *block {
	b := &block{identity: &Identity{Name: word}, word: word, line: line}
	if word != "" && badMatch(word) == "" {
		b.identity.Match = []string{word}
	}
	p.blocks = append(p.blocks, b)
	return b
}

// statement reads the rest of a statement that begins with keyword t.
func (p *esmtprcParser) statement(b *block, t token) error {
	name := t.text
	if name == "starttls" || name == "tls" || name == "message_id" {
		return p.choice(b, name)
	}
	if name == "force" {
		second := p.lex.next()
		if second.kind != tokenKeyword || second.text != "sender" && second.text != "reverse_path" {
			return p.syntax(second.line, `after "force" comes "sender" or "reverse_path", then its value`)
		}
		name = second.text
	}
	word, err := p.value(name)
	if err != nil {
		return err
	}
	id := b.identity
	if key := cmp.Or(formerKey(name), name); key == "mda" || key == "force_mda" {
		p.config.setLine(nil, key, word.line)
	} else {
		p.config.setLine(id, key, word.line)
	}
	switch name {
	case "host", "hostname":
		b.host, b.hostLine = word.text, word.line
	case "user", "username":
		id.Username, id.LoginLine = word.text, max(id.LoginLine, word.line)
	case "pass", "password":
		id.Password, id.LoginLine = NewSecret(word.text), word.line
	case "passphrase", "certificate_passphrase":
		id.CertificatePassphrase = NewSecret(word.text)
	case "preconnect":
		id.Preconnect = word.text
	case "postconnect":
		id.Postconnect = word.text
	case "qualifydomain":
		id.QualifyDomain = word.text
	case "helo":
		id.Helo = word.text
	case "sender":
		id.Sender = word.text
	case "reverse_path":
		id.ReversePath = word.text
	case "mda":
		p.config.MDA, p.config.MDALine = word.text, word.line
	case "force_mda":
		p.config.ForceMDA = word.text
	}
	return p.checkValue(word, name)
}

// choice reads the value of a keyword that takes only bare words.
func (p *esmtprcParser) choice(b *block, name string) error {
	t := p.lex.next()
	if t.kind == tokenEquals {
		t = p.lex.next()
	}
	text := t.text
	// "implicit" is ours. It is no keyword of esmtp, so it can still be a value elsewhere.
	if t.kind != tokenKeyword && (t.kind != tokenWord || t.quoted || text != "implicit") {
		text = ""
	}
	id := b.identity
	switch {
	case name == "message_id" && (text == "enabled" || text == "disabled"):
		id.NoMessageID = text == "disabled"
	case name == "message_id":
		return p.syntax(t.line, `"message_id" takes enabled or disabled, without quotes`)
	case text == "disabled":
		id.TLS = TLSOff
	case text == "enabled":
		id.TLS = TLSOpportunistic
	case text == "required":
		id.TLS = TLSStartTLS
	case text == "implicit":
		id.TLS = TLSImplicit
	default:
		return p.syntax(t.line, fmt.Sprintf("%q takes disabled, enabled, required or implicit, without quotes", name))
	}
	p.config.setLine(id, cmp.Or(formerKey(name), name), t.line)
	return nil
}

// value reads an optional "=" and the word after it.
func (p *esmtprcParser) value(keyword string) (token, error) {
	t := p.lex.next()
	if t.kind == tokenEquals {
		t = p.lex.next()
	}
	switch t.kind {
	case tokenWord:
		p.openQuote = 0
		if start := strings.IndexAny(t.text, `"'`) == 0 && !t.quoted; start || t.quoted && p.lex.line > t.line {
			p.openQuote = t.line
		}
		return t, nil
	case tokenKeyword:
		return t, p.syntax(t.line, fmt.Sprintf("%q is a keyword; in quotes it can be the value of %q", t.text, keyword))
	case tokenNumber:
		return t, p.syntax(t.line, fmt.Sprintf("a number as the value of %q must be in quotes", keyword))
	case tokenEquals:
		return t, p.syntax(t.line, fmt.Sprintf(`unexpected "=" after %q; a value that begins with one must be in quotes`, keyword))
	}
	return t, p.syntax(t.line, fmt.Sprintf("the file ends where the value of %q should be", keyword))
}

// misplaced explains a token where a keyword should be. The token may be the rest of a password,
// so no letter of it is quoted.
func (p *esmtprcParser) misplaced(t token, last string) error {
	hint := ""
	if keyword := nearest(t.text, slices.Concat(nameKeywords, otherKeywords)); keyword != "" {
		hint = fmt.Sprintf("; is it %q?", keyword)
	} else if p.openQuote > 0 {
		hint = fmt.Sprintf("; the quotation mark in line %d lacks its other one", p.openQuote)
	}
	if last == "" {
		return p.syntax(t.line, "there should be a keyword here"+hint)
	}
	if hint == "" {
		hint = `; a value that holds blanks or any of = , ; : or begins with "#" must be in quotes`
	}
	return p.syntax(t.line, fmt.Sprintf("there should be a keyword here, after %q%s", last, hint))
}

func (p *esmtprcParser) syntax(line int, text string) error {
	return &ConfigError{File: p.config.File, Line: line, Text: "syntax error: " + text}
}

// checkValue refuses a text that cannot be a value, and warns of a value without effect.
func (p *esmtprcParser) checkValue(word token, name string) error {
	if text := badValue(word.text, printedSetting(name)); text != "" {
		return &ConfigError{File: p.config.File, Line: word.line, Text: fmt.Sprintf("the value of %q %s", name, text)}
	}
	if text := badSetting(cmp.Or(formerKey(name), name), word.text); text != "" {
		return &ConfigError{File: p.config.File, Line: word.line, Text: fmt.Sprintf("the value of %q %s", name, text)}
	}
	switch {
	case (name == "reverse_path" || name == "sender") && word.text == "":
		p.config.warn(word.line, fmt.Sprintf("an empty %q is left out", name))
	case name == "passphrase" || name == "certificate_passphrase":
		p.config.warn(word.line, "a client certificate is configured in YAML only: client_certificate, client_key")
	}
	return nil
}

// markDefault finds the default block: the last one with the keyword, else
// the first one with any setting of its own, else the last one.
func (p *esmtprcParser) markDefault(b *block) {
	if b == nil {
		i := slices.IndexFunc(p.blocks, func(b *block) bool { return b.options > 0 })
		if i < 0 {
			i = len(p.blocks) - 1
		}
		b = p.blocks[i]
	}
	b.identity.Default = true
}

// finish checks the blocks and makes them the identities of the Config.
func (p *esmtprcParser) finish() error {
	global := p.blocks[0]
	if !global.identity.Default {
		if global.options > 0 {
			p.config.warn(global.line, "the settings before the first identity are not used: identities do not inherit")
		}
		p.blocks = p.blocks[1:]
	}
	for i, b := range p.blocks {
		if later := p.sameWord(i); later != nil {
			p.config.warn(b.line, fmt.Sprintf("this identity is replaced by the one of the same name in line %d", later.line))
			later.identity.Default = later.identity.Default || b.identity.Default
			continue
		}
		if err := p.finishHost(b); err != nil {
			return err
		}
		p.config.Identities = append(p.config.Identities, b.identity)
	}
	p.config.nameUnnamed()
	p.config.findDefault()
	return nil
}

// sameWord returns the next block with the word of block i, nil if there is none.
func (p *esmtprcParser) sameWord(i int) *block {
	for _, later := range p.blocks[i+1:] {
		if p.blocks[i].word != "" && later.word == p.blocks[i].word {
			return later
		}
	}
	return nil
}

// finishHost splits the host of a block.
func (p *esmtprcParser) finishHost(b *block) error {
	id := b.identity
	if b.hostLine == 0 {
		id.Host, id.Port = "localhost", "25"
		return nil
	}
	var text string
	if id.Host, id.Port, text = splitHost(b.host); text != "" {
		return &ConfigError{File: p.config.File, Line: b.hostLine, Text: `the value of "hostname" ` + text}
	}
	if id.Port == "" {
		id.Port = "587"
	}
	if implicitPort(id.Port) {
		id.TLS = TLSImplicit
	}
	id.behindForward(false) // clear text stays allowed there, as it was with esmtp
	p.config.warnClear(id, b.hostLine)
	return nil
}
