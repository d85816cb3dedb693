package inspect

import (
	"fmt"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/message"
	"esmtpq/queue/spool"
)

// checkMessage says what is wrong with a message, or may be wrong for some host. sendmail takes
// such a message all the same.
func checkMessage(c *door.Call) error {
	file := "-"
	switch {
	case len(c.Args) > 1:
		return exit.Fail(exit.Usage, "one file, or the message on standard input")
	case len(c.Args) == 1:
		file = c.Args[0]
	}
	in, err := open(c, file)
	if err != nil {
		return err
	}
	defer in.Close()
	remarks, err := message.Check(in)
	if err != nil {
		return exit.Fail(exit.NoInput, "read message: %w", err)
	}
	for _, r := range remarks {
		fmt.Fprintln(c.Out, spool.Printable(r))
	}
	if len(remarks) > 0 {
		return exit.Silent(exit.DataErr)
	}
	return nil
}
