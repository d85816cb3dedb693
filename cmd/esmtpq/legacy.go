package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/queue/spool"
)

// The queue that esmtp-wrapper left. It recorded sendmail's arguments joined by single blanks, so that
// where one ends is not always known. What is not known is not guessed: such an entry is
// held, and its owner told why.

// takeOver moves entries that esmtp-wrapper has queued into our form. What cannot be
// moved stays as it is; mailq shows it with the reason.
func (p *program) takeOver(q *spool.Queue, r *router, names []string) {
	for _, name := range names {
		e, err := q.ReadLegacy(name)
		if legacyReason(e, err) != "" {
			continue
		}
		if err := takeOverOne(q, r, e); err != nil {
			fmt.Fprintf(p.err, "%s: %s, queued by esmtp-wrapper, is not taken over cleanly: %s; see mailq\n", p.name, name, printable(err.Error()))
		}
	}
}

func takeOverOne(q *spool.Queue, r *router, e *spool.LegacyEntry) error {
	if done, err := q.FinishLegacy(e); done || err != nil {
		return err
	}
	inv, err := legacyInvocation(e.Cmd)
	if err != nil {
		return err
	}
	mail, err := q.OpenLegacyMail(e.Name)
	if err != nil {
		return err
	}
	defer mail.Close()
	d, err := submit.Compose(inv, mail)
	if err != nil {
		return err
	}
	if _, err := r.Check(d.Env); err != nil {
		return err
	}
	if err := d.Complete(inv, &r.Ways, e.Arrival); err != nil {
		return err
	}
	w, err := q.NewWriter()
	if err != nil {
		return err
	}
	if err := d.Write(w); err != nil {
		w.Abort()
		return err
	}
	_, err = q.ReplaceLegacy(e, w, d.Env)
	return err
}

// legacyReason says why an entry is not taken over, "" if it can be.
func legacyReason(e *spool.LegacyEntry, err error) string {
	switch {
	case err != nil:
		return printable(fmt.Sprintf("queued by esmtp-wrapper, cannot be read: %v", err))
	case e.Locked && time.Since(e.Arrival) < 10*time.Minute:
		return "esmtp-wrapper is still writing it"
	case e.Locked:
		return "esmtp-wrapper died while writing it: look at it, then remove the file lock in it to send it, or all of it"
	}
	if _, err := legacyInvocation(e.Cmd); err != nil {
		return printable(fmt.Sprintf("held, queued by esmtp-wrapper: %v", err))
	}
	return ""
}

var errAmbiguous = errors.New("where its arguments end is not known: send it by hand from the file mail, then remove it")

// legacyInvocation reads the arguments as esmtp-wrapper recorded them.
func legacyInvocation(cmd string) (*argv.Invocation, error) {
	if strings.ContainsAny(cmd, "\n\r\x00") {
		return nil, errAmbiguous
	}
	// A single blank joins: two in a row have an empty argument between them.
	args, err := joinName(strings.Split(cmd, " "))
	if err != nil {
		return nil, err
	}
	inv, err := argv.Parse(args)
	if err != nil {
		return nil, err
	}
	if inv.Mode != argv.Send {
		return nil, errors.New("its arguments ask for something else than sending a message")
	}
	for i, o := range inv.Operands {
		// A name before an address in angle brackets: two arguments, or one mailbox.
		if plainAngle(o) && i > 0 && !strings.Contains(inv.Operands[i-1], "@") {
			return nil, errAmbiguous
		}
		// A piece of a display name, of a list or of a quoted local part: it was one argument once.
		if o == "" || strings.ContainsAny(o, `"'(),;:\`) || strings.Contains(o, "<") && !plainAngle(o) {
			return nil, errAmbiguous
		}
	}
	return inv, nil
}

// plainAngle tells whether s is one address in angle brackets and nothing else.
func plainAngle(s string) bool {
	return len(s) > 2 && s[0] == '<' && s[len(s)-1] == '>' && strings.Count(s, "<") == 1 && strings.Contains(s, "@")
}

// joinName puts the words of a full name (-F) together again, where what follows it up to the next
// option can be nothing else: recipients come last. A word that could as well be a local
// recipient is an error.
func joinName(args []string) ([]string, error) {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		out = append(out, arg)
		if arg == "--" {
			return append(out, args[i+1:]...), nil
		}
		if !strings.HasPrefix(arg, "-F") {
			continue
		}
		if arg == "-F" && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
		end := i + 1
		for end < len(args) && !strings.HasPrefix(args[end], "-") && !strings.Contains(args[end], "@") {
			end++
		}
		if end == i+1 {
			continue
		}
		if end == len(args) || !strings.HasPrefix(args[end], "-") {
			return nil, errAmbiguous
		}
		out[len(out)-1] += " " + strings.Join(args[i+1:end], " ")
		i = end - 1
	}
	return out, nil
}

// legacyAddresses returns the sender and the recipients of an entry as far as they are known.
func legacyAddresses(q *spool.Queue, e *spool.LegacyEntry) (sender string, recipients []string) {
	inv, err := legacyInvocation(e.Cmd)
	if err != nil {
		return "?", nil
	}
	mail, err := q.OpenLegacyMail(e.Name)
	if err != nil {
		return "?", nil
	}
	defer mail.Close()
	d, err := submit.Compose(inv, mail)
	if err != nil {
		return "?", nil
	}
	for _, r := range d.Env.Recipients {
		recipients = append(recipients, r.Address)
	}
	return d.Env.Sender(), recipients
}
