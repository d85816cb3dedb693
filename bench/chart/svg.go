package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

const (
	width     = 800
	left      = 340 // where the axis begins
	right     = 700
	top       = 64
	rowHeight = 26
)

// colours are the colours of the round-trip times, from the shortest to the longest.
var colours = []string{"#9ecae1", "#4292c6", "#08306b"}

// roundTrips returns the round-trip times of all rows, the shortest first.
func roundTrips(rows []row) []float64 {
	var all []float64
	for _, r := range rows {
		for _, p := range r.times {
			if !slices.Contains(all, p.rtt) {
				all = append(all, p.rtt)
			}
		}
	}
	slices.Sort(all)
	return all
}

func colour(trips []float64, rtt float64) string {
	return colours[min(slices.Index(trips, rtt), len(colours)-1)]
}

// An axis is logarithmic: times differ by factors.
type axis struct{ low, high float64 } // powers of ten

// axisOf returns an axis that has room for all rows.
func axisOf(rows []row) axis {
	a := axis{math.Inf(1), math.Inf(-1)}
	for _, r := range rows {
		for _, p := range r.times {
			a.low = min(a.low, math.Floor(math.Log10(p.wall)))
			a.high = max(a.high, math.Ceil(math.Log10(p.wall)))
		}
	}
	return a
}

func (a axis) x(seconds float64) float64 {
	return left + (right-left)*(math.Log10(seconds)-a.low)/max(a.high-a.low, 1)
}

// draw writes a chart: a line for each program, with a dot for each round-trip time.
func draw(w io.Writer, rows []row, messages int) error {
	a, bottom := axisOf(rows), top+rowHeight*len(rows)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="13">`+"\n", width, bottom+40)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	text(&b, 12, 22, "start", fmt.Sprintf("Seconds until %d messages were accepted, TLS and login", messages))
	trips := roundTrips(rows)
	legend(&b, trips)
	for power := a.low; power <= a.high; power++ {
		x := a.x(math.Pow(10, power))
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>`+"\n", x, top, x, bottom)
		text(&b, x, float64(bottom+18), "middle", fmt.Sprintf("%g", math.Pow(10, power)))
	}
	for i, r := range rows {
		a.row(&b, r, trips, float64(top+rowHeight*i+rowHeight/2))
	}
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

func (a axis) row(b *bytes.Buffer, r row, trips []float64, y float64) {
	text(b, left-14, y+4, "end", r.name)
	first, last := a.x(r.times[0].wall), a.x(r.slowest())
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#bbb"/>`+"\n", first, y, last, y)
	for _, p := range r.times {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="5" fill="%s"/>`+"\n", a.x(p.wall), y, colour(trips, p.rtt))
	}
	text(b, last+10, y+4, "start", fmt.Sprintf("%.3g", r.slowest()))
}

// legend says which dot is for which round-trip time.
func legend(b *bytes.Buffer, trips []float64) {
	for i, rtt := range trips {
		x := float64(left + 110*i)
		fmt.Fprintf(b, `<circle cx="%.1f" cy="44" r="5" fill="%s"/>`+"\n", x, colour(trips, rtt))
		text(b, x+10, 48, "start", fmt.Sprintf("RTT %g ms", rtt))
	}
}

func text(b *bytes.Buffer, x, y float64, anchor, s string) {
	var safe strings.Builder
	xml.EscapeText(&safe, []byte(s))
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, safe.String())
}
