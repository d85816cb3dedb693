package relay

import (
	"fmt"
	"os"

	"esmtpq/identity"
)

// CheckFiles returns why the PEM files of an identity cannot be used; nil if they can.
func CheckFiles(id *identity.Identity) error {
	_, err := filesOf(id).config(tlsName(id))
	return err
}

// RemarkOnFiles says what may be wrong with the PEM files of an identity; "" for nothing.
func RemarkOnFiles(id *identity.Identity) string {
	key := id.ClientKey
	if key == "" {
		key = id.ClientCertificate
	}
	if info, err := os.Stat(key); key != "" && err == nil && info.Mode().Perm()&0o044 != 0 {
		return fmt.Sprintf("other users can read the client key; type: chmod 600 %s", key)
	}
	return ""
}
