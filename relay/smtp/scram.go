package smtp

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
)

// Bounds of the iterations that a host may ask for: fewer make a listener's guessing cheap (RFC
// 7677, section 4), and far more would only keep this machine busy.
const (
	minIterations = 4096
	maxIterations = 5_000_000
)

// A binding ties a login to the TLS session that it goes through (RFC 5056).
type binding struct {
	name string // such as tls-exporter
	data []byte
}

// channelBinding returns the binding of the session; nil if it has none: tls-exporter on TLS 1.3
// (RFC 9266), tls-unique below it (RFC 5929), since hosts take no other.
func (c *Conn) channelBinding() *binding {
	conn, ok := c.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := conn.ConnectionState()
	if state.Version < tls.VersionTLS13 {
		if len(state.TLSUnique) == 0 {
			return nil
		}
		return &binding{"tls-unique", state.TLSUnique}
	}
	data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	if err != nil {
		return nil
	}
	return &binding{"tls-exporter", data}
}

// A scramClient is a mechanism of the family SCRAM (RFC 5802, RFC 7677).
//
// It is not that of a library: the one that there is normalises every password, with which
// Dovecot and Cyrus SASL refuse some, and its tables cost more than the whole start of this
// program.
type scramClient struct {
	name           string // of the mechanism
	hash           func() hash.Hash
	user, password string
	header         string // gs2-header
	binding        []byte // what follows the header in the base64 of c=

	nonce  string
	bare   string // client-first-message-bare
	step   int
	proof  []byte // that the server must give
	proven bool
}

// newScramClient returns the client of a mechanism. flag is 'p' for a login that is bound by b,
// 'y' where the host does not offer that, 'n' where it is not wanted (RFC 5802, section 6).
func newScramClient(name, user, password, authorizeAs string, flag byte, b *binding) *scramClient {
	c := &scramClient{name: name, hash: sha256.New, user: user, password: password, nonce: rand.Text()}
	if strings.HasPrefix(name, "SCRAM-SHA-1") {
		c.hash = sha1.New
	}
	c.header = string(flag)
	if flag == 'p' {
		c.header += "=" + b.name
		c.binding = b.data
	}
	c.header += ","
	if authorizeAs != "" { // an empty a= is refused by Dovecot
		c.header += "a=" + escapeName(authorizeAs)
	}
	c.header += ","
	return c
}

// escapeName returns a user name as SCRAM and OAUTHBEARER write it (RFC 5801, saslname).
func escapeName(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "=", "=3D"), ",", "=2C")
}

// Start implements sasl.Client.
func (c *scramClient) Start() (string, []byte, error) {
	c.bare = "n=" + escapeName(c.user) + ",r=" + c.nonce
	return c.name, []byte(c.header + c.bare), nil
}

// Next implements sasl.Client.
func (c *scramClient) Next(challenge []byte) ([]byte, error) {
	c.step++
	switch c.step {
	case 1:
		return c.answer(string(challenge))
	case 2:
		return []byte{}, c.verify(string(challenge))
	}
	return nil, sasl.ErrUnexpectedServerChallenge
}

// answer returns the client's last message, with its proof.
func (c *scramClient) answer(first string) ([]byte, error) {
	parts := strings.Split(first, ",")
	if len(parts) < 3 || parts[0][:min(2, len(parts[0]))] != "r=" {
		return nil, errors.New("the challenge is not that of SCRAM")
	}
	nonce := parts[0][2:]
	salt, ok := strings.CutPrefix(parts[1], "s=")
	count, isCount := strings.CutPrefix(parts[2], "i=")
	salted, err := base64.StdEncoding.DecodeString(salt)
	n, notNumber := strconv.Atoi(count)
	switch {
	case !ok || !isCount || err != nil || notNumber != nil || len(salted) == 0:
		return nil, errors.New("the challenge is not that of SCRAM")
	case len(nonce) <= len(c.nonce) || !strings.HasPrefix(nonce, c.nonce):
		return nil, errors.New("the challenge is for another login")
	case n < minIterations || n > maxIterations:
		return nil, errors.New("the host asks for " + strconv.Itoa(n) + " iterations, which is not safe")
	}
	key, err := pbkdf2.Key(c.hash, c.password, salted, n, c.hash().Size())
	if err != nil {
		return nil, err
	}
	without := "c=" + base64.StdEncoding.EncodeToString(append([]byte(c.header), c.binding...)) + ",r=" + nonce
	message := c.bare + "," + first + "," + without
	clientKey := c.mac(key, "Client Key")
	stored := c.hash()
	stored.Write(clientKey)
	proof := c.mac(stored.Sum(nil), message)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	c.proof = c.mac(c.mac(key, "Server Key"), message)
	return []byte(without + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// verify checks that the host knows the password, too. A host that refuses says so here (e=), and
// its final reply follows.
func (c *scramClient) verify(last string) error {
	if strings.HasPrefix(last, "e=") {
		return nil
	}
	value, _, _ := strings.Cut(strings.TrimPrefix(last, "v="), ",")
	got, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(c.proof) == 0 || !hmac.Equal(got, c.proof) {
		return errUnproven
	}
	c.proven = true
	return nil
}

// errUnproven is the error when a host that does not know the password pretends to accept it.
var errUnproven = errors.New("the host does not prove that it knows the password: it is not the one that you have it from")

func (c *scramClient) mac(key []byte, text string) []byte {
	h := hmac.New(c.hash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
