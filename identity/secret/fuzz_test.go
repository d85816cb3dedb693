package secret

import "testing"

// Whatever a file of logins says, a password that is found stands in it, and belongs to the host.
func FuzzNetrc(f *testing.F) {
	f.Add("machine smtp.example.org login ann password s3cret", "smtp.example.org")
	f.Add("default login ann password \"a \\\" b\"\nmacdef x\n\n#", "x")
	f.Fuzz(func(t *testing.T, text, host string) {
		k := key
		k.Host = host
		found := find(text, &k)
		for _, e := range entries(text) {
			if e.password == found {
				return
			}
		}
		if found != "" {
			t.Errorf("%q has no entry with %q", text, found)
		}
	})
}
