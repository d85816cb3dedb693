package relay

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"esmtpq/identity"
)

const (
	ticketsFile = "tickets"
	maxTickets  = 32                 // in the file
	ownTickets  = 4                  // of one identity
	ticketAge   = 7 * 24 * time.Hour // RFC 8446, 4.6.1
)

// tickets are the tickets of an identity's TLS sessions, for resuming them in a later run. They
// are as secret as the content of those sessions. Certificates are verified again at resumption
// (crypto/tls keeps them with the ticket), and the key below covers the settings they were
// verified with, so that no certificate is trusted longer than without tickets.
type tickets struct {
	state StateDir
	key   string // of the identity and its settings, see ticketKey

	mu  sync.Mutex
	got []ticket // since the last save
}

// A ticket is one ticket as it is stored.
type ticket struct {
	For    string `json:"for"` // a key
	Time   int64  `json:"time"`
	Ticket []byte `json:"ticket"`
	State  []byte `json:"state"`
}

// ticketFile is the form of the file.
type ticketFile struct {
	Tickets []ticket `json:"tickets"`
}

// ticketKey returns the key for the sessions of an identity. A session with another login, or
// with another verification, has another key.
func ticketKey(id *identity.Identity, dialled bool) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %q %q %q %v %v", id.Name, id.Host, id.Port, tlsName(id), id.Username, id.TLS, dialled)
	fmt.Fprintf(sum, " %q %q", id.Fingerprints, id.TLSMin)
	if len(id.TLSCompat) > 0 {
		fmt.Fprintf(sum, " %q", id.TLSCompat)
	}
	for _, file := range [...]string{id.CAFile, id.ClientCertificate, id.ClientKey} {
		text, err := os.ReadFile(file)
		fmt.Fprintf(sum, " %q %x %v", file, sha256.Sum256(text), err == nil)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Get implements tls.ClientSessionCache. A ticket is offered once (RFC 8446, C.4).
func (t *tickets) Get(string) (*tls.ClientSessionState, bool) {
	defer t.state.lock()()
	all := t.load()
	last := -1
	for i := range all {
		if all[i].For == t.key {
			last = i
		}
	}
	if last < 0 {
		return nil, false
	}
	use := all[last]
	if len(use.Ticket) == 0 {
		return nil, false // see Unusable
	}
	t.state.write(ticketsFile, ticketFile{slices.Delete(all, last, last+1)})
	state, err := tls.ParseSessionState(use.State)
	if err != nil {
		return nil, false
	}
	session, err := tls.NewResumptionState(use.Ticket, state)
	return session, err == nil
}

// Put implements tls.ClientSessionCache. The ticket is written down at the end of the session.
func (t *tickets) Put(_ string, session *tls.ClientSessionState) {
	if session == nil {
		return // Get has forgotten it
	}
	id, state, err := session.ResumptionState()
	if err != nil || state == nil {
		return
	}
	text, err := state.Bytes()
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.got = append(t.got, ticket{t.key, time.Now().Unix(), id, text}); len(t.got) > ownTickets {
		t.got = t.got[1:]
	}
}

// Unusable implements smtp.SessionCache: sessions are begun anew as long as a ticket would be kept.
func (t *tickets) Unusable() {
	defer t.state.lock()()
	all := slices.DeleteFunc(t.load(), func(old ticket) bool { return old.For == t.key })
	t.state.write(ticketsFile, ticketFile{append(all, ticket{For: t.key, Time: time.Now().Unix()})})
}

// load reads the tickets that are not too old.
func (t *tickets) load() []ticket {
	var file ticketFile
	t.state.read(ticketsFile, &file)
	oldest := time.Now().Add(-ticketAge).Unix()
	return slices.DeleteFunc(file.Tickets, func(old ticket) bool { return old.Time < oldest })
}

// save writes down the tickets that came over a session.
func (t *tickets) save(conn net.Conn) {
	if _, ok := conn.(*tls.Conn); t == nil || !ok {
		return
	}
	t.mu.Lock()
	got := t.got
	t.got = nil
	t.mu.Unlock()
	if len(got) == 0 {
		return
	}
	defer t.state.lock()()
	all := t.load()
	if slices.ContainsFunc(all, func(old ticket) bool { return old.For == t.key && len(old.Ticket) == 0 }) {
		return
	}
	all = append(all, got...)
	own := 0
	for i := len(all) - 1; i >= 0; i-- { // the newest are last
		if all[i].For == t.key {
			if own++; own > ownTickets {
				all = slices.Delete(all, i, i+1)
			}
		}
	}
	if len(all) > maxTickets {
		all = all[len(all)-maxTickets:]
	}
	t.state.write(ticketsFile, ticketFile{all})
}
