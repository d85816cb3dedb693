package relay

import (
	"slices"
	"time"

	"esmtpq/relay/smtp"
)

const (
	seenFile = "tls"
	// seenFor is how long a version counts that was not seen again.
	seenFor = 180 * 24 * time.Hour
)

// seen remembers the best version of TLS that a host has spoken. It implements smtp.TLSMemory.
type seen struct {
	state StateDir
	host  string
}

// seenText is an entry of the file, and seenTexts its form.
type seenText struct {
	Host    string `json:"host"`
	Version uint16 `json:"version"` // as on the wire
	Time    int64  `json:"time"`    // Unix time at which it was seen
}

type seenTexts struct {
	Hosts []seenText `json:"hosts"`
}

// Recall implements smtp.TLSMemory.
func (s *seen) Recall() uint16 {
	defer s.state.lock()()
	for _, k := range s.load() {
		if k.Host == s.host {
			return k.Version
		}
	}
	return 0
}

// Learn implements smtp.TLSMemory.
func (s *seen) Learn(version uint16) {
	defer s.state.lock()()
	all, now := s.load(), time.Now()
	for _, k := range all {
		if k.Host == s.host && (k.Version > version || k.Version == version && now.Sub(time.Unix(k.Time, 0)) < confirmed) {
			return
		}
	}
	all = slices.DeleteFunc(all, func(k seenText) bool { return k.Host == s.host })
	if len(all) >= maxKnown {
		all = all[len(all)-maxKnown+1:]
	}
	s.state.write(seenFile, seenTexts{append(all, seenText{s.host, version, now.Unix()})})
}

// forget forgets what was seen.
func (s *seen) forget() {
	defer s.state.lock()()
	all := s.load()
	if rest := slices.DeleteFunc(slices.Clone(all), func(k seenText) bool { return k.Host == s.host }); len(rest) < len(all) {
		s.state.write(seenFile, seenTexts{rest})
	}
}

// load reads what was written down, except for what is too old.
func (s *seen) load() []seenText {
	var file seenTexts
	s.state.read(seenFile, &file)
	now := time.Now()
	return slices.DeleteFunc(file.Hosts, func(k seenText) bool {
		at := time.Unix(k.Time, 0)
		return now.Sub(at) > seenFor || at.After(now.Add(time.Hour))
	})
}

// forget forgets what was learned of the safety of a host, and of the one's logins.
func (h *host) forget() {
	if s, ok := h.config.TLSMemory.(*seen); ok {
		s.forget()
	}
	if l, ok := h.config.LoginMemory.(*logins); ok {
		l.Learn(smtp.LoginKnown{})
	}
}
