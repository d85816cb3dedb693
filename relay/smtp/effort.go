package smtp

import (
	"cmp"
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
)

// A Way is one way to log in.
type Way struct {
	Mechanism string `json:"mechanism,omitempty"`
	Unbound   bool   `json:"unbound,omitempty"`  // SCRAM does not say that it could be bound: gs2-cbind-flag n
	Prepared  bool   `json:"prepared,omitempty"` // the password goes in the form of SASLprep
	Response  string `json:"response,omitempty"` // where an initial response goes: one of those below
}

// Where an initial response goes; "" is with the command if that is short enough for it.
const (
	ResponseFirst = "first" // with the command, however long that becomes
	ResponseLater = "later" // behind the host's first challenge
)

func (w Way) family() family {
	for _, m := range mechanisms {
		if m.name == w.Mechanism {
			return m.family
		}
	}
	return challenge
}

// An effort is the effort to log in at a host, over one connection or a few.
type effort struct {
	creds   Credentials
	asked   bool // creds are there
	renewed bool
	known   LoginKnown

	planned bool
	ways    []Way // still to be tried, best first
	turned  []Way // after them and over another connection: what was refused for its form
	tried   []Way // with the form that they were tried in

	refused []string // mechanisms that were refused
	last    *Error   // the refusal to be told
	lastWay Way      // and of what it is
	here    bool     // something was refused on this connection

	conns int
	again bool  // what is left needs another connection
	whole bool  // no earlier TLS session is to be resumed
	seen  *View // of the last connection, where it has failed
}

// next returns what is to be tried next over this connection; false means nothing. Another connection
// may be to a host that offers something else.
func (c *Conn) next(e *effort) (Way, bool) {
	b := c.channelBinding()
	e.drop(func(w Way) bool { return !c.ext.Auth(w.Mechanism) || !c.possible(w.family(), b) })
	if len(e.ways) == 0 && len(e.turned) > 0 {
		e.ways, e.turned = e.turned, nil
		if e.here {
			e.reconnect()
		}
	}
	if len(e.ways) == 0 || e.again {
		return Way{}, false
	}
	w := e.ways[0]
	e.ways = e.ways[1:]
	return w, true
}

// reconnect asks for another connection, if there may be one.
func (e *effort) reconnect() {
	if e.again = e.conns < maxLoginConns; !e.again {
		e.ways, e.turned = nil, nil
	}
}

// drop takes ways that need not be tried any more from those that are left.
func (e *effort) drop(needless func(Way) bool) {
	e.ways, e.turned = slices.DeleteFunc(e.ways, needless), slices.DeleteFunc(e.turned, needless)
}

// turn puts a way that was refused for its form off, to be tried in the other form. It returns
// false if there is none that was not tried.
func (e *effort) turn(w Way, v outcome) bool {
	switch {
	case v.inline:
		w.Response = ResponseLater
	case v.late:
		w.Response = ResponseFirst
	default:
		return false
	}
	if slices.Contains(e.tried, w) {
		return false
	}
	e.turned = append(e.turned, w)
	return true
}

// try notes that a way was tried, and in which form.
func (e *effort) try(w Way, v outcome) {
	switch {
	case v.inline:
		w.Response = ResponseFirst
	case v.late:
		w.Response = ResponseLater
	}
	e.tried = append(e.tried, w)
}

// tryAll tries one way after the other, as long as this connection lasts. If it sets again, the
// rest is to be tried over another connection.
func (c *Conn) tryAll(e *effort) *Error {
	e.again, e.here = false, false
	for {
		w, ok := c.next(e)
		if !ok {
			switch renewed, err := c.renew(e); {
			case err != nil:
				return c.explain(e, err)
			case renewed:
				continue
			case e.last == nil:
				return c.refuse(StageAUTH, c.cfg.Name+" no longer offers a way to log in that it has offered before")
			}
			return c.explain(e, e.last)
		}
		v := c.try(e, w)
		e.try(w, v)
		if v.is == accepted {
			e.known.Way, e.known.Offer = w, c.offer()
			e.known.Bound = e.known.Bound || w.family() == bound
			return nil
		}
		if !c.mayGoOn(e, w, v) {
			return c.explain(e, v.err)
		}
	}
}

