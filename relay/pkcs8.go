package relay

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"
)

// Bounds of what the file of a key may ask for.
const (
	maxKeyIterations = 10_000_000
	maxKeySalt       = 1024
)

var (
	errKeyEncryption = errors.New("encrypted in a way not supported; take the encryption off with openssl pkey, and keep the file to yourself with chmod 600")
	errPassphrase    = errors.New("cannot be decrypted with the passphrase configured")
)

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

// keyHashes and keyCiphers are those of PBES2 that OpenSSL and GnuTLS write (RFC 8018, appendix B).
var (
	keyHashes = map[string]func() hash.Hash{
		"1.2.840.113549.2.7": sha1.New, "1.2.840.113549.2.9": sha256.New,
		"1.2.840.113549.2.10": sha512.New384, "1.2.840.113549.2.11": sha512.New,
	}
	keyCiphers = map[string]struct {
		octets int
		block  func(key []byte) (cipher.Block, error)
	}{
		"2.16.840.1.101.3.4.1.2": {16, aes.NewCipher}, "2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher}, "1.2.840.113549.3.7": {24, des.NewTripleDESCipher},
	}
)

// An encryptedKey is the content of an ENCRYPTED PRIVATE KEY (RFC 5958, section 3).
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2Params struct {
	Derivation, Cipher pkix.AlgorithmIdentifier
}

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
}

// decryptPKCS8 returns the key of an ENCRYPTED PRIVATE KEY in clear, as PKCS #8. It knows PBES2 with
// PBKDF2 (RFC 8018), which openssl writes.
func decryptPKCS8(der []byte, passphrase string) ([]byte, error) {
	var k encryptedKey
	var scheme pbes2Params
	var from pbkdf2Params
	var iv []byte
	if !whole(der, &k) {
		return nil, errors.New("holds no private key that can be read")
	}
	if !k.Algorithm.Algorithm.Equal(oidPBES2) || !whole(k.Algorithm.Parameters.FullBytes, &scheme) ||
		!scheme.Derivation.Algorithm.Equal(oidPBKDF2) || !whole(scheme.Derivation.Parameters.FullBytes, &from) ||
		!whole(scheme.Cipher.Parameters.FullBytes, &iv) {
		return nil, errKeyEncryption
	}
	newHash, hashKnown := keyHashes[from.Hash.Algorithm.String()]
	if from.Hash.Algorithm == nil {
		newHash, hashKnown = sha1.New, true // the default
	}
	c, cipherKnown := keyCiphers[scheme.Cipher.Algorithm.String()]
	if !hashKnown || !cipherKnown || from.Iterations < 1 || from.Iterations > maxKeyIterations || len(from.Salt) > maxKeySalt {
		return nil, errKeyEncryption
	}
	key, err := pbkdf2.Key(newHash, passphrase, from.Salt, from.Iterations, c.octets)
	if err != nil {
		return nil, err
	}
	block, err := c.block(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != block.BlockSize() || len(k.Data) == 0 || len(k.Data)%block.BlockSize() != 0 {
		return nil, errKeyEncryption
	}
	clear := make([]byte, len(k.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(clear, k.Data)
	return unpadded(clear, block.BlockSize())
}

// whole reads a value that is all there is.
func whole(der []byte, into any) bool {
	rest, err := asn1.Unmarshal(der, into)
	return err == nil && len(rest) == 0
}

// unpadded takes the padding off (RFC 8018, section 6.1.1). With the wrong key there is none, or what is
// before it is no key.
func unpadded(clear []byte, size int) ([]byte, error) {
	n := int(clear[len(clear)-1])
	if n == 0 || n > size {
		return nil, errPassphrase
	}
	for _, b := range clear[len(clear)-n:] {
		if int(b) != n {
			return nil, errPassphrase
		}
	}
	clear = clear[:len(clear)-n]
	if !whole(clear, &asn1.RawValue{}) {
		return nil, errPassphrase
	}
	return clear, nil
}
