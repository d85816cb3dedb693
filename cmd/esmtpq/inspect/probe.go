package inspect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/signal"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/smarthost"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/identity"
	"esmtpq/queue/spool"
	"esmtpq/relay/smtp"
)

const probeHelp = `  -v                     all that is known of each host, not a line
  --json                 one JSON object for each identity
  --forget               what was seen of the hosts before counts no more: see tls_seen in esmtpq.yaml(5)
  -C FILE                use this configuration
`

const (
	// probeLimit bounds all of the session of one identity.
	probeLimit = 5 * time.Minute
	// soon is how long before its end the end of a certificate is worth a word.
	soon = 14 * 24 * time.Hour
)

// A probing is what came of the sessions of one identity, one for each of its hosts.
type probing struct {
	id    *identity.Identity
	hosts []*hostProbing
	code  int // the exit status that it is worth: that of the best host
}

// A hostProbing is what came of the session with one host.
type hostProbing struct {
	id   *identity.Identity
	addr string // host and port
	host string
	port string
	view *smtp.View
	code int
	err  error // nil: mail could be sent
}

// probe opens a session with the smart host of each identity asked for, as a delivery does, and sends
// nothing over it.
func probe(c *door.Call) error {
	args, asJSON := argv.Cut(c.Args, "--json")
	args, forget := argv.Cut(args, "--forget")
	inv, err := argv.Parse(args)
	if err != nil {
		return err
	}
	step, err := submit.StepLimit()
	if err != nil {
		return err
	}
	home, cfg, err := submit.Configuration(inv.Config)
	if err != nil {
		return err
	}
	ids, err := chosen(cfg, inv.Operands)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hosts := &smarthost.Hosts{Home: home, Step: step, Asked: true}
	worst := exit.OK
	for _, id := range ids {
		p := probeOne(ctx, hosts, cfg, id, forget)
		worst = max(worst, p.code)
		switch {
		case asJSON:
			p.json(c.Out)
		case len(ids) == 1 || inv.Verbose:
			p.details(c.Out)
		default:
			fmt.Fprintf(c.Out, "%s: %s\n", spool.Printable(id.Name), spool.Printable(p.result()))
		}
		if ctx.Err() != nil {
			break
		}
	}
	if worst != exit.OK {
		return exit.Silent(worst)
	}
	return nil
}

// chosen returns the identities of some names, all if there are none.
func chosen(cfg *identity.Config, names []string) ([]*identity.Identity, error) {
	var ids []*identity.Identity
	if len(names) == 0 {
		for _, id := range cfg.Identities {
			if id.Command == "" {
				ids = append(ids, id)
			}
		}
		return ids, nil
	}
	for _, name := range names {
		i := slices.IndexFunc(cfg.Identities, func(id *identity.Identity) bool { return id.Name == name })
		if i < 0 {
			return nil, exit.Fail(exit.Config, "there is no identity %s in %s", spool.Printable(name), spool.Printable(cfg.File))
		}
		if cfg.Identities[i].Command != "" {
			return nil, exit.Fail(exit.Config, "mail of identity %s goes to a command: there is no host to connect to", spool.Printable(name))
		}
		if !slices.Contains(ids, cfg.Identities[i]) {
			ids = append(ids, cfg.Identities[i])
		}
	}
	return ids, nil
}

// probeOne has the sessions of one identity.
func probeOne(ctx context.Context, hosts *smarthost.Hosts, cfg *identity.Config, id *identity.Identity, forget bool) *probing {
	p := &probing{id: id}
	add := func(host, port string, view *smtp.View, code int, err error) {
		addr := host
		if port != "" {
			addr = net.JoinHostPort(host, port)
		}
		p.hosts = append(p.hosts, &hostProbing{id, addr, host, port, view, code, err})
		if len(p.hosts) == 1 || code < p.code {
			p.code = code
		}
	}
	t, err := hosts.Transport(cfg, id)
	if err != nil {
		add(id.Host, id.Port, &smtp.View{}, exit.Code(submit.ConfigFailure(err)), err)
		return p
	}
	limited, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	for _, seen := range t.LookAll(limited, forget) {
		code, err := exit.OK, error(nil)
		switch {
		case seen.Err == nil:
		case ctx.Err() != nil:
			err, code = errors.New("interrupted"), exit.TempFail
		case limited.Err() != nil:
			err, code = fmt.Errorf("not done within %v", probeLimit), exit.TempFail
		default:
			err, code = seen.Err, smarthost.ExitCode(seen.Err)
		}
		add(seen.Host, seen.Port, seen.View, code, err)
	}
	return p
}

// result says in a few words what came of it: of the hosts that can be used the first counts.
func (p *probing) result() string {
	best := p.hosts[0]
	for _, h := range p.hosts {
		if h.code == p.code {
			best = h
			break
		}
	}
	text := best.result()
	if failed := len(p.hosts) - 1; failed > 0 && best.err == nil {
		for _, h := range p.hosts {
			if h.err == nil && h != best {
				failed--
			}
		}
		if failed > 0 {
			text += fmt.Sprintf("; %d of %d hosts or ports cannot be used: see -v", failed, len(p.hosts))
		}
	}
	return text
}

func (p *hostProbing) result() string {
	if p.err != nil {
		return p.err.Error()
	}
	parts := []string{p.addr, p.tls(), p.login()}
	return "ready: " + strings.Join(parts, ", ")
}

func (p *hostProbing) tls() string {
	var e *smtp.Error
	switch {
	case p.view.TLS == nil && errors.As(p.err, &e) && e.At == smtp.StageTLS:
		return "none came about"
	case p.view.TLS != nil:
		return tls.VersionName(p.view.TLS.Version)
	case p.view.Extensions == nil:
		return ""
	}
	return "in clear"
}