// mayGoOn notes that a way has failed, and reports whether the effort may go on.
func (c *Conn) mayGoOn(e *effort, w Way, v outcome) bool {
	lost := v.is == broken && v.err.Kind == KindLost && c.ctx.Err() == nil
	here := e.here
	e.here = true
	switch {
	case w.family() == bound:
		if e.known.Bound && len(c.cfg.Mechanisms) == 0 || v.is == broken && !lost || v.is == unproven {
			// Someone between would spoil just this login to see the password in the next one.
			return false
		}
		e.note(w, v)
		e.drop(func(o Way) bool { return o.family() == bound && (o.Prepared == w.Prepared || v.is != refusal) })
		if lost {
			e.reconnect()
		}
	case v.is == passing, v.is == unproven:
		return false
	case v.is == broken:
		if !lost || !here || e.conns >= maxLoginConns {
			return false
		}
		e.ways = slices.Insert(e.ways, 0, w) // the host ends a session after a refusal
		e.reconnect()
	case v.is == expiring:
		e.note(w, v)
		e.ways, e.turned = nil, nil
	case v.is == form && (e.turn(w, v) || !v.doubtful):
		e.note(w, v)
		if v.outOfStep {
			e.reconnect()
		}
	default:
		e.note(w, v)
		e.settle(w, v)
	}
	return true
}

// note notes a refusal. What is said about the credentials is told rather than what is said about
// a form.
func (e *effort) note(w Way, v outcome) {
	if e.last == nil || v.is != form || v.doubtful {
		e.last, e.lastWay = v.err, w
	}
	if !slices.Contains(e.refused, w.Mechanism) {
		e.refused = append(e.refused, w.Mechanism)
	}
}

// settle drops the ways that a refusal has settled, too: each further refusal can cost seconds,
// and hosts lock people out.
func (e *effort) settle(w Way, v outcome) {
	f := w.family()
	relatives := func(o Way) bool { return o.family() == f && o.Prepared == w.Prepared }
	switch {
	case v.cancelled:
		return
	case f == plain && e.known.Mechanism == w.Mechanism:
		e.ways, e.turned = nil, nil // the password itself was taken here before; no other way will take it
		return
	case f == scram && !w.Unbound && e.known.Way != w:
		// Postfix before a Dovecot that can bind refuses a client that could, too.
		unbound := w
		unbound.Unbound = true
		e.drop(func(o Way) bool { return o == unbound })
		e.ways = slices.Insert(e.ways, 0, unbound)
		return
	case f == scram && !slices.ContainsFunc(e.ways, func(o Way) bool { return o.family() == plain }):
		relatives = func(Way) bool { return false } // they are all that is left
	case f == bearer && !v.explicit:
		relatives = func(Way) bool { return false } // it may be the mechanism that was refused
	}
	e.drop(relatives)
}

// renew asks, once, for another token when all ways have been refused, to be tried in the first of
// them.
func (c *Conn) renew(e *effort) (bool, *Error) {
	if e.again || e.renewed || e.last == nil || !c.cfg.Token {
		return false, nil
	}
	e.renewed = true
	creds, err := c.cfg.Login.Renew(c.ctx, e.creds)
	switch {
	case err != nil && c.ctx.Err() != nil:
		return false, stopped(StageAUTH)
	case err != nil:
		return false, &Error{At: StageAUTH, Kind: KindRefused, Text: err.Error(), cause: err}
	case creds.Secret == e.creds.Secret || c.unfit(creds) != "":
		return false, nil
	}
	e.creds = creds
	c.r.hide = append(c.r.hide, c.forms(creds)...)
	e.ways = []Way{e.lastWay}
	return true, nil
}

// conclude tells everybody concerned how the effort has ended.
func (c *Conn) conclude(e *effort, err *Error) {
	refused := err != nil && (err.Kind == KindReply && !err.Passing || err.Kind == KindRefused)
	if e.asked && (err == nil || refused) {
		c.cfg.Login.Done(e.creds, err == nil)
	}
	m := c.cfg.LoginMemory
	switch {
	case m == nil || c.cfg.Login == nil:
	case err == nil:
		m.Learn(e.known)
	case refused && slices.Contains(e.refused, e.known.Mechanism):
		m.Learn(LoginKnown{Bound: e.known.Bound})
	}
}

