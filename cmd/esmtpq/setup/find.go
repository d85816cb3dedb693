package setup

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/identity"
	"esmtpq/identity/discover"
	"esmtpq/queue/spool"
)

const (
	// reachLimit is how long a host may take to greet, with TLS.
	reachLimit = 8 * time.Second
	// headStart is how long better ones are waited for once a host has greeted.
	headStart = 2 * time.Second
)

// smartHost settles which host it is to be: the one that was given, or one that is found and answers.
func (w *wizard) smartHost() error {
	if w.opt.host != "" {
		server, why := w.typedHost(w.opt.host, w.opt.tls)
		if why != "" {
			return exit.Fail(exit.Usage, "--host %s", why)
		}
		return w.take(server, "typed")
	}
	result, err := w.find()
	if err != nil {
		return err
	}
	w.show(result)
	servers := result.Servers()
	if len(servers) == 0 {
		return w.notFound(result)
	}
	if w.opt.dryRun {
		return w.take(servers[0], result.From(servers[0]))
	}
	server, why := w.answering(servers)
	if why != "" {
		w.say("%s\n", why)
		if !w.asks() {
			return exit.Fail(exit.TempFail, "no host of %s can be reached; try again when there is a network", w.domain)
		}
		return w.askHost("None of them can be reached. Another host")
	}
	w.say("Use %s, %s%s\n", addr(server), protection(server), asUser(server))
	switch {
	case w.asks() && !w.yes("Is that right?", true):
		if w.ctx.Err() != nil {
			return interrupted()
		}
		return w.askHost("Which host")
	case w.ctx.Err() != nil:
		return interrupted()
	case !w.asks() && !server.Vouched:
		return exit.Fail(exit.Unavailable, "only the DNS says that mail of %s goes through %s, and anybody on the way can forge that: if it is right, type the same with --host %s", w.domain, server.Host, addr(server))
	}
	return w.take(server, result.From(server))
}

// find looks in all sources.
func (w *wizard) find() (*discover.Result, error) {
	w.say("Looking for the smart host of %s ...\n", w.domain)
	f := &discover.Finder{Probe: w.probe, PACC: w.opt.pacc}
	result, err := f.Find(w.ctx, w.local, w.domain)
	switch {
	case w.ctx.Err() != nil:
		return nil, interrupted()
	case err != nil:
		return nil, exit.Fail(exit.Usage, "%s: %v", w.domain, err)
	}
	return result, nil
}

// show shows what was found, and where.
func (w *wizard) show(result *discover.Result) {
	for _, f := range result.Findings {
		switch f.State {
		case discover.Unasked:
			continue
		case discover.Found:
			for _, s := range f.Servers {
				w.say("  %-12s %s: %s, %s%s\n", f.Source, spool.Printable(f.At), addr(s), protection(s), asUser(s))
			}
		case discover.Nothing:
			if f.Why == "" {
				continue
			}
			w.say("  %-12s %s: nothing (%s)\n", f.Source, spool.Printable(f.At), spool.Printable(f.Why))
		case discover.NotOffered:
			w.say("  %-12s %s: no: %s\n", f.Source, spool.Printable(f.At), spool.Printable(f.Why))
		case discover.Trouble:
			w.say("  %-12s %s: no answer (%s)\n", f.Source, spool.Printable(f.At), spool.Printable(f.Why))
		}
		for _, s := range f.Clear {
			w.say("  %-12s %s: %s without TLS: no, not used\n", f.Source, spool.Printable(f.At), addr(s))
		}
	}
	told := map[string]bool{}
	for _, f := range result.Findings {
		for _, hint := range f.Hints {
			if f.State == discover.Found && !told[hint] {
				w.say("  Note: %s\n", spool.Printable(hint))
				told[hint] = true
			}
		}
	}
}

func addr(s discover.Server) string { return spool.Printable(net.JoinHostPort(s.Host, s.Port)) }

func protection(s discover.Server) string {
	switch s.TLS {
	case identity.TLSImplicit:
		return "TLS from the start"
	case identity.TLSStartTLS:
		return "STARTTLS"
	}
	return "without TLS"
}

func asUser(s discover.Server) string {
	if s.Username == "" {
		return ", without a login"
	}
	return ", user " + spool.Printable(s.Username)
}

// notFound says why there is nothing, or asks for the host.
func (w *wizard) notFound(result *discover.Result) error {
	code, why, byHand := exit.Unavailable, "no smart host was found for "+w.domain, "; if you know it, give it with --host"
	switch {
	case result.Refused() != "":
		why, byHand = result.Refused(), ""
	case result.Offline:
		code, byHand = exit.TempFail, ""
		why = "no network, or no name server: nothing can be found out about " + w.domain + " now"
	case result.NoDomain:
		why = "there is no domain " + w.domain + " in the DNS; is the address right?"
		byHand = ""
	}
	if !w.asks() {
		return exit.Fail(code, "%s", why+byHand)
	}
	w.say("%s\n", strings.ToUpper(why[:1])+why[1:])
	if result.Refused() != "" && !strings.Contains(why, "--host") {
		return exit.Fail(code, "nothing has been saved")
	}
	return w.askHost("The host that takes mail from you (your provider's help pages name it: SMTP, outgoing mail)")
}

