package identity

import (
	"slices"

	"esmtpq/identity/tree"
)

// The concessions of TLSCompat.
const (
	// CompatRSA takes ciphers whose key exchange is by the key of the certificate, so that whoever
	// gets that key later can read what was said (RFC 9325, 4.1).
	CompatRSA = "rsa_key_exchange"
	// CompatSmall leaves post-quantum key shares out, so that the beginning of TLS fits into one packet.
	CompatSmall = "small_hello"
	// CompatFull begins each session anew, without tickets of earlier ones.
	CompatFull = "no_resumption"
)

// concessions reads a concession to a host, or a list of them.
func (r *yamlReader) concessions(v *tree.Node, path string) []string {
	items := v.Items
	if v.Kind != tree.List {
		items = []*tree.Node{v}
	}
	var all []string
	for _, item := range items {
		switch word := r.text(item, path); word {
		case CompatRSA, CompatSmall, CompatFull:
			if !slices.Contains(all, word) {
				all = append(all, word)
			}
		case "":
		default:
			r.fail(item.Line, "%s should be one or more of rsa_key_exchange, small_hello and no_resumption", path)
		}
	}
	return all
}

// tlsVersion reads a version of TLS.
func (r *yamlReader) tlsVersion(v *tree.Node, path string) string {
	switch version := r.text(v, path); version {
	case "1.0", "1.1", "1.2", "1.3":
		return version
	case "":
	default:
		r.fail(v.Line, "%s should be 1.2 or 1.3, or 1.0 or 1.1 for a host that knows no other", path)
	}
	return ""
}

// sourceAddress reads an address of this machine.
func (r *yamlReader) sourceAddress(v *tree.Node, path string) string {
	address := r.text(v, path)
	if address != "" && !isIPAddress(address) {
		r.fail(v.Line, "%s should be an IP address of this machine", path)
	}
	return address
}