// offer returns the mechanisms that the host offers, in an order that does not change.
func (c *Conn) offer() string {
	words := strings.Fields(c.ext["AUTH"])
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// plan finds, once, the ways that there are: strongest first, and before them the one that has
// worked.
func (c *Conn) plan(e *effort) *Error {
	if e.planned {
		return nil
	}
	e.planned = true
	if c.cfg.LoginMemory != nil {
		e.known = c.cfg.LoginMemory.Recall()
	}
	var names []string
	for _, m := range mechanisms {
		if len(c.cfg.Mechanisms) == 0 && !m.request {
			names = append(names, m.name)
		}
	}
	if c.cfg.Login == nil && len(c.cfg.Mechanisms) == 0 {
		names = []string{sasl.External}
	}
	names = append(names, c.cfg.Mechanisms...)
	b := c.channelBinding()
	for _, name := range names {
		if w := (Way{Mechanism: name}); c.ext.Auth(name) && c.possible(w.family(), b) {
			// Whoever could bind and does not want to must not say that the host cannot.
			w.Unbound = w.family() == scram && (b == nil || c.offersBinding() || len(c.cfg.Mechanisms) > 0)
			e.ways = append(e.ways, w)
		}
	}
	if e.known.Offer == c.offer() && slices.ContainsFunc(e.ways, func(w Way) bool { return w.Mechanism == e.known.Mechanism }) {
		e.drop(func(w Way) bool { return w == e.known.Way })
		e.ways = slices.Insert(e.ways, 0, e.known.Way)
	} else {
		e.known.Way, e.known.Offer = Way{}, ""
	}
	return c.unplannable(e)
}

// possible reports whether a family of mechanisms can be used here.
func (c *Conn) possible(f family, b *binding) bool {
	switch f {
	case byCert:
		return c.cfg.External && c.encrypted()
	case bearer:
		return c.cfg.Token
	case bound:
		return b != nil && !c.cfg.Token && c.cfg.Login != nil
	}
	return !c.cfg.Token && c.cfg.Login != nil
}

// offersBinding reports whether the host offers a login that is bound to the TLS session.
func (c *Conn) offersBinding() bool {
	return c.ext.Auth("SCRAM-SHA-256-PLUS") || c.ext.Auth("SCRAM-SHA-1-PLUS")
}

// prepare adds the ways that send the password in the form of SASLprep, where that is another one:
// each behind the one that sends it as typed.
func (e *effort) prepare() {
	if _, differs := saslPrep(e.creds.Secret); !differs {
		return
	}
	var all []Way
	for _, w := range e.ways {
		all = append(all, w)
		prepared := w
		prepared.Prepared = true
		if f := w.family(); (f == scram || f == bound) && !slices.Contains(e.ways, prepared) {
			all = append(all, prepared)
		}
	}
	e.ways = all
}

// unplannable returns why there is nothing to be tried.
func (c *Conn) unplannable(e *effort) *Error {
	name := c.cfg.Name
	offers := ", but " + cmp.Or(shorten(c.offer(), 200), "nothing")
	switch {
	case e.known.Bound && !c.offersBinding() && c.encrypted() && !c.cfg.Token && len(c.cfg.Mechanisms) == 0 && c.cfg.Login != nil:
		return c.refuse(StageAUTH, name+" has offered logins bound to the TLS session (SCRAM with -PLUS) before and does not now: "+
			"someone between may have removed the offer; if the host's operator has, "+c.forget()+"say with auth: which mechanisms to use")
	case len(e.ways) > 0:
		return nil
	case len(c.cfg.Mechanisms) > 0:
		return c.refuse(StageAUTH, name+" offers none of the mechanisms that auth: allows here"+offers)
	case c.cfg.Token:
		return c.refuse(StageAUTH, name+" offers no login by token (OAUTHBEARER, XOAUTH2)"+offers)
	case c.ext.Auth("XOAUTH2") || c.ext.Auth("OAUTHBEARER"):
		return c.refuse(StageAUTH, name+" offers no login by password, but one by "+helpByToken+c.tokenCure())
	}
	return c.refuse(StageAUTH, name+" offers none of the ways to log in known here"+offers)
}

// client returns the client of a way.
func (c *Conn) client(e *effort, w Way) sasl.Client {
	user, secret := e.creds.User, e.creds.Secret
	if w.Prepared {
		secret, _ = saslPrep(secret)
	}
	switch w.family() {
	case bound:
		return newScramClient(w.Mechanism, user, secret, c.cfg.AuthorizeAs, 'p', c.channelBinding())
	case scram:
		flag := byte('y')
		if w.Unbound {
			flag = 'n'
		}
		return newScramClient(w.Mechanism, user, secret, c.cfg.AuthorizeAs, flag, nil)
	case bearer:
		return newTokenClient(w.Mechanism, user, secret)
	case byCert:
		return sasl.NewExternalClient(c.cfg.AuthorizeAs)
	case plain:
		if w.Mechanism == "LOGIN" {
			return newLoginClient(user, secret)
		}
		return sasl.NewPlainClient(c.cfg.AuthorizeAs, user, secret)
	}
	return &cramClient{user: user, password: secret}
}
