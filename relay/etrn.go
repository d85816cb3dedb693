package relay

import (
	"context"

	"esmtpq/relay/smtp"
)

// MaxEtrn is how many domains are asked for in one session. Exim closes it at the eleventh command
// that is not about a mail, and sendmail takes ever longer from the ninth on.
const MaxEtrn = 8

// Etrn asks the host to send now what it has for some domains, in as many sessions as that takes. Each
// reply is told as it comes; an error ends it. A login is made where the host offers one.
func (t *Transport) Etrn(ctx context.Context, names []string, told func(name string, r *smtp.Reply)) *smtp.Error {
	for len(names) > 0 {
		n := min(len(names), MaxEtrn)
		if err := t.etrn(ctx, names[:n], told); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

func (t *Transport) etrn(ctx context.Context, names []string, told func(string, *smtp.Reply)) *smtp.Error {
	config := t.host.config
	config.Dial, config.MayLogIn = t.host.connect, true
	c, err := smtp.Open(ctx, &config)
	if err != nil {
		return err
	}
	if !c.Extensions().Has("ETRN") {
		c.Quit()
		return &smtp.Error{At: smtp.StageETRN, Kind: smtp.KindRefused, Text: config.Name + " does not offer ETRN"}
	}
	for _, name := range names {
		r, err := c.Etrn(name)
		if err != nil {
			c.Abort()
			return err
		}
		if r.Code == 421 {
			c.Abort()
			return &smtp.Error{At: smtp.StageETRN, Kind: smtp.KindReply, Reply: r, Host: config.Name}
		}
		told(name, r)
	}
	c.Quit()
	return nil
}
