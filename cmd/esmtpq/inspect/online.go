package inspect

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/smarthost"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/identity"
	"esmtpq/queue/spool"
)

const onlineHelp = `  -v, --verbose          a line for each identity, in words
  --timeout DURATION     how long to wait for an answer; 10s if not given
  -C FILE                use this configuration
Exit status 0: the host of one of them answers. 1: none does.
`

const (
	onlineLimit    = 10 * time.Second
	longestOnline  = 10 * time.Minute
	offline        = 1 // as ping has it
	timeoutOption  = "--timeout"
	shortestOnline = time.Millisecond
)

// online asks whether mail could leave: the smart hosts of all identities, or of those named, at the same
// time. The first answer is enough, unless somebody wants to hear of each.
func online(c *door.Call) error {
	args, limit, err := cutTimeout(c.Args)
	if err != nil {
		return err
	}
	args, verbose := argv.Cut(args, "--verbose")
	inv, err := argv.Parse(args)
	if err != nil {
		return err
	}
	verbose = verbose || inv.Verbose
	step, err := submit.StepLimit()
	if err != nil {
		return err
	}
	home, cfg, err := submit.Configuration(inv.Config)
	if err != nil {
		return err
	}
	ids, err := chosen(cfg, inv.Operands)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return exit.Fail(exit.Config, "no identity in %s has a smart host", spool.Printable(cfg.File))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	hosts := &smarthost.Hosts{Home: home, Step: step}
	lines := make([]chan answer, len(ids))
	first := make(chan bool, len(ids))
	for i, id := range ids {
		lines[i] = make(chan answer, 1)
		go func() {
			a := asked(ctx, hosts, cfg, id)
			lines[i] <- a
			first <- a.there
		}()
	}
	there := false
	for i := range ids {
		if verbose {
			a := <-lines[i]
			there = there || a.there
			fmt.Fprintf(c.Out, "%s: %s\n", spool.Printable(ids[i].Name), spool.Printable(a.text))
		} else if there = <-first; there {
			break
		}
	}
	if !there {
		return exit.Silent(offline)
	}
	return nil
}

// An answer is what is known of the hosts of an identity.
type answer struct {
	there bool
	text  string
}

// asked asks the hosts of an identity.
func asked(ctx context.Context, hosts *smarthost.Hosts, cfg *identity.Config, id *identity.Identity) answer {
	t, err := hosts.Transport(cfg, id)
	if err != nil {
		return answer{text: err.Error()}
	}
	seen, failed := t.Answer(ctx)
	switch {
	case failed == nil:
		one := &hostProbing{id: id, addr: seen.Addr(), view: seen.View}
		return answer{true, one.addr + " answers, " + one.tls()}
	case ctx.Err() == context.DeadlineExceeded:
		return answer{text: context.Cause(ctx).Error()}
	case ctx.Err() != nil:
		return answer{text: "interrupted"}
	}
	return answer{text: failed.Error()}
}

// cutTimeout takes --timeout out of the arguments.
func cutTimeout(args []string) (rest []string, limit time.Duration, err error) {
	limit = onlineLimit
	for i := 0; i < len(args); i++ {
		value, attached := strings.CutPrefix(args[i], timeoutOption+"=")
		switch {
		case args[i] == "--":
			return append(rest, args[i:]...), limit, nil
		case attached:
		case args[i] != timeoutOption:
			rest = append(rest, args[i])
			if argv.TakesNext(args[i]) && i+1 < len(args) {
				i++
				rest = append(rest, args[i])
			}
			continue
		case i+1 == len(args):
			return nil, 0, exit.Fail(exit.Usage, "%s needs a duration, such as 5s", timeoutOption)
		default:
			i++
			value = args[i]
		}
		limit, err = time.ParseDuration(value)
		if err != nil || limit < shortestOnline || limit > longestOnline {
			return nil, 0, exit.Fail(exit.Usage, "%s %s: a duration such as 5s, up to %v", timeoutOption, spool.Printable(value), longestOnline)
		}
	}
	return rest, limit, nil
}
