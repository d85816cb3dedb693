package setup

import (
	"fmt"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue/spool"
)

const trialMail = `From: <%s>
To: <%s>
Subject: esmtpq sends this mail
Auto-Submitted: auto-generated

This is the test mail of esmtpq setup. It went into the queue like any
other mail, and out through %s.
`

// testMail sends a mail to the person, through the queue. It is an offer: nothing depends on it.
func (w *wizard) testMail() error {
	if !w.opt.test && (!w.asks() || !w.yes("Send a test mail to "+w.addr+"?", true)) {
		return nil
	}
	text := fmt.Sprintf(trialMail, w.addr, w.addr, w.server.Host)
	inv := &argv.Invocation{ReversePath: &w.addr, Operands: []string{w.addr}, IgnoreDots: true, Config: w.opt.config}
	id, err := w.queueTrial(inv, text)
	if err != nil {
		return err
	}
	if err := w.c.Deliver([]string{id}, nil); err != nil {
		w.say("The test mail waits; mailq says why.\n")
		return exit.Silent(exit.Code(err))
	}
	w.say("The host has accepted the test mail: it should be in your inbox soon.\n")
	return nil
}

// queueTrial takes the mail into the queue, as sendmail does.
func (w *wizard) queueTrial(inv *argv.Invocation, text string) (string, error) {
	d, err := submit.Compose(inv, strings.NewReader(text))
	if err != nil {
		return "", err
	}
	r := &submit.Router{Home: w.home}
	if _, err := d.Check(r); err != nil {
		return "", err
	}
	if err := d.Complete(inv, r, time.Now()); err != nil {
		return "", err
	}
	q, err := spool.OpenOrCreate(whoami.Queue(w.home))
	if err != nil {
		return "", exit.Queue(err)
	}
	defer q.Close()
	return d.Spool(q)
}
