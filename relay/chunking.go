package relay

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// chunking is what is known of a host's BDAT, from this run and those before.
type chunking struct {
	state stateDir
	key   string // of the host; see New

	mu      sync.Mutex
	refused bool   // in this run, whatever can be written down
	drained string // likewise: the fingerprint that passed
}

// A knownHost is what is kept of a host.
type knownHost struct {
	Host  string `json:"host"`
	EHLO  string `json:"ehlo"`  // fingerprint of its reply to EHLO; "" for any
	Drain bool   `json:"drain"` // it has passed the probe
	Lost  int    `json:"lost"`  // sessions in a row that were lost before BDAT came to anything
	Time  int64  `json:"time"`  // Unix time of the last change
	Why   string `json:"why,omitempty"`
}

const (
	chunkingFile = "chunking"
	maxKnown     = 200
	// maxLost is how many sessions in a row may be lost in the first burst: one may be the network's doing.
	maxLost = 2
)

// know returns what is known for a session that has just been opened.
func (c *chunking) know(s *session) drains {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused || s.level < pipelined || !s.ext.has("CHUNKING") {
		return drainsNot
	}
	print := s.ext.fingerprint()
	found := drainsUnknown
	if c.drained == print {
		found = drainsYes
	}
	for _, k := range c.load() {
		switch {
		case k.Host != c.key:
		case k.EHLO == "" || k.Lost >= maxLost:
			return drainsNot
		case k.EHLO == print && k.Drain:
			found = drainsYes
		}
	}
	return found
}

// confirm remembers that the host has passed the probe.
func (c *chunking) confirm(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drained = s.ext.fingerprint()
	c.store(knownHost{Host: c.key, EHLO: c.drained, Drain: true})
}

// works remembers that a burst has come to something.
func (c *chunking) works(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.load() {
		if k.Host == c.key && k.Lost > 0 {
			c.store(knownHost{Host: c.key, EHLO: s.ext.fingerprint(), Drain: true})
			return
		}
	}
}

// lost remembers that a session was lost before BDAT came to anything. For this run that is enough.
func (c *chunking) lost(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = true
	k := knownHost{Host: c.key, EHLO: s.ext.fingerprint(), Drain: s.drains == drainsYes, Lost: 1}
	for _, old := range c.load() {
		if old.Host == c.key {
			k.Lost = old.Lost + 1
		}
	}
	c.store(k)
}

// refuse remembers for ever that BDAT is not to be used with the host.
func (c *chunking) refuse(s *session, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.drains = drainsNot
	if c.refused {
		return
	}
	c.refused = true
	s.note("no BDAT with this host from now on: " + why)
	c.store(knownHost{Host: c.key, Why: why})
}

// load reads what was written down.
func (c *chunking) load() []knownHost {
	var file struct {
		Hosts []knownHost `json:"hosts"`
	}
	c.state.read(chunkingFile, &file)
	return file.Hosts
}

// store writes k down in place of what is there about the host, except what holds for ever.
func (c *chunking) store(k knownHost) {
	stateMu.Lock()
	defer stateMu.Unlock()
	k.Time = time.Now().Unix()
	hosts := slices.DeleteFunc(c.load(), func(old knownHost) bool {
		return old.Host == k.Host && (k.EHLO == "" || old.EHLO == k.EHLO)
	})
	if len(hosts) >= maxKnown {
		hosts = hosts[len(hosts)-maxKnown+1:]
	}
	file := struct {
		Hosts []knownHost `json:"hosts"`
	}{append(hosts, k)}
	c.state.write(chunkingFile, file)
}

// fingerprint tells one reply to EHLO from another, by its keywords. The limit of SIZE
// is left out: with some hosts it follows the free space.
func (e extensions) fingerprint() string {
	var all []string
	for keyword, params := range e {
		if keyword == "SIZE" {
			params = ""
		}
		all = append(all, keyword+" "+params+"\n")
	}
	slices.Sort(all)
	sum := sha256.New()
	for _, line := range all {
		sum.Write([]byte(line))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
