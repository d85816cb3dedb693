//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// large measures single messages of many sizes: submission, and delivery on loopback.
func (b *bench) large() error {
	for _, mib := range b.settings.large {
		size := mib << 20
		name, err := b.messageFile(size)
		if err != nil {
			return err
		}
		for range max(b.runs/4, 1) {
			if err := b.largeOnce(name, size); err != nil {
				return err
			}
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	title("One large message", "", "MiB", "what", "wall s", "MB/s", "cpu s", "peak MiB")
	for _, r := range b.rec.rows("large") {
		wall := b.rec.values(r, wallOf)
		line(r.Program, fmt.Sprint(r.Size>>20), r.Case, wall.spread(1), figure(float64(r.Size)/1e6/wall.median()),
			figure(b.rec.values(r, cpuOf).median()), figure(b.rec.values(r, peakOf).at(1)))
	}
	fmt.Println()
	return nil
}

func (b *bench) largeOnce(name string, size int) error {
	like := observation{Measure: "large", Size: size, Case: "submit"}
	for _, f := range b.floors() {
		u, err := b.once(f.place, name, f.command...)
		if err == nil {
			err = f.cleanUp()
		}
		o := like.took(u)
		o.Program = f.program
		if err == nil {
			err = b.rec.add(o)
		}
		if err != nil {
			return err
		}
	}
	w := way{chunking: true}
	o, err := b.limitOf(w, 1, size, observation{Measure: "large", Program: "(limit)", Size: size, Case: "deliver", Chunking: true})
	if err == nil {
		err = b.rec.add(o)
	}
	if err == nil {
		err = b.largeBy(b.programs[0], name, size, w)
	}
	if err != nil {
		return err
	}
	for _, p := range b.programs[1:] {
		if err := b.largeBy(p, name, size, w); err != nil {
			fmt.Fprintln(os.Stderr, "measure: left out:", err)
		}
	}
	return nil
}

func (b *bench) largeBy(p *program, name string, size int, w way) error {
	h := smartHost{port: b.nextPort()}
	if err := p.prepare(h); err != nil {
		return err
	}
	if p.ours {
		if err := b.acquaint(p, h, w); err != nil {
			return err
		}
	}
	u, err := b.once(p.place, name, p.submission()...)
	if err != nil {
		return fmt.Errorf("%w: %s", err, b.tail())
	}
	if err := b.rec.add(observation{Measure: "large", Program: p.name, Size: size, Case: "submit"}.took(u)); err != nil {
		return err
	}
	o, err := b.drainOf(p, h.port, w, observation{Measure: "large", Program: p.name, Size: size, Case: "deliver", Messages: 1, Chunking: true})
	if err != nil {
		return err
	}
	o.Messages = 0 // as in the other rows
	return b.rec.add(o)
}

// recipients measures one message to many recipients: submission, and delivery over a link.
func (b *bench) recipients() error {
	name, err := b.messageFile(submitSize)
	if err != nil {
		return err
	}
	us := b.programs[0]
	for _, n := range []int{1, 10, 100, 1000} {
		command := us.submit
		for i := range n {
			command = append(command, fmt.Sprintf("reader%d@example.com", i))
		}
		for range max(b.runs/4, 1) {
			w := way{chunking: true, rtt: 50 * time.Millisecond, rate: linkRate}
			h := smartHost{port: b.nextPort()}
			if err := us.prepare(h); err != nil {
				return err
			}
			if err := b.acquaint(us, h, w); err != nil {
				return err
			}
			u, err := b.once(us.place, name, command...)
			if err == nil {
				err = b.rec.add(observation{Measure: "recipients", Program: us.name, Case: "submit", Recipients: n}.took(u))
			}
			if err != nil {
				return err
			}
			o := observation{Measure: "recipients", Program: us.name, Case: "deliver", Recipients: n, RTT: w.rtt.Seconds(), Chunking: true}
			o.Messages = 1
			o, err = b.drainOf(us, h.port, w, o)
			o.Messages = 0
			if err == nil {
				err = b.rec.add(o)
			}
			if err != nil {
				return err
			}
		}
	}
	title("One message to many recipients; the link has an RTT of 50 ms", "recipients", "what", "wall ms", "cpu ms", "peak MiB")
	for _, r := range b.rec.rows("recipients") {
		line(fmt.Sprint(r.Recipients), r.Case, b.rec.values(r, wallOf).spread(1000),
			figure(b.rec.values(r, cpuOf).median()*1000), figure(b.rec.values(r, peakOf).at(1)))
	}
	fmt.Println()
	return nil
}

// binary measures the program itself: its size, and the cost of initialising its packages.
func (b *bench) binary() error {
	file := filepath.Join(b.bin, "esmtpq")
	st, err := os.Stat(file)
	if err != nil {
		return err
	}
	c := exec.Command(file, "version")
	c.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	c.Stderr = &trace
	if err := c.Run(); err != nil {
		return err
	}
	start := observation{Measure: "binary", Program: "esmtpq", Case: "initialisation"}
	for text := range strings.Lines(trace.String()) {
		fields := strings.Fields(text)
		for i, word := range fields {
			switch word {
			case "bytes,":
				n, _ := strconv.ParseInt(fields[i-1], 10, 64)
				start.Octets += n
			case "allocs":
				n, _ := strconv.ParseInt(fields[i-1], 10, 64)
				start.Allocations += n
			}
		}
	}
	if err := b.rec.add(start); err != nil {
		return err
	}
	if err := b.rec.add(observation{Measure: "binary", Program: "esmtpq", Case: "file", Octets: st.Size()}); err != nil {
		return err
	}
	title("The program", "size MB", "initialisation KiB", "allocations")
	line(figure(float64(st.Size())/1e6), figure(float64(start.Octets)/1024), fmt.Sprint(start.Allocations))
	fmt.Println()
	return nil
}