// askHost asks for a host.
func (w *wizard) askHost(question string) error {
	for range 3 {
		typed := w.ask(question+", empty to stop", "")
		if typed == "" || w.ctx.Err() != nil {
			break
		}
		server, why := w.typedHost(typed, "")
		if why == "" {
			if server, why = w.answering([]discover.Server{server}); why == "" {
				server.Username = w.ask("User name there", server.Username)
				return w.take(server, "typed")
			}
		}
		w.say("%s\n", why)
		question = "Which host"
	}
	if w.ctx.Err() != nil {
		return interrupted()
	}
	return exit.Fail(exit.Unavailable, "no host; nothing has been saved")
}

// typedHost makes a server of what a person typed. Without a port, 465 and 587 are tried later.
func (w *wizard) typedHost(typed, mode string) (discover.Server, string) {
	s := discover.Server{Host: typed, Username: w.local + "@" + w.domain, Vouched: true}
	if host, port, err := net.SplitHostPort(typed); err == nil {
		s.Host, s.Port = host, port
	}
	s.Host = strings.Trim(strings.ToLower(strings.TrimSuffix(s.Host, ".")), "[]")
	number, err := strconv.Atoi(s.Port)
	switch {
	case net.ParseIP(s.Host) == nil && s.Host != "localhost":
		ascii, bad := discover.ASCIIDomain(s.Host)
		if bad != nil {
			return s, spool.Printable(typed) + ": " + bad.Error()
		}
		s.Host = ascii
	}
	if s.Port != "" && (err != nil || number < 1 || number > 65535) {
		return s, spool.Printable(typed) + ": no port between 1 and 65535"
	}
	private := (&identity.Identity{Host: s.Host}).Private()
	switch {
	case mode == "implicit" || mode == "" && s.Port == "465":
		s.TLS = identity.TLSImplicit
	case private && mode == "":
		s.TLS = identity.TLSOff
	default:
		s.TLS = identity.TLSStartTLS
	}
	s.Provider = discover.ByHost(s.Host)
	return s, ""
}

// both returns a server on its port or, if it has none, on 465 and 587.
func both(s discover.Server) []discover.Server {
	if s.Port != "" {
		return []discover.Server{s}
	}
	first, second := s, s
	first.Port, first.TLS = "465", identity.TLSImplicit
	second.Port, second.TLS = "587", identity.TLSStartTLS
	return []discover.Server{first, second}
}

// answering returns the first of some servers that greets, with TLS; or says why none does. All are tried
// at once, since on many networks one of the ports goes nowhere; those before one that answers get a
// head start.
func (w *wizard) answering(servers []discover.Server) (discover.Server, string) {
	var all []discover.Server
	for _, s := range servers {
		all = append(all, both(s)...)
	}
	ctx, cancel := context.WithTimeout(w.ctx, w.hosts.Limit(reachLimit))
	defer cancel()
	type answer struct {
		i   int
		err error
	}
	came := make(chan answer, len(all))
	for i, s := range all {
		go func() { came <- answer{i, w.probe(ctx, s)} }()
	}
	why := make([]string, len(all)) // "" until there is an answer
	best, enough := len(all), ctx.Done()
	for slices.Contains(why[:best], "") {
		select {
		case a := <-came:
			switch {
			case a.err == nil, errors.Is(a.err, errNoLogin) && all[a.i].Username == "":
				if best == len(all) {
					limited, stop := context.WithTimeout(ctx, headStart)
					defer stop()
					enough = limited.Done()
				}
				best = min(best, a.i)
			default:
				why[a.i] = "  " + addr(all[a.i]) + ": " + spool.Printable(a.err.Error())
			}
			continue
		case <-enough:
		}
		break
	}
	if best < len(all) {
		return all[best], ""
	}
	for i, s := range all {
		if why[i] == "" {
			why[i] = "  " + addr(s) + ": no answer in time"
		}
	}
	return servers[0], strings.Join(why, "\n")
}

// errNoLogin is the error for a host that offers no login.
var errNoLogin = errors.New("it offers no login")

// probe has a session without a login with a server.
func (w *wizard) probe(ctx context.Context, s discover.Server) error {
	id := &identity.Identity{Name: "setup", Host: s.Host, Port: s.Port, TLS: s.TLS}
	t, err := w.hosts.Transport(&identity.Config{}, id)
	if err != nil {
		return err
	}
	view, failed := t.Look(ctx)
	switch {
	case failed != nil:
		return failed
	case !view.Extensions.Has("AUTH"):
		return errNoLogin
	}
	return nil
}

// take settles on a server.
func (w *wizard) take(s discover.Server, source string) error {
	if s.Port == "" {
		var why string
		if w.opt.dryRun {
			s = both(s)[0]
		} else if s, why = w.answering([]discover.Server{s}); why != "" {
			return exit.Fail(exit.TempFail, "%s cannot be used:\n%s", spool.Printable(s.Host), why)
		}
	}
	if w.opt.username != "" {
		s.Username = w.opt.username
	}
	w.server, w.source = s, source
	return nil
}
