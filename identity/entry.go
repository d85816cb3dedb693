package identity

import (
	"os"
	"path/filepath"
	"strings"

	"esmtpq/identity/tree"
)

// PersonalFile returns the YAML file that is the person's own, and where it would be searched for:
// $ESMTPQ_CONFIG, or config.yaml below the configuration directory.
func PersonalFile(home string) string {
	if file := os.Getenv("ESMTPQ_CONFIG"); file != "" {
		return file
	}
	if xdg := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(xdg) {
		return filepath.Join(xdg, "esmtpq/config.yaml")
	}
	return filepath.Join(home, ".config/esmtpq/config.yaml")
}

// ParseYAML reads what is, or is going to be, the content of a YAML file.
func ParseYAML(path string, data []byte, home string) (*Config, error) {
	return parseYAML(path, data, LoadOptions{Home: home})
}

// Entries returns identities as a person would write them, in a list under the key identities: without
// what goes without saying. Secrets are Mask, unless they are to be revealed.
func Entries(ids []*Identity, reveal bool) *tree.Node {
	list := &tree.Node{Kind: tree.List}
	for _, id := range ids {
		list.Items = append(list.Items, entry(id, reveal))
	}
	root := &tree.Node{Kind: tree.Map}
	add(root, "identities", list)
	return root
}

// entry returns the node of one identity.
func entry(id *Identity, reveal bool) *tree.Node {
	full := (&Config{}).identityNode(id)
	if reveal {
		revealed := map[string]Secret{"password": id.Password, "proxy_password": id.ProxyPassword, "certificate_passphrase": id.CertificatePassphrase}
		for _, f := range full.Fields {
			if s, is := revealed[f.Key]; is {
				f.Value.Text, f.Value.Comment = s.Reveal(), ""
			}
			if f.Key == "oauth" {
				revealClient(f.Value, id.OAuth)
			}
		}
	}
	n := &tree.Node{Kind: tree.Map}
	for _, f := range full.Fields {
		if !id.goesWithoutSaying(f) {
			n.Fields = append(n.Fields, f)
		}
	}
	return n
}

func revealClient(n *tree.Node, o *OAuth) {
	for _, f := range n.Fields {
		if f.Key == "client_secret" {
			f.Value.Text, f.Value.Comment = o.ClientSecret.Reveal(), ""
		}
	}
}

// goesWithoutSaying reports whether a field says what would be so without it.
func (id *Identity) goesWithoutSaying(f tree.Field) bool {
	usual, known := providerHost{}, false
	if id.OAuth != nil {
		usual, known = hostOf(id.OAuth.Provider)
		known = known && usual == providerHost{id.Host, id.Port, id.TLS}
	}
	switch f.Key {
	case "match":
		return len(id.Match) == 0 || len(id.Match) == 1 && id.Match[0] == id.Name && isAddress(id.Name)
	case "host":
		return known
	case "port":
		// Without port and TLS, two ports would be tried.
		return known || f.Value.Text == "587" && id.TLS != TLSImplicit && (id.TLS != TLSStartTLS || usualTLS(id) != TLSStartTLS)
	case "tls":
		return known || f.Value.Text == usualTLS(id).String()
	case "username":
		return id.OAuth != nil && id.Username == id.Name
	}
	return false
}

// usualTLS returns the mode that an identity has without a word about it.
func usualTLS(id *Identity) TLSMode {
	switch {
	case implicitPort(id.Port):
		return TLSImplicit
	case id.Private():
		return TLSOff
	}
	return TLSStartTLS
}

// Lists reports whether an identity is there for exactly this address.
func (id *Identity) Lists(address string) bool {
	f := fold(address)
	for _, m := range id.Match {
		if !isPattern(m) && fold(m).ascii == f.ascii {
			return true
		}
	}
	return strings.EqualFold(id.Name, address)
}
