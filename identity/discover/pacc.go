package discover

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"

	"esmtpq/identity"
)

// pacc asks for a user-agent-configuration (draft-ietf-mailmaint-pacc). The text is a draft, whose form
// has changed, so that it is only asked for on request. The DNS has the sum of the document.
func (s *search) pacc(ctx context.Context) []Finding {
	f := Finding{Source: PACC, At: "https://ua-auto-config." + s.domain + "/.well-known/user-agent-configuration.json"}
	texts, err := s.resolver().LookupTXT(ctx, "_ua-auto-config."+s.domain+".")
	if err != nil && len(texts) == 0 {
		f.State, f.Why = reason(err)
		return []Finding{f}
	}
	document, err := s.get(ctx, f.At, "")
	if err != nil {
		f.State, f.Why = webReason(err)
		return []Finding{f}
	}
	var config struct {
		Protocols struct {
			SMTP struct {
				Host string `json:"host"`
			} `json:"smtp"`
		} `json:"protocols"`
	}
	host := ""
	if json.Unmarshal(document, &config) == nil {
		host = strings.ToLower(strings.TrimSuffix(config.Protocols.SMTP.Host, "."))
	}
	switch {
	case !summed(texts, document):
		f.State, f.Why = Nothing, "the document is not the one whose sum is in the DNS"
	case !isHost(host):
		f.State, f.Why = Nothing, errNonsense.Error()
	default:
		f.State = Found
		f.Servers = []Server{{Host: host, Port: "465", TLS: identity.TLSImplicit, Username: s.whole(), Vouched: true}}
	}
	return []Finding{f}
}

// summed reports whether one of some records has the sum of a document.
func summed(texts []string, document []byte) bool {
	sum := sha256.Sum256(document)
	for _, text := range texts {
		fields := map[string]string{}
		for _, part := range strings.Split(text, ";") {
			key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
		if fields["v"] != "UAAC1" || fields["a"] != "sha256" {
			continue
		}
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			if got, err := e.DecodeString(fields["d"]); err == nil && string(got) == string(sum[:]) {
				return true
			}
		}
	}
	return false
}
