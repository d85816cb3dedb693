package owner

import (
	"errors"
	"slices"
	"strings"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/message"
	"esmtpq/queue/history"
	"esmtpq/queue/spool"
)

// retry tries messages again at once, perhaps with another address. What cannot be tried does not
// keep the others.
func retry(c *door.Call) error {
	to, args, err := cutTo(c.Args)
	if err != nil {
		return err
	}
	sel, err := chosen(args)
	if err != nil || sel == nil {
		return err
	}
	defer sel.Close()
	again := sel.again
	if to != "" {
		home, err := whoami.Home()
		if err != nil {
			return err
		}
		again = func(name string) error { return sel.readdress(&submit.Router{Home: home}, name, to) }
	}
	try := []string{} // not nil, which would be all
	left := each(c, sel.names, func(name string) error {
		if !spool.IsID(name) {
			return errors.New("queued by esmtp-wrapper: run deliver to take it over and send it")
		}
		m := sel.look(name)
		err := again(name)
		if err == nil {
			try = append(try, name)
			if to != "" {
				sel.note(m, history.Retried, "with this address in place of another", to)
			} else {
				sel.note(m, history.Retried, "")
			}
		}
		return err
	})
	if len(try) > 0 {
		c.Early = sel.Named()
		if err := c.Deliver(try, nil); err != nil {
			return err
		}
	}
	if left == nil && slices.ContainsFunc(try, func(name string) bool { return sel.refused(name, to) }) {
		return exit.Silent(exit.Unavailable) // the run has said why
	}
	return left
}

// cutTo takes the option --to out of a command line, and returns its address; "" if it is not
// there.
func cutTo(args []string) (to string, rest []string, err error) {
	for i := 0; i < len(args); i++ {
		name, value, attached := strings.Cut(args[i], "=")
		if name != "--to" {
			rest = append(rest, args[i])
			continue
		}
		if !attached {
			if i++; i >= len(args) {
				return "", nil, exit.Fail(exit.Usage, "--to needs an address")
			}
			value = args[i]
		}
		addrs, bad := message.ParseArgument(value)
		if len(bad) > 0 {
			return "", nil, exit.Fail(exit.Usage, "--to: %w", bad[0])
		}
		if len(addrs) != 1 || to != "" {
			return "", nil, exit.Fail(exit.Usage, "--to needs one address")
		}
		to = addrs[0].Spec()
	}
	return to, rest, nil
}

// again makes a message due, with its failed recipients.
func (sel *selection) again(name string) error {
	pending, err := sel.Retry(name)
	if err == nil && !pending {
		return errors.New("the address of its recipient cannot be read: give the right one by --to")
	}
	return err
}

// readdress puts another address in the place of the one that failed.
func (sel *selection) readdress(r *submit.Router, name, to string) error {
	return sel.Readdress(name, to, func(m *spool.Message) (int, error) {
		i, err := sel.wrong(m)
		if err != nil {
			return 0, err
		}
		for k, rcpt := range m.Envelope.Recipients {
			if k != i && submit.SameFor(rcpt.Address) == submit.SameFor(to) {
				return 0, exit.Fail(exit.Usage, "%s is a recipient of it already", to)
			}
		}
		return i, r.CheckRoute(&m.Envelope, spool.Recipient{Address: to})
	})
}

// wrong returns the index of the recipient whose address is to be corrected: the one that has
// failed, or else the one that waits. There must be one only.
func (sel *selection) wrong(m *spool.Message) (int, error) {
	with := func(in func(spool.State) bool) []int {
		return m.Indexes(func(i int) bool {
			return in(m.Progress[i].State) && sel.HasRecipient(m.Envelope.Recipients[i].Address)
		})
	}
	found := with(func(s spool.State) bool { return s == spool.Refused })
	if len(found) == 0 {
		found = with(spool.State.Pending)
	}
	switch len(found) {
	case 0:
		return 0, exit.Fail(exit.Unavailable, "no such recipient of it is left")
	case 1:
		return found[0], nil
	}
	var addrs []string
	for _, i := range found[:min(len(found), 3)] {
		addrs = append(addrs, m.Envelope.Recipients[i].Shown())
	}
	return 0, exit.Fail(exit.Usage, "which recipient? Add --recipient with a part of its address: %s", strings.Join(addrs, ", "))
}

// refused reports whether the host has refused what was tried: the given recipient of a message,
// or any.
func (sel *selection) refused(name, address string) bool {
	m, err := sel.Read(name)
	return err == nil && len(m.Indexes(func(i int) bool {
		at := m.Envelope.Recipients[i].Address
		return m.Progress[i].State == spool.Refused && at != "" && (address == "" || at == address)
	})) > 0
}
