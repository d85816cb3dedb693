package relay

import (
	"slices"
	"sync"
	"time"

	"esmtpq/relay/smtp"
)

const (
	memoryFile = "hosts"
	maxKnown   = 200
	// knownFor is how long something is believed of a host. It is forgotten at once when the
	// host's greeting or its offers change, since the host may have been repaired.
	knownFor = 30 * 24 * time.Hour
	// maxLost is how many sessions in a row may be lost while sending back to back: the network
	// may be the cause of one.
	maxLost = 2
)

// known is what is known of a host.
type known struct {
	Host  string `json:"host"`
	Print string `json:"print"` // smtp.Conn.Fingerprint
	Time  int64  `json:"time"`  // Unix time at which the first fact was learned

	Drains     bool   `json:"drains,omitempty"`     // it has passed smtp.Conn.Probe
	Steady     bool   `json:"steady,omitempty"`     // likewise, and answers RSET in the same words
	Counts     bool   `json:"counts,omitempty"`     // it gave one reply to each command of a message sent by BDAT
	NoChunks   string `json:"no_chunks,omitempty"`  // why BDAT is not used
	Lost       int    `json:"lost,omitempty"`       // sessions in a row that were lost before a message by BDAT was accepted
	Rides      bool   `json:"rides,omitempty"`      // it answers an envelope behind a final dot
	NoRide     bool   `json:"no_ride,omitempty"`    // it does not
	Recipients int    `json:"recipients,omitempty"` // that a transaction may have; 0 if it has not said
}

// A memory is what is known of one host, from this run and those before.
type memory struct {
	state StateDir
	key   string // of the host; see New

	mu   sync.Mutex
	run  known // what this run knows, even if it cannot be written down
	lost bool  // a session was lost in this run before a message by BDAT was accepted
}

// recall returns what is known of a host with this fingerprint.
func (m *memory) recall(print string) known {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run.Print != print {
		m.run = known{Host: m.key, Print: print}
		for _, k := range m.load() {
			if k.Host == m.key && k.Print == print {
				m.run = k
			}
		}
	}
	k := m.run
	if k.NoChunks == "" && (k.Lost >= maxLost || m.lost) {
		k.NoChunks = "sessions were lost in the first message"
	}
	return k
}

// learn changes what is known, and writes it down.
func (m *memory) learn(print string, change func(*known)) {
	m.recall(print)
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.state.lock()()
	hosts := m.load()
	if i := slices.IndexFunc(hosts, func(k known) bool { return k.Host == m.key && k.Print == print }); i >= 0 {
		m.run = hosts[i].with(m.run) // another run may have learned more
	}
	before := m.run
	change(&m.run)
	if m.run == before {
		return
	}
	if m.run.Time == 0 {
		m.run.Time = time.Now().Unix()
	}
	hosts = slices.DeleteFunc(hosts, func(k known) bool { return k.Host == m.key })
	if len(hosts) >= maxKnown {
		hosts = hosts[len(hosts)-maxKnown+1:]
	}
	m.state.write(memoryFile, memoryText{append(hosts, m.run)})
}

// with returns what is known from what is written down, k, and from a run that may have been unable to write. What changes
// back, Lost, is as it is written down.
func (k known) with(run known) known {
	k.Drains, k.Steady, k.Counts = k.Drains || run.Drains, k.Steady || run.Steady, k.Counts || run.Counts
	k.Rides, k.NoRide = k.Rides || run.Rides, k.NoRide || run.NoRide
	if k.NoChunks == "" {
		k.NoChunks = run.NoChunks
	}
	if k.Recipients == 0 || run.Recipients > 0 && run.Recipients < k.Recipients {
		k.Recipients = run.Recipients
	}
	return k
}

// memoryText is the form of the file.
type memoryText struct {
	Hosts []known `json:"hosts"`
}

// load reads what was written down, except for what is too old.
func (m *memory) load() []known {
	var file memoryText
	m.state.read(memoryFile, &file)
	now := time.Now()
	return slices.DeleteFunc(file.Hosts, func(k known) bool {
		at := time.Unix(k.Time, 0)
		return now.Sub(at) > knownFor || at.After(now.Add(time.Hour))
	})
}

// remember notes something about the present host, also for this session.
func (w *worker) remember(change func(*known)) {
	w.host.memory.learn(w.conn.Fingerprint(), change)
	change(&w.known)
}

// probe finds out whether messages can be sent to the host in chunks, unless that is known. An error
// is what ended the session.
func (h *host) probe(conn *smtp.Conn) *smtp.Error {
	m, print := &h.memory, conn.Fingerprint()
	k := m.recall(print)
	if k.Drains || k.NoChunks != "" || !conn.Pipelining() || !conn.Extensions().Has("CHUNKING") {
		return nil
	}
	err := conn.Probe()
	switch {
	case err == nil:
		m.learn(print, func(k *known) { k.Drains, k.Steady = true, conn.Steady })
		if !conn.Steady {
			m.refuseChunks(conn, "its replies to RSET differ from one to the next")
		}
	case err.Kind == smtp.KindStopped:
	case err.Kind == smtp.KindGarbage:
		m.refuseChunks(conn, "it takes a chunk for commands, or does not refuse it")
	default:
		m.lostChunks(print)
	}
	return err
}

// refuseChunks remembers that BDAT is not to be used with the host.
func (m *memory) refuseChunks(conn *smtp.Conn, why string) {
	m.learn(conn.Fingerprint(), func(k *known) {
		if k.NoChunks == "" {
			conn.Note("no BDAT with this host from now on: " + why)
			k.NoChunks = why
		}
	})
}

// lostChunks remembers that a session was lost before a message by BDAT was accepted. In this run,
// BDAT is not used again.
func (m *memory) lostChunks(print string) {
	m.learn(print, func(k *known) {
		m.lost = true
		k.Lost++
	})
}

// noChunks remembers that BDAT is not to be used with the present host.
func (w *worker) noChunks(why string) {
	w.series = false
	w.host.memory.refuseChunks(w.conn, why)
	w.known = w.host.memory.recall(w.conn.Fingerprint())
}

// noteChunks notes what a message sent in chunks shows about the host.
func (w *worker) noteChunks(r *smtp.Result, v *verdict, taken bool) {
	switch {
	case r.Untrusted:
		w.noChunks("its replies to BDAT make no sense")
	case v.again == againData:
		w.noChunks("it refused messages sent with BDAT")
	case taken && w.conn.Uniform():
		w.noChunks("its reply to RSET looks like any other")
	case taken:
		w.chunksWork = true
		if !w.known.Counts && r.Message.Check && r.Err == nil || w.known.Lost > 0 {
			w.remember(func(k *known) { k.Counts, k.Lost = k.Counts || r.Message.Check, 0 })
		}
	}
}

// learn notes what a session shows about the host, once it is over or idle. err is what ended it.
func (w *worker) learn(err *smtp.Error) {
	c := w.conn
	switch {
	case c.RideRefused || c.RideLost:
		if !w.known.NoRide {
			c.Note("nothing is sent behind a message to this host from now on")
			w.remember(func(k *known) { k.NoRide = true })
		}
	case c.RideProven && !w.known.Rides:
		w.remember(func(k *known) { k.Rides = true })
	}
	if err == nil || w.ctx.Err() != nil || !w.chunked || w.explained || err.At == smtp.StageLocal {
		return
	}
	switch {
	case err.Kind == smtp.KindGarbage:
		w.noChunks("its replies to BDAT make no sense")
	case err.Kind != smtp.KindReply && !w.chunksWork:
		w.host.memory.lostChunks(c.Fingerprint())
	}
}
