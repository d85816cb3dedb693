package submit

import (
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
	"esmtpq/message"
	"esmtpq/queue/spool"
)

// Complete removes fields from the header that must not be sent, adds missing ones, and completes
// addresses without a domain (RFC 6409, 8). What a signature covers is neither changed nor added.
func (d *Draft) Complete(inv *argv.Invocation, r *Router, now time.Time) error {
	cfg, id, rule, err := r.Identity(d.Env)
	if err != nil {
		return err
	}
	h := d.header
	h.Remove("Bcc", "Resent-Bcc", "Return-Path")
	signed := h.Signed()
	if !h.Has("From") && !signed.Covers("From") {
		if err := d.addFrom(inv, r, cfg, id, rule); err != nil {
			return err
		}
		// From now on this is the address that chooses, as it will at delivery.
		if _, id, rule, err = r.Identity(d.Env); err != nil {
			return err
		}
	}
	origin := ""
	if id != nil {
		origin = r.originDomain(cfg, id, rule, d.Env)
		h.Qualify(origin)
	}
	if err := d.addIDs(signed, id == nil || !id.NoMessageID, origin, now); err != nil {
		return err
	}
	d.Env.UTF8 = h.UTF8()
	return nil
}

// addIDs adds a missing Date: and, if wanted, Message-ID:, and to a message that is being resent what
// stands for them there (RFC 5322, 3.6.6). The author's domain is in the ID; origin, that of the
// identity, where the author has none that can be.
func (d *Draft) addIDs(signed message.Signed, wantID bool, origin string, now time.Time) error {
	h := d.header
	domain := message.IDDomain(domainOf(d.Env.From), origin)
	if domain == "" {
		domain = whoami.Host()
	}
	for _, f := range [...]struct {
		name  string
		value func() string
	}{
		{"Date", func() string { return message.FormatDate(now) }},
		{"Message-ID", func() string { return message.NewMessageID(now, domain) }},
	} {
		if f.name == "Message-ID" && !wantID {
			continue
		}
		if !h.Has(f.name) && !signed.Covers(f.name) {
			if err := h.Add(f.name, f.value()); err != nil {
				return err
			}
		}
		if again := "Resent-" + f.name; h.LacksResent(again) && !signed.Covers(again) {
			if err := h.AddResent(again, f.value()); err != nil {
				return err
			}
		}
	}
	return nil
}

// originDomain returns the domain that addresses without one are in, seen from an identity.
func (r *Router) originDomain(cfg *identity.Config, id *identity.Identity, rule identity.Rule, env *spool.Envelope) string {
	if id.QualifyDomain != "" {
		return id.QualifyDomain
	}
	if domain := domainOf(id.Address()); domain != "" {
		return domain
	}
	return domainOf(cfg.ReversePath(id, rule, givenAddress(env), env.From, r.Login(), whoami.Host()))
}

// domainOf returns the domain of an addr-spec, "" if it has none.
func domainOf(spec string) string {
	at := strings.LastIndexByte(spec, '@')
	if at < 0 {
		return ""
	}
	return spec[at+1:]
}

// givenAddress returns the sender that was given, nil if none was, or the null reverse-path, which is
// nobody's address, or what is no address (see AsText).
func givenAddress(env *spool.Envelope) *string {
	if env.ReversePath == nil || message.CheckAddress(*env.ReversePath) != nil {
		return nil
	}
	return env.ReversePath
}

// addFrom adds a From: field with the address that the message will be sent as.
func (d *Draft) addFrom(
	inv *argv.Invocation, r *Router, cfg *identity.Config, id *identity.Identity, rule identity.Rule,
) error {
	given := givenAddress(d.Env)
	spec := ""
	if given != nil && strings.Contains(*given, "@") {
		spec = *given
	} else if id != nil {
		spec = cfg.ReversePath(id, rule, given, d.Env.From, r.Login(), whoami.Host())
	}
	if spec == "" {
		spec = r.Login() + "@" + whoami.Host()
	}
	name := inv.FullName
	if name == "" {
		name = whoami.FullName()
	}
	mailbox, err := message.FormatMailbox(name, spec)
	if err != nil {
		return exit.Fail(exit.Usage, "make a From: field: %w", err)
	}
	if err := d.header.Add("From", mailbox); err != nil {
		return exit.Fail(exit.Usage, "make a From: field: %w", err)
	}
	d.Env.From = d.header.Author().Address
	return nil
}
