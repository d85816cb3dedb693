package relay

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// Keys that openssl 3 has encrypted, by openssl pkcs8 -topk8 -v2 CIPHER -v2prf HASH, are read as they
// were before; with another passphrase, or cut, or encrypted in other ways, none is.
func TestEncryptedKeys(t *testing.T) {
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		return block.Bytes
	}
	clear := read("testdata/pkcs8/clear.pem")
	files, err := filepath.Glob("testdata/pkcs8/*-*.pem")
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		der := read(file)
		if got, err := decryptPKCS8(der, "passphrase"); err != nil || !bytes.Equal(got, clear) {
			t.Errorf("%s: %v", file, err)
		}
		for _, wrong := range []string{"", "Passphrase"} {
			if _, err := decryptPKCS8(der, wrong); err != errPassphrase {
				t.Errorf("%s with %q: %v", file, wrong, err)
			}
		}
		for n := range der {
			if _, err := decryptPKCS8(der[:n], "passphrase"); err == nil {
				t.Errorf("%s, %d octets of it, is read", file, n)
			}
		}
	}
	for _, name := range []string{"scrypt.pem", "v1.pem"} {
		if _, err := decryptPKCS8(read("testdata/pkcs8/"+name), "passphrase"); err != errKeyEncryption {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzEncryptedKey(f *testing.F) {
	files, _ := filepath.Glob("testdata/pkcs8/*.pem")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		block, _ := pem.Decode(text)
		// One round, so that it does not take its time.
		f.Add(bytes.ReplaceAll(block.Bytes, []byte{2, 2, 8, 0}, []byte{2, 2, 0, 1}))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if len(der) > 2000 || bytes.Contains(der, []byte{2, 3}) {
			return // many rounds
		}
		decryptPKCS8(der, "passphrase")
	})
}
