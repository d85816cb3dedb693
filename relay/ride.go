package relay

import (
	"slices"
	"sync"
	"time"
)

// Behind the final dot of a message goes the envelope of the next, as RFC 2920 has it. Some hosts that
// offer PIPELINING read a message with a buffer of its own and lose what stands behind it:
// the message is accepted, and the envelope never answered. It is noticed
// soon, costs nothing but a session, and is remembered.

// rideTime is how long the first reply to an envelope may take that went behind a final dot, once that is
// answered: both were with the host at the same time.
const rideTime = 5 * time.Second

const ridingFile = "riding"

// riding is what is known of a host's way with envelopes behind messages.
type riding struct {
	state stateDir
	key   string // of the host

	mu    sync.Mutex
	asked bool // the file
	not   bool
	does  bool
}

// forgetful is what is kept of the hosts that lose envelopes.
type forgetful struct {
	Hosts []string `json:"hosts"`
}

// allowed tells whether an envelope may ride.
func (r *riding) allowed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked {
		r.asked = true
		var file forgetful
		r.state.read(ridingFile, &file)
		r.not = r.not || slices.Contains(file.Hosts, r.key)
	}
	return !r.not
}

// proven tells whether the host has answered such an envelope.
func (r *riding) proven() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.does
}

// works notes that it has.
func (r *riding) works() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.does = true
}

// fails remembers that it did not.
func (r *riding) fails() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.not = true
	stateMu.Lock()
	defer stateMu.Unlock()
	var file forgetful
	r.state.read(ridingFile, &file)
	if !slices.Contains(file.Hosts, r.key) {
		file.Hosts = append(file.Hosts, r.key)
		if len(file.Hosts) > maxKnown {
			file.Hosts = file.Hosts[1:]
		}
		r.state.write(ridingFile, file)
	}
}

// limit is how long the next reply to a transaction may take.
func (s *session) limit(tx *transaction) time.Duration {
	usual := s.host.limits.of(tx.commands[tx.read].at)
	if s.unproven(tx) {
		return min(usual, rideTime)
	}
	return usual
}

// unproven tells whether the next reply shows if the host answers what rode behind a message.
func (s *session) unproven(tx *transaction) bool {
	return tx.rode && tx.read == 0 && !s.host.riding.proven()
}

// lostRider turns the silence after an envelope that rode into the loss of the session: nothing
// was sent that would be worth a longer wait.
func (s *session) lostRider(tx *transaction, t *trouble) *trouble {
	if t.event != eventTimeout || !s.unproven(tx) {
		return t
	}
	s.host.riding.fails()
	s.note("this host loses what is sent behind a message: not done from now on")
	return &trouble{at: t.at, event: eventLost, host: t.host, text: t.text}
}
