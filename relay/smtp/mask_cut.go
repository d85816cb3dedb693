package smtp

import "strings"

// minCut is how many octets a host must show of the beginning of a secret, in whatever spelling, for them to be hidden, and
// minCutWord how many where they are letters alone, as in a word; at least all but two are, though.
//
// Hosts cut a text where they please. What fewer octets tell is little beside what has to be guessed
// still, and they stand by chance in what hosts say: six that are not all letters hardly ever do, but
// words of six and seven letters make up much of any reply. So at most five octets are shown of the
// beginning of a secret, or seven letters, or what is one of [usualWords] as a whole: of a password
// "authentication7" it tells nothing that "authentication failed" is said.
const (
	minCut     = 6
	minCutWord = 8
)

// usualWords are the words of replies that are long enough to be taken for the beginning of a secret.
var usualWords = [...]string{
	"accepted", "access", "account", "accounts", "address", "administrator", "application", "attempts", "authenticate", "authenticated",
	"authentication", "authenticator", "authorization", "authorized", "blocked", "cannot", "certificate", "closing", "command", "configuration",
	"connection", "contact", "credential", "credentials", "delivery", "denied", "disabled", "encrypted", "encryption", "expired",
	"failed", "failure", "google", "incorrect", "information", "internal", "invalid", "locked", "mailbox", "mechanism", "message", "microsoft",
	"office", "outlook", "passphrase", "password", "passwords", "permanent", "permitted", "please", "policy", "recipient", "refused",
	"rejected", "requested", "required", "requires", "response", "secret", "secure", "security", "sender", "server", "service", "session",
	"submission", "support", "supported", "suspended", "system", "temporarily", "temporary", "timeout", "transmission", "unable",
	"unavailable", "unknown", "unsuccessful", "username", "wrong",
}

// cutOff returns where a text has the beginning of a secret, and something else behind it.
func cutOff(text string, s spelling) (all [][2]int) {
	secret := s.text
	if len(secret) <= s.cut {
		return nil
	}
	for at := 0; ; at++ {
		i := strings.Index(text[at:], secret[:s.cut])
		if i < 0 {
			return all
		}
		at += i
		n := s.cut
		for n < len(secret) && at+n < len(text) && text[at+n] == secret[n] {
			n++
		}
		if (s.cut > minCut || n >= neededOf(secret, n)) && !isUsual(text[at:], n) {
			all = append(all, [2]int{at, at + n})
		}
	}
}

// neededOf returns how many octets must stand in a text of the beginning of a secret, of which n do.
func neededOf(secret string, n int) int {
	word := strings.IndexFunc(secret[:n], func(r rune) bool { return r < 'a' || r > 'z' }) < 0
	if word {
		return max(minCut, min(minCutWord, len(secret)-2))
	}
	return minCut
}

// isUsual reports whether a text begins with a usual word of n letters or more.
func isUsual(text string, n int) bool {
	for _, word := range usualWords {
		if len(word) >= n && strings.HasPrefix(text, word) {
			return true
		}
	}
	return false
}
