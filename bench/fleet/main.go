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
}

// schedules are the schedules that are compared.
var schedules = []struct {
	name string
	next schedule
}{
	{"the schedule, with its jitter", jittered},
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
			f := fleet{o.machines, offline, o.within, s.next, rand.New(rand.NewPCG(o.seed, 0))}
			r := f.run(&host{rate: o.rate, backlog: o.backlog}, limit)
			all := clock(r.last)
			if r.delivered < o.machines {
				all = fmt.Sprintf("%d left after %v", o.machines-r.delivered, clock(limit))
			}
			fmt.Fprintf(w, "| %s | %s | %s | %s | %d | %.1f |\n", clock(offline), s.name, clock(r.half), all, r.peak, float64(r.wasted)/float64(o.machines))
		}
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
