package relay

import (
	"crypto/tls"
	"os"
	"testing"
)

// CertificateForTests returns a server's settings for a host, and the file of the
// authority to verify them with.
func CertificateForTests(t testing.TB, name string) (config *tls.Config, caFile string) {
	ca := newAuthority(t)
	return ca.server(t, name), ca.file
}

// StateAt keeps state in a directory that is given by its path; "" keeps nothing.
func StateAt(path string) StateDir {
	if path == "" {
		return nil
	}
	return func(create bool) (*os.File, error) {
		if create {
			os.Mkdir(path, 0o700)
		}
		return os.Open(path)
	}
}
