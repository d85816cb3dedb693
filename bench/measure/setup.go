//go:build linux

package main

import (
	"fmt"
	"time"
)

// The beginnings of a session. These are the measures of one message over a link.
const (
	inClear  = "setup"
	startTLS = "setup, STARTTLS and login"
	fromTLS  = "setup, TLS from the start and login"
)

// resumed is the case of a TLS session that is resumed from the run before.
const resumed = "known host, TLS resumed"

// setup measures how many round trips one message takes, from the start of the program until it
// is accepted.
func (b *bench) setup() error {
	sessions := []string{inClear, startTLS, fromTLS}
	for _, rtt := range b.trips {
		for range max(b.runs/8, 1) {
			for _, session := range sessions {
				if rtt == 0 {
					continue
				}
				if err := b.setupOnce(rtt, session); err != nil {
					return err
				}
			}
		}
	}
	title("One message", "", "host", "RTT ms", "session", "wall s", "round trips", "until MAIL has arrived")
	for _, measure := range sessions {
		for _, r := range b.rec.rows(measure) {
			wall, first := b.rec.values(r, wallOf).median(), b.rec.values(r, setupOf).median()
			session := map[string]string{inClear: "in clear", startTLS: "STARTTLS and login", fromTLS: "TLS from the start and login"}[measure]
			if r.Case == resumed && b.rec.last(r).Resumed == 0 {
				session += ", not resumed"
			}
			line(r.Program, r.Case, fmt.Sprintf("%.0f", r.RTT*1000), session, figure(wall), fmt.Sprintf("%.1f", wall/r.RTT), fmt.Sprintf("%.1f", first/r.RTT))
		}
	}
	fmt.Println()
	return nil
}

func (b *bench) setupOnce(rtt time.Duration, session string) error {
	w := way{secure: session != inClear, implicit: session == fromTLS, chunking: true, rtt: rtt, rate: linkRate}
	like := observation{Measure: session, Program: "(limit)", Messages: 1, Size: submitSize, RTT: rtt.Seconds(), Chunking: true}
	o, err := b.limitOf(w, 1, submitSize, like)
	if err == nil {
		err = b.rec.add(o)
	}
	if err != nil {
		return err
	}
	if w.secure {
		if err := b.alone().drainEach(like, w, smartHost{}, resumed); err != nil {
			return err
		}
	}
	w.noTickets = w.secure
	return b.drainEach(like, w, smartHost{}, "known host", "new host")
}
