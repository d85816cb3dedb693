// Package history is esmtpq log: it tells what became of mail.
package history

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/queue/history"
	"esmtpq/queue/spool"
)

// help explains the options of log.
const help = `Words, if any, must all be found in what is known of a message: its queue ID, its
Message-ID, its addresses, the hosts' words.
  --since WHEN           only what has happened since: 30m, 12h, 3d, today, yesterday, 2026-11-30
  --follow               and go on with what happens from now on, until interrupted
  --json                 one JSON object for each event
`

// options are the options of log.
type options struct {
	json, follow bool
	since        time.Time
	words        []string // in lower case
}

// Verb is log.
func Verb(c *door.Call) error {
	if c.AsksHelp("--since") {
		return c.Help(help)
	}
	opt, err := parse(c.Args, time.Now())
	if err != nil {
		return err
	}
	home, err := whoami.Home()
	if err != nil {
		return err
	}
	q, err := door.OpenQueue()
	if err != nil {
		return err
	}
	if q != nil {
		defer q.Close()
	}
	reader := &history.Reader{Dir: filepath.Join(whoami.Queue(home), history.DirName), Since: opt.since}
	if opt.json {
		return printJSON(c, opt, reader)
	}
	return printAll(c, opt, reader, q)
}

// parse reads the command line.
func parse(args []string, now time.Time) (options, error) {
	var opt options
	rest, words := args, []string(nil)
	for i, arg := range args {
		if arg == "--" {
			rest, words = args[:i], args[i+1:]
			break
		}
	}
	for i := 0; i < len(rest); i++ {
		name, value, attached := strings.Cut(rest[i], "=")
		switch {
		case rest[i] == "--json":
			opt.json = true
		case rest[i] == "--follow", rest[i] == "-f":
			opt.follow = true
		case name == "--since":
			if !attached {
				if i++; i >= len(rest) {
					return opt, exit.Fail(exit.Usage, "--since needs a time")
				}
				value = rest[i]
			}
			var err error
			if opt.since, err = since(value, now); err != nil {
				return opt, err
			}
		case strings.HasPrefix(rest[i], "-"):
			return opt, exit.Fail(exit.Usage, "unknown option %s: see esmtpq log --help", spool.Printable(rest[i]))
		default:
			words = append(words, rest[i])
		}
	}
	for _, w := range words {
		opt.words = append(opt.words, strings.ToLower(strings.TrimSpace(w)))
	}
	return opt, nil
}

// since reads a time as a person gives it.
func since(text string, now time.Time) (time.Time, error) {
	now = now.Local()
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.Local)
	switch text {
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	}
	if d, err := identity.ParsePeriod(text); err == nil {
		return now.Add(-d), nil
	}
	for _, form := range [...]string{time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", time.RFC3339} {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, exit.Fail(exit.Usage, "--since %s: an age such as 12h or 3d, today, yesterday, or a date such as 2026-11-30", spool.Printable(text))
}

// fits reports whether a record is wanted, as far as its time goes.
func (opt *options) fits(rec *history.Record) bool {
	return opt.since.IsZero() || !rec.Time.Before(opt.since)
}

// found reports whether each word is found in some of the texts.
func (opt *options) found(texts ...string) bool {
	for _, w := range opt.words {
		in := false
		for _, text := range texts {
			in = in || strings.Contains(strings.ToLower(text), w)
		}
		if !in {
			return false
		}
	}
	return true
}

// texts returns what a person may look for.
func texts(rec *history.Record) []string {
	all := []string{rec.ID, string(rec.Event), rec.Sender, rec.MessageID, rec.Subject, rec.Identity, rec.Host, rec.MailFrom, rec.Explain()}
	return append(all, rec.To...)
}

// printJSON prints the records as they are.
func printJSON(c *door.Call, opt options, reader *history.Reader) error {
	out := bufio.NewWriter(c.Out)
	show := func(rec *history.Record, line []byte) {
		if opt.fits(rec) && opt.found(texts(rec)...) {
			out.Write(append(door.EscapeJSON(line), '\n'))
		}
	}
	return poll(reader, opt.follow, show, out.Flush)
}

// followEvery is how often is looked for more.
const followEvery = 300 * time.Millisecond

// poll reads the log, with follow again and again until the person ends it.
func poll(reader *history.Reader, follow bool, show func(rec *history.Record, line []byte), flush func() error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	for {
		if err := reader.Poll(show); err != nil {
			return exit.Spool("cannot read the history", err)
		}
		if err := flush(); err != nil {
			return err
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

// printAll prints the messages, the oldest first, and with follow what happens then, line by line.
func printAll(c *door.Call, opt options, reader *history.Reader, q *spool.Queue) error {
	out := bufio.NewWriter(c.Out)
	all := gather(opt, reader)
	if all.err != nil {
		return exit.Spool("cannot read the history", all.err)
	}
	if q != nil {
		all.addQueued(q)
	}
	n := all.print(out, opt)
	if err := out.Flush(); err != nil {
		return err
	}
	if !opt.follow {
		if n == 0 && len(opt.words) > 0 {
			return exit.Fail(exit.Unavailable, "nothing is known of such a mail%s", all.reach())
		}
		return nil
	}
	show := func(rec *history.Record, _ []byte) {
		if opt.found(texts(rec)...) {
			fmt.Fprintf(out, "%s  %s", rec.ID, eventLine(rec, time.DateTime))
		}
	}
	return poll(reader, true, show, out.Flush)
}
