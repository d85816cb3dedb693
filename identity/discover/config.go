package discover

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"esmtpq/identity"
)

// clientConfig takes the outgoing servers out of a configuration of draft-ietf-mailmaint-autoconfig,
// which are in the order of preference.
func (s *search) clientConfig(root *element, f *Finding) {
	for _, provider := range root.all("emailprovider") {
		for _, e := range provider.all("outgoingserver") {
			if kind := e.attrs["type"]; kind != "" && !strings.EqualFold(kind, "smtp") {
				continue
			}
			s.server(e, f)
		}
		f.Hints = append(f.Hints, hints(provider)...)
	}
	switch {
	case len(f.Servers) > 0:
		f.State = Found
	case len(f.Clear) > 0:
		f.State, f.Why = NotOffered, "only without TLS, where anybody on the way could read the password: that is not used"
	default:
		f.State, f.Why = Nothing, "the configuration names no host for sending"
	}
}

// server takes one outgoing server.
func (s *search) server(e *element, f *Finding) {
	one := Server{
		Host:     strings.ToLower(strings.TrimSuffix(s.filled(e.value("hostname")), ".")),
		Port:     e.value("port"),
		Username: s.username(e),
		Vouched:  true, // by a web server with a certificate for the domain
	}
	number, err := strconv.Atoi(one.Port)
	if _, ip := netip.ParseAddr(one.Host); err != nil || number < 1 || number > 65535 || !isHost(one.Host) && ip != nil {
		return
	}
	switch strings.ToUpper(e.value("sockettype")) {
	case "SSL":
		one.TLS = identity.TLSImplicit
	case "STARTTLS":
		one.TLS = identity.TLSStartTLS
	default:
		f.Clear = append(f.Clear, one)
		return
	}
	f.Servers = append(f.Servers, one)
}

// username returns what an outgoing server wants for a user name; "" if it wants no login. Without a
// word about it, that is the address.
func (s *search) username(e *element) string {
	var methods []string
	for _, a := range e.all("authentication") {
		methods = append(methods, strings.ToLower(a.text))
	}
	if len(methods) > 0 && !slices.ContainsFunc(methods, func(m string) bool { return m != "none" && m != "client-ip-address" }) {
		return ""
	}
	name := e.value("username")
	if name == "" || strings.EqualFold(name, "none") {
		return s.whole()
	}
	name = s.filled(name)
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.Contains(name, "%") {
		return s.whole()
	}
	return name
}

// filled puts the address into a text with placeholders.
func (s *search) filled(text string) string {
	return strings.NewReplacer("%EMAILADDRESS%", s.whole(), "%EMAILLOCALPART%", s.local, "%EMAILDOMAIN%", s.domain).Replace(text)
}

// hints returns what a provider wants done before a login.
func hints(provider *element) []string {
	var all []string
	for _, e := range provider.all("enable") {
		text := strings.Join(strings.Fields(e.value("instruction")), " ")
		if visit := e.attrs["visiturl"]; strings.HasPrefix(visit, "https://") {
			text = strings.TrimSpace(text + " " + visit)
		}
		if text != "" {
			all = append(all, "the provider says that sending by programs has to be switched on first: "+text)
		}
	}
	return all
}
