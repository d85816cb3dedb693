package localmda

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"esmtpq/queue"
)

// maxBatch is how many recipients one call of a command gets at most: the system bounds how long all
// arguments of a program may be.
const maxBatch = 1000

// NewCommand returns the transport that hands mail to a command, in the place of a smart host: a line
// for /bin/sh in which %T stands for all recipients, each an argument of its own, and %F for the
// reverse-path. It is called once for a message. The content is its standard input, as it is in the
// queue. The error is a mistake in the configuration, as for New.
func NewCommand(command string) (*Agent, error) {
	if strings.TrimSpace(command) == "" {
		return nil, errors.New("is an empty command")
	}
	line, err := parseLine(command)
	switch {
	case err != nil:
		return nil, err
	case !line.perRecipient:
		return nil, errors.New("has no %T: the program has to be told who gets the mail, since the header does not name all")
	case line.joined:
		return nil, errors.New("has %T as a part of a word: it stands for all recipients, each a word of its own; write a script that takes them as arguments")
	}
	return &Agent{Timeout: DefaultTimeout, line: line, carries: true}, nil
}

// noun is what reports call it.
func (a *Agent) noun() string {
	if a.carries {
		return "command"
	}
	return "local delivery agent"
}

// success is what exit status 0 says.
func (a *Agent) success() queue.Action {
	if a.carries {
		return queue.Relayed
	}
	return queue.Delivered
}

// batches returns the calls of a command for a delivery. Recipients that cannot be handed over are
// reported in refused.
func (a *Agent) batches(d *queue.Delivery, refused *queue.Outcome) (calls []call) {
	for i, rcpt := range d.Recipients {
		if err := checkName(rcpt.Address); err != nil {
			refused.Recipients = append(refused.Recipients, i)
			refused.Reports = append(refused.Reports, failed(queue.ScopeRecipient, "5.1.3", fmt.Sprintf("recipient %q: %v", rcpt.Address, err)))
			continue
		}
		if len(calls) == 0 || len(calls[len(calls)-1].names) == maxBatch {
			calls = append(calls, call{})
		}
		c := &calls[len(calls)-1]
		c.names, c.indexes = append(c.names, rcpt.Address), append(c.indexes, i)
	}
	return calls
}

// carried returns the meaning of an exit status of a command, whose meaning for an agent is m. Only
// what is said of the mail itself fails it; what is said of the way to it, or of our set-up, keeps all
// mail of the identity waiting, as with a smart host; all else keeps this mail.
func carried(status int, m exitMeaning) exitMeaning {
	is := func(all ...int) bool { return slices.Contains(all, status) }
	switch {
	case is(65, 67, 100):
		m.scope = queue.ScopeMessage
		return m
	case is(68, 69):
		return exitMeaning{"4.4.1", queue.ScopeIdentity, m.text}
	case is(77):
		return exitMeaning{"4.7.0", queue.ScopeIdentity, m.text}
	case is(78):
		return exitMeaning{"4.3.5", queue.ScopeIdentity, m.text}
	case is(126, 127):
		return m
	}
	return exitMeaning{"4.3.0", queue.ScopeMessage, m.text}
}
