package identity

import (
	"fmt"
	"slices"

	"esmtpq/identity/tree"
)

// A Via is a rule that sends mail for some recipients through the smart host of another identity than
// the sender's. The sender stays as it is.
type Via struct {
	Match    []string // addresses and patterns of recipients
	Identity *Identity
	line     int // where it is in the file
}

// Via returns the identity whose smart host carries mail for a recipient, and the rule that says so;
// nil if that is up to the sender. Addresses go before patterns, as in Choose.
func (c *Config) Via(recipient string) (*Identity, Rule) {
	if len(c.Vias) == 0 {
		return nil, Rule{}
	}
	i, rule := find(recipient, len(c.Vias), func(i int) []string { return c.Vias[i].Match })
	if i < 0 {
		return nil, Rule{}
	}
	return c.Vias[i].Identity, rule
}

// vias reads the list of rules. What they name is looked up once all identities are known.
func (r *yamlReader) vias(n *tree.Node) {
	if n.Kind != tree.List || len(n.Items) == 0 {
		r.fail(n.Line, "via should be a list, each rule made of \"- match: ...\" and \"identity: ...\"")
		return
	}
	for i, item := range n.Items {
		path := fmt.Sprintf("via[%d]", i)
		v := Via{line: item.Line}
		named := &tree.Node{}
		r.mapping(item, path, func(key string, value *tree.Node) bool {
			switch key {
			case "match":
				v.Match = r.match(value, path+".match")
			case "identity":
				named = value
				r.text(value, path+".identity")
			default:
				return false
			}
			return true
		})
		switch {
		case item.Kind != tree.Map:
			continue // reported
		case len(v.Match) == 0:
			r.fail(item.Line, "%s has no match", path)
		case named.Line == 0:
			r.fail(item.Line, "%s has no identity", path)
		}
		r.config.Vias = append(r.config.Vias, v)
		r.named = append(r.named, named)
	}
}

// finishVias looks up the identities that the rules name.
func (r *yamlReader) finishVias() {
	for i, n := range r.named {
		at := slices.IndexFunc(r.config.Identities, func(id *Identity) bool { return id.Name == n.Text && n.Text != "" })
		if at < 0 {
			if n.Text != "" {
				r.fail(n.Line, "via[%d].identity is not the name of an identity in this file", i)
			}
			continue
		}
		r.config.Vias[i].Identity = r.config.Identities[at]
	}
}

// carries reports whether a rule sends mail through the identity.
func (c *Config) carries(id *Identity) bool {
	return slices.ContainsFunc(c.Vias, func(v Via) bool { return v.Identity == id })
}

// unusedVias says which addresses and patterns of the rules are never used, because earlier ones take
// all that they are for.
func (c *Config) unusedVias() []string {
	var remarks []string
	for i, v := range c.Vias {
		for _, m := range v.Match {
			if by := taker(i, m, func(i int) []string { return c.Vias[i].Match }); by >= 0 {
				remarks = append(remarks, position(c.File, v.line)+
					fmt.Sprintf("match %s of via is never used: the rule in line %d takes it before", m, c.Vias[by].line))
			}
		}
	}
	return remarks
}

// addVias adds the rules.
func addVias(root *tree.Node, vias []Via) {
	if len(vias) == 0 {
		return
	}
	list := &tree.Node{Kind: tree.List}
	for _, v := range vias {
		n := &tree.Node{Kind: tree.Map}
		add(n, "match", textList(v.Match))
		addText(n, "identity", v.Identity.Name)
		list.Items = append(list.Items, n)
	}
	add(root, "via", list)
}