// login says how the login went.
func (p *hostProbing) login() string {
	v := p.view
	switch {
	case v.LoggedIn && p.id.Username == "":
		return "logged in by " + v.Mechanism
	case v.LoggedIn:
		return "logged in as " + p.id.Username + " by " + v.Mechanism
	case v.Mechanism != "":
		return "refused: " + p.id.Username + " by " + v.Mechanism
	case p.err == nil:
		return "no login"
	}
	return ""
}

// details prints all that was seen.
func (p *probing) details(w io.Writer) {
	fmt.Fprintln(w, spool.Printable(p.id.Name))
	for _, h := range p.hosts {
		h.details(w)
	}
}

// details prints what was seen of one host.
func (p *hostProbing) details(w io.Writer) {
	v := p.view
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-12s %s\n", name, spool.Printable(value))
		}
	}
	line("smart host", p.addr)
	if words := strings.Fields(p.id.Tunnel); len(words) > 0 {
		line("tunnel", path.Base(words[0])) // the rest may hold a password
	}
	if p.id.Proxy != nil {
		line("proxy", p.id.Proxy.String())
	}
	if v.Address != nil && p.id.Tunnel == "" && p.id.Proxy == nil {
		line("address", v.Address.String())
	}
	line("greeting", v.Greeting)
	how := p.tls()
	if v.TLS != nil {
		how += ", " + tls.CipherSuiteName(v.TLS.CipherSuite)
	}
	line("TLS", how)
	name := "certificate"
	for _, cert := range v.Chain {
		line(name, described(cert))
		name = ""
	}
	name = "offers"
	for _, keyword := range slices.Sorted(maps.Keys(v.Extensions)) {
		line(name, strings.TrimSpace(keyword+" "+v.Extensions[keyword]))
		name = ""
	}
	line("login", p.login())
	if p.err != nil {
		line("result", p.err.Error())
	} else {
		line("result", "ready: mail could be sent")
	}
}

// described says what is in a certificate, for a person.
func described(cert *x509.Certificate) string {
	text := called(cert.Subject.CommonName, cert.Subject.String())
	const most = 8
	names := certNames(cert)
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	if len(names) > 0 {
		text = "for " + strings.Join(names, ", ")
	}
	text += "; by " + called(cert.Issuer.CommonName, cert.Issuer.String()) + "; until " + cert.NotAfter.Local().Format("2006-01-02")
	switch left := time.Until(cert.NotAfter); {
	case left < 0:
		text += ", over"
	case left < soon:
		text += fmt.Sprintf(", in %d days", int(left.Hours()/24))
	}
	return text
}

func called(common, full string) string {
	if common == "" {
		return full
	}
	return common
}

// certNames returns the names and addresses that a certificate is for.
func certNames(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

type jsonProbe struct {
	Identity string     `json:"identity"`
	jsonHost            // the first that can be used, or else the first
	Hosts    []jsonHost `json:"hosts,omitempty"` // all of them, where there are several
}

type jsonHost struct {
	Host         string            `json:"host"`
	Port         string            `json:"port"`
	Address      string            `json:"address,omitempty"`
	Greeting     string            `json:"greeting,omitempty"`
	TLS          string            `json:"tls,omitempty"` // "TLS 1.3"; left out in clear
	Cipher       string            `json:"cipher,omitempty"`
	Certificates []jsonCertificate `json:"certificates,omitempty"` // as sent, the host's first
	Offers       map[string]string `json:"offers,omitempty"`       // EHLO keyword to parameters
	Mechanism    string            `json:"mechanism,omitempty"`    // of the login
	LoggedIn     bool              `json:"logged_in"`
	Ready        bool              `json:"ready"` // mail could be sent
	Reason       string            `json:"reason,omitempty"`
	Exit         int               `json:"exit"` // the exit status of this host alone
}

type jsonCertificate struct {
	Subject   string   `json:"subject"`
	Issuer    string   `json:"issuer"`
	Names     []string `json:"names,omitempty"`
	NotBefore int64    `json:"not_before"` // Unix time
	NotAfter  int64    `json:"not_after"`
}

// json prints an object, in which everything that is not ASCII is an escape.
func (p *probing) json(w io.Writer) {
	j := jsonProbe{Identity: p.id.Name, jsonHost: p.hosts[0].json()}
	for i, h := range p.hosts {
		one := h.json()
		if h.err == nil && !j.Ready {
			j.jsonHost = one
		}
		if j.Hosts = append(j.Hosts, one); i == 0 && len(p.hosts) == 1 {
			j.Hosts = nil
		}
	}
	j.Exit = p.code
	b, err := json.Marshal(j)
	if err != nil {
		return // never: it has texts and numbers
	}
	w.Write(append(door.EscapeJSON(b), '\n'))
}

func (p *hostProbing) json() jsonHost {
	v := p.view
	j := jsonHost{
		Host: p.host, Port: p.port, Greeting: v.Greeting, Offers: v.Extensions,
		Mechanism: v.Mechanism, LoggedIn: v.LoggedIn, Ready: p.err == nil, Exit: p.code,
	}
	if v.Address != nil {
		j.Address = v.Address.String()
	}
	if v.TLS != nil {
		j.TLS, j.Cipher = tls.VersionName(v.TLS.Version), tls.CipherSuiteName(v.TLS.CipherSuite)
	}
	if p.err != nil {
		j.Reason = p.err.Error()
	}
	for _, cert := range v.Chain {
		j.Certificates = append(j.Certificates, jsonCertificate{
			cert.Subject.String(), cert.Issuer.String(), certNames(cert), cert.NotBefore.Unix(), cert.NotAfter.Unix(),
		})
	}
	return j
}
