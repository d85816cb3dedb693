package secret

import (
	"encoding/hex"
	"errors"
	"strings"
)

// What is kept in the keychain of macOS is wrapped: security prints a password with octets outside of
// ASCII in another form, without saying so.
const wrapping = "esmtpq:"

// service is what the item of a password is called.
func (k *Key) service() string {
	if k.Proxy {
		return "esmtpq proxy: " + k.Host
	}
	return "esmtpq: " + k.Host
}

// item returns the arguments of security that name the item.
func (k *Key) item() []string { return []string{"-s", k.service(), "-a", k.User} }

// addition returns the line for security -i that adds the item, or replaces it.
func (k *Key) addition(password string) string {
	words := []string{"add-generic-password", "-U"}
	for _, word := range append(k.item(), "-w", wrapping+hex.EncodeToString([]byte(password))) {
		words = append(words, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word)+`"`)
	}
	return strings.Join(words, " ") + "\n"
}

// unwrap returns the password of an item.
func unwrap(out string) (string, error) {
	text, wrapped := strings.CutPrefix(strings.TrimSuffix(out, "\n"), wrapping)
	if !wrapped {
		return oneLine([]byte(out), "the password in the keychain") // put there by hand
	}
	password, err := hex.DecodeString(text)
	if err != nil {
		return "", errors.New("the password in the keychain is damaged")
	}
	return string(password), nil
}
