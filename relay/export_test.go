package relay

import (
	"crypto/tls"
	"testing"
)

// CertificateForTests returns a server's settings for a host, and the file of the
// authority to verify them with.
func CertificateForTests(t testing.TB, name string) (config *tls.Config, caFile string) {
	ca := newAuthority(t)
	return ca.server(t, name), ca.file
}
