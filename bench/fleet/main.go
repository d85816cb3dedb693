// Fleet simulates many machines that come back online at once, all with mail for the same smart
// host, which cannot serve them all at once. It prints the effect of the schedule of retries,
// with and without its jitter, and of a crontab, as Markdown.
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"
)

// options describe the simulation.
type options struct {
	machines int
	rate     float64
	backlog  int
	within   time.Duration
	seed     uint64
}

func main() {
	var o options
	flag.IntVar(&o.machines, "machines", 100_000, "how many there are")
	flag.Float64Var(&o.rate, "rate", 100, "sessions a second that the host can serve")
	flag.IntVar(&o.backlog, "backlog", 1000, "connections that the host lets wait")
	flag.DurationVar(&o.within, "within", 10*time.Second, "time in which all machines come online")
	flag.Uint64Var(&o.seed, "seed", 1, "of the random numbers")
	flag.Parse()
	if o.machines < 1 || o.machines > 10_000_000 || o.rate <= 0 || o.backlog < 1 || o.within < 0 {
		fmt.Fprintln(os.Stderr, "fleet: 1 to 10000000 machines, a rate and a backlog above 0")
		os.Exit(2)
	}
	o.print(os.Stdout)
	o.printOutages(os.Stdout)
}

// schedules are the schedules that are compared.
var schedules = []struct {
	name string
	next schedule
}{
	{"the schedule, with its jitter", jittered},
	{"the schedule, where a watcher saw the network come", watched},
	{"the schedule without jitter", unjittered},
	{"`deliver` from every crontab at `*/10`", crontab},
}

// limit ends a simulation that does not end by itself.
const limit = 90 * 24 * time.Hour

func (o *options) print(w io.Writer) {
	fmt.Fprintf(w, "%d machines online within %v; the host serves %g sessions/s (%v for all), and lets %d wait.\n\n",
		o.machines, o.within, o.rate, clock(time.Duration(float64(o.machines)/o.rate*float64(time.Second))), o.backlog)
	fmt.Fprintln(w, "| offline before | tried again by | half delivered after | all delivered after | peak attempts/s | wasted attempts a machine |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- |")
	for _, offline := range []time.Duration{0, 15 * time.Minute, 8 * time.Hour} {
		for _, s := range schedules {
			f := fleet{machines: o.machines, offline: offline, within: o.within, next: s.next}
			r := o.run(f)
			all := clock(r.last)
			if r.delivered < o.machines {
				all = fmt.Sprintf("%d left after %v", o.machines-r.delivered, clock(limit))
			}
			fmt.Fprintf(w, "| %s | %s | %s | %s | %.0f | %.1f |\n", clock(offline), s.name, clock(r.half), all, r.peak, float64(r.wasted)/float64(o.machines))
		}
	}
}

// run runs a fleet against the host.
func (o *options) run(f fleet) result {
	f.draw = rand.New(rand.NewPCG(o.seed, 0))
	return f.run(&host{rate: o.rate, backlog: o.backlog}, limit)
}

// printOutages prints what a host sees that has been down, while all machines were online.
func (o *options) printOutages(w io.Writer) {
	fmt.Fprintf(w, "\nThe same host was down, and all machines have tried by the schedule, each first within %v:\n\n", o.within)
	fmt.Fprintln(w, "| down for | half delivered after | all delivered after | peak attempts/s, over ten seconds | mean attempts/s | peak to mean |")
	fmt.Fprintln(w, "| --- | --- | --- | --- | --- | --- |")
	for _, down := range []time.Duration{15 * time.Minute, time.Hour, 8 * time.Hour} {
		r := o.run(fleet{machines: o.machines, offline: down, within: o.within, next: jittered, outage: true})
		mean := float64(r.attempts) / r.last.Seconds()
		fmt.Fprintf(w, "| %s | %s | %s | %.1f | %.1f | %.1f |\n", clock(down), clock(r.half), clock(r.last), r.peak, mean, r.peak/mean)
	}
}

// clock formats a time for people.
func clock(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.1f days", d.Hours()/24)
}
