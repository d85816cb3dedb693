package smtp

import (
	"strings"
	"testing"
)

// Whatever a host says in SCRAM, it is not believed without its proof.
func FuzzSCRAM(f *testing.F) {
	f.Add("r=NONCEx,s=c2FsdA==,i=4096", "v=AAAA")
	f.Add("e=unknown-user", "")
	f.Fuzz(func(t *testing.T, first, last string) {
		c := newScramClient("SCRAM-SHA-256", "me", "secret", "", 'n', nil)
		c.Start()
		if strings.Contains(first, "i=") && len(first) > 5 && strings.Contains(first[len(first)-5:], "00") {
			return // iterations take time
		}
		answer, err := c.Next([]byte(strings.ReplaceAll(first, "NONCE", c.nonce)))
		if err == nil && !strings.HasPrefix(string(answer), "c=biws,r="+c.nonce) {
			t.Errorf("%q is answered with %q", first, answer)
		}
		c.Next([]byte(last))
		if c.proven {
			t.Errorf("%q and %q are a proof", first, last)
		}
	})
}
