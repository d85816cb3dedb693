package identity

import (
	"strings"

	"esmtpq/identity/tree"
)

// spkiPrefix begins a fingerprint of a public key, as curl writes it.
const spkiPrefix = "sha256//"

// parseFingerprint reads the SHA-256 of a certificate, or of its public key. It returns
// "sha256:" and 64 hexadecimal digits, or "sha256//" and the sum in base64. The text says what is
// wrong, without quoting.
func parseFingerprint(s string) (fingerprint, text string) {
	if sum, ok := strings.CutPrefix(s, spkiPrefix); ok {
		digits := strings.TrimSuffix(sum, "=")
		if len(sum) != 44 || len(digits) != 43 || strings.Trim(digits, "+/"+letters+strings.ToUpper(letters)+"0123456789") != "" {
			return "", "should have 44 characters of base64 behind sha256//"
		}
		return s, ""
	}
	digits := strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(s), "sha256:"), ":", "")
	switch {
	case strings.Trim(digits, "0123456789abcdef") != "":
		return "", "should be the SHA-256 of a certificate in hexadecimal digits, or sha256// and that of its public key in base64"
	case len(digits) == 40 || len(digits) == 32:
		return "", "is too short: SHA-1 and MD5 are not taken, a SHA-256 has 64 digits"
	case len(digits) != 64:
		return "", "should have the 64 hexadecimal digits of a SHA-256"
	}
	return "sha256:" + digits, ""
}

const letters = "abcdefghijklmnopqrstuvwxyz"

// fingerprints reads a fingerprint, or a list of them.
func (r *yamlReader) fingerprints(v *tree.Node, path string) []string {
	items := v.Items
	if v.Kind != tree.List {
		items = []*tree.Node{v}
	}
	var all []string
	for _, item := range items {
		value := r.text(item, path)
		if value == "" {
			continue // reported
		}
		fingerprint, text := parseFingerprint(value)
		if text != "" {
			r.fail(item.Line, "%s %s", path, text)
		}
		all = append(all, fingerprint)
	}
	if len(items) == 0 {
		r.fail(v.Line, "%s should name a fingerprint", path)
	}
	return all
}
