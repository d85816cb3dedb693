//go:build linux

package main

import (
	"fmt"
	"time"
)

const (
	linkMessages = 100
	linkSize     = 4 << 10
	linkRate     = 10_000_000
	manySessions = 20
)

// manyCase is the case of a host to which the identity may have many sessions.
var manyCase = fmt.Sprintf("known host, sessions: %d", manySessions)

// link measures delivery over long links, with TLS and a login.
func (b *bench) link() error {
	for _, rtt := range b.trips {
		for _, chunking := range []bool{true, false} {
			for i := range max(b.runs/8, 1) {
				with := b
				if i > 0 && rtt > 0 || !chunking {
					with = b.alone() // the peers do not use CHUNKING, and take long
				}
				if err := with.linkOnce(rtt, chunking); err != nil {
					return err
				}
			}
		}
	}
	title(fmt.Sprintf("Drain of %d messages of %d octets, TLS and login, %d Mbit/s where the link is long", linkMessages, linkSize, linkRate/1_000_000),
		"", "host", "RTT ms", "CHUNKING", "wall s", "to the limit", "sessions", "in order")
	for _, r := range b.rec.rows("link") {
		last, wall := b.rec.last(r), b.rec.values(r, wallOf)
		base := r
		base.Program, base.Case = "(limit)", ""
		line(r.Program, r.Case, fmt.Sprintf("%.0f", r.RTT*1000), map[bool]string{true: "yes", false: "no"}[r.Chunking],
			wall.spread(1), figure(wall.median()/b.rec.values(base, wallOf).median()), fmt.Sprint(last.Sessions), inOrder(last))
	}
	fmt.Println()
	return nil
}

func (b *bench) linkOnce(rtt time.Duration, chunking bool) error {
	w := way{secure: true, chunking: chunking, rtt: rtt}
	if rtt > 0 {
		w.rate = linkRate
	}
	like := observation{Measure: "link", Program: "(limit)", Messages: linkMessages, Size: linkSize, RTT: rtt.Seconds(), Chunking: chunking}
	o, err := b.limitOf(w, linkMessages, linkSize, like)
	if err == nil {
		err = b.rec.add(o)
	}
	if err != nil {
		return err
	}
	cases := []string{"known host"}
	if chunking {
		cases = append(cases, "new host")
	}
	if err := b.drainEach(like, w, smartHost{}, cases...); err != nil {
		return err
	}
	if chunking || rtt == 0 {
		return nil
	}
	return b.drainEach(like, w, smartHost{sessions: manySessions}, manyCase)
}
