package discover

import (
	"strings"

	"esmtpq/identity"
)

// A Provider is a row of the table of providers. It has only texts, so that the table is there without
// having been made at the start of the program.
type Provider struct {
	Name    string
	Domains string // of addresses, with blanks between
	MX      string // endings of the names of hosts that take mail for other domains; with blanks between
	Servers string // host:port, best first; 465 is TLS from the start, anything else STARTTLS
	User    string // "local" if the user name is the local part; "" for the address
	// Strong: what an MX says goes before what the domain's web server says, which is often left over
	// from an earlier provider.
	Strong  bool
	OAuth   string // the preset for logins by OAuth 2.0; "" for none
	NoPass  bool   // no password is taken at all
	Hint    string // what has to be done before the login; "" for nothing
	Refuses string // why no program can send through it; "" if programs can
}

// Checked is when the table was last compared with public data on providers.
const Checked = "2026-11"

const (
	withTwoSteps = "if the account has two-step login: make an app password in its settings, and use that"
	switchOn     = "sending by programs has to be switched on first, in the settings of the mailbox (POP3/IMAP)"
)

// known is the table. Where a provider has both 465 and 587, 465 is first (RFC 8314, section 3.3).
var known = [...]Provider{
	{Name: "Google", Domains: "gmail.com googlemail.com google.com", MX: "google.com googlemail.com", Strong: true,
		Servers: "smtp.gmail.com:465 smtp.gmail.com:587", OAuth: "google",
		Hint: "Google takes no normal password: make an app password at https://myaccount.google.com/apppasswords (the account needs 2-step verification), or log in with OAuth"},
	{Name: "Microsoft, personal", Domains: "outlook.com hotmail.com live.com msn.com windowslive.com hotmail.co.uk hotmail.de hotmail.fr hotmail.it hotmail.es live.co.uk live.de live.fr live.nl outlook.de outlook.fr outlook.es outlook.it", MX: "olc.protection.outlook.com", Strong: true,
		Servers: "smtp-mail.outlook.com:587", OAuth: "microsoft-personal", NoPass: true,
		Hint: "Outlook.com takes no password at all since 2024, only OAuth: see docs/oauth.md for the client ID that this needs"},
	{Name: "Microsoft 365, work or school", Domains: "office365.com", MX: "mail.protection.outlook.com mx.microsoft", Strong: true,
		Servers: "smtp.office365.com:587", OAuth: "microsoft",
		Hint: "Microsoft 365 takes passwords only where an administrator allows it, and from the end of 2026 on hardly anywhere: log in with OAuth; SMTP AUTH must be on for the mailbox"},
	{Name: "AOL", Domains: "aol.com aim.com netscape.net aol.de aol.fr aol.co.uk verizon.net", MX: "mail.gm0.yahoodns.net",
		Servers: "smtp.aol.com:465", Hint: "AOL takes no normal password: make an app password in the account's security settings"},
	{Name: "Yahoo", Domains: "yahoo.com yahoo.de yahoo.fr yahoo.it yahoo.es yahoo.co.uk yahoo.ca yahoo.co.in yahoo.com.br ymail.com rocketmail.com myyahoo.com cox.net", MX: "am0.yahoodns.net",
		Servers: "smtp.mail.yahoo.com:465", OAuth: "yahoo", Hint: "Yahoo takes no normal password: make an app password in the account's security settings"},
	{Name: "iCloud", Domains: "icloud.com me.com mac.com", MX: "mail.icloud.com",
		Servers: "smtp.mail.me.com:587", Hint: "Apple takes no normal password: make an app-specific password at https://account.apple.com"},
	{Name: "Fastmail", Domains: "fastmail.com fastmail.fm messagingengine.com sent.com", MX: "messagingengine.com",
		Servers: "smtp.fastmail.com:465 smtp.fastmail.com:587", OAuth: "fastmail", Hint: "Fastmail takes no normal password: make an app password in its settings (Privacy & Security), or log in with OAuth"},
	{Name: "GMX", Domains: "gmx.net gmx.de gmx.at gmx.ch gmx.eu gmx.org", MX: "gmx.net",
		Servers: "mail.gmx.net:465 mail.gmx.net:587", Hint: switchOn},
	{Name: "GMX", Domains: "gmx.com gmx.us gmx.co.uk gmx.fr gmx.es", Servers: "mail.gmx.com:465 mail.gmx.com:587", Hint: switchOn},
	{Name: "WEB.DE", Domains: "web.de", Servers: "smtp.web.de:465 smtp.web.de:587", User: "local", Hint: switchOn},
	{Name: "mail.com", Domains: "mail.com email.com post.com usa.com", Servers: "smtp.mail.com:465 smtp.mail.com:587", Hint: switchOn},
	{Name: "Posteo", Domains: "posteo.de posteo.net posteo.org posteo.at posteo.ch posteo.eu", MX: "posteo.de", Servers: "posteo.de:465 posteo.de:587"},
	{Name: "mailbox.org", Domains: "mailbox.org", MX: "mailbox.org", Servers: "smtp.mailbox.org:465 smtp.mailbox.org:587", Hint: withTwoSteps},
	{Name: "Proton Mail", Domains: "proton.me protonmail.com protonmail.ch pm.me", MX: "protonmail.ch",
		Refuses: "Proton Mail can be used only through its Bridge on this machine: with that running, give --host 127.0.0.1:1025 and the password that the Bridge shows"},
	{Name: "Tuta", Domains: "tuta.com tuta.io tutanota.com tutanota.de tutamail.com keemail.me", MX: "tutanota.de",
		Refuses: "Tuta has no SMTP for other programs; there is no way to send from here"},
	{Name: "Zoho", Domains: "zoho.com zohomail.com", MX: "zoho.com", Servers: "smtp.zoho.com:465 smtp.zoho.com:587", Hint: withTwoSteps},
	{Name: "Zoho", Domains: "zoho.eu zohomail.eu", MX: "zoho.eu", Servers: "smtp.zoho.eu:465 smtp.zoho.eu:587", Hint: withTwoSteps},
	{Name: "Zoho", Domains: "zoho.in zohomail.in", MX: "zoho.in", Servers: "smtp.zoho.in:465 smtp.zoho.in:587", Hint: withTwoSteps},
	{Name: "Zoho", Domains: "zoho.com.au zohomail.com.au", MX: "zoho.com.au", Servers: "smtp.zoho.com.au:465 smtp.zoho.com.au:587", Hint: withTwoSteps},
	{Name: "Yandex", Domains: "yandex.ru yandex.com ya.ru yandex.by yandex.kz yandex.ua", MX: "mx.yandex.net mx.yandex.ru",
		Servers: "smtp.yandex.com:465", Hint: "mail programs have to be switched on in the settings first, and Yandex wants an app password"},
	{Name: "Mail.ru", Domains: "mail.ru inbox.ru list.ru bk.ru internet.ru", MX: "mail.ru",
		Servers: "smtp.mail.ru:465", Hint: "Mail.ru takes no normal password: make one for external applications in the account's security settings"},
	{Name: "Rambler", Domains: "rambler.ru", Servers: "smtp.rambler.ru:465", Hint: switchOn},
	{Name: "OVH", Domains: "ovh.net", MX: "ovh.net", Servers: "ssl0.ovh.net:465"},
	{Name: "IONOS", Domains: "online.de onlinehome.de", MX: "kundenserver.de ionos.de", Servers: "smtp.ionos.de:465 smtp.ionos.de:587"},
	{Name: "IONOS", MX: "ionos.com", Servers: "smtp.ionos.com:465 smtp.ionos.com:587"},
	{Name: "IONOS", MX: "ionos.co.uk", Servers: "smtp.ionos.co.uk:465 smtp.ionos.co.uk:587"},
	{Name: "Strato", Domains: "strato.de", MX: "rzone.de", Servers: "smtp.strato.de:465 smtp.strato.de:587"},
	{Name: "Hetzner", MX: "your-server.de", Servers: "mail.your-server.de:465 mail.your-server.de:587"},
	{Name: "Infomaniak", Domains: "ik.me ikmail.com etik.com", MX: "infomaniak.ch", Servers: "mail.infomaniak.com:465 mail.infomaniak.com:587", Hint: withTwoSteps},
	{Name: "Gandi", Domains: "gandi.net", MX: "gandi.net", Servers: "mail.gandi.net:465 mail.gandi.net:587"},
	{Name: "Migadu", MX: "migadu.com", Servers: "smtp.migadu.com:465 smtp.migadu.com:587"},
	{Name: "Purelymail", Domains: "purelymail.com", MX: "purelymail.com", Servers: "smtp.purelymail.com:465", Hint: withTwoSteps},
	{Name: "Rackspace", Domains: "emailsrvr.com", MX: "emailsrvr.com", Servers: "secure.emailsrvr.com:465"},
	{Name: "GoDaddy", Domains: "secureserver.net", MX: "secureserver.net", Servers: "smtpout.secureserver.net:465"},
	{Name: "one.com", Domains: "one.com", MX: "one.com", Servers: "send.one.com:465"},
	{Name: "Loopia", MX: "loopia.se", Servers: "mailcluster.loopia.se:465"},
	{Name: "Aruba", Domains: "aruba.it", MX: "aruba.it", Servers: "smtps.aruba.it:465"},
	{Name: "T-Online", Domains: "t-online.de magenta.de", Servers: "securesmtp.t-online.de:465 securesmtp.t-online.de:587",
		Hint: "T-Online wants the password for e-mail programs, which is set in the account's settings and is not that of the web site"},
	{Name: "Vodafone", Domains: "vodafone.de vodafonemail.de arcor.de kabelmail.de", Servers: "smtp.vodafonemail.de:465"},
	{Name: "Free", Domains: "free.fr", Servers: "smtp.free.fr:465", User: "local", Hint: "sending with a login has to be switched on in the account first (SMTP authentifié)"},
	{Name: "Orange", Domains: "orange.fr wanadoo.fr", Servers: "smtp.orange.fr:465", Hint: "sending by programs may have to be switched on first, in the settings of the mailbox"},
	{Name: "SFR", Domains: "sfr.fr neuf.fr club-internet.fr", Servers: "smtp.sfr.fr:465"},
	{Name: "La Poste", Domains: "laposte.net", Servers: "smtp.laposte.net:465", User: "local"},
	{Name: "Bluewin", Domains: "bluewin.ch bluemail.ch", Servers: "smtpauths.bluewin.ch:465"},
	{Name: "Libero", Domains: "libero.it iol.it blu.it inwind.it giallo.it", Servers: "smtp.libero.it:465"},
	{Name: "Virgilio", Domains: "virgilio.it", Servers: "out.virgilio.it:465"},
	{Name: "Tiscali", Domains: "tiscali.it", Servers: "smtp.tiscali.it:465"},
	{Name: "Seznam", Domains: "seznam.cz email.cz post.cz spoluzaci.cz", Servers: "smtp.seznam.cz:465"},
	{Name: "WP", Domains: "wp.pl", Servers: "smtp.wp.pl:465", User: "local", Hint: switchOn},
	{Name: "Onet", Domains: "onet.pl onet.eu op.pl vp.pl", Servers: "smtp.poczta.onet.pl:465 smtp.poczta.onet.pl:587"},
	{Name: "KPN", Domains: "kpnmail.nl planet.nl hetnet.nl xs4all.nl", Servers: "smtp.kpnmail.nl:465 smtp.kpnmail.nl:587"},
	{Name: "Ziggo", Domains: "ziggo.nl casema.nl", Servers: "smtp.ziggo.nl:587"},
	{Name: "Sapo", Domains: "sapo.pt", Servers: "smtp.sapo.pt:465"},
	{Name: "BT", Domains: "btinternet.com", Servers: "mail.btinternet.com:465"},
	{Name: "Virgin Media", Domains: "virginmedia.com", Servers: "smtp.virginmedia.com:465"},
	{Name: "Comcast", Domains: "comcast.net", Servers: "smtp.comcast.net:465 smtp.comcast.net:587", Hint: "access by other programs has to be switched on in the settings first"},
	{Name: "AT&T", Domains: "att.net bellsouth.net ameritech.net sbcglobal.net", Servers: "smtp.mail.att.net:465", Hint: "AT&T wants a secure mail key, which is made in the account's settings, in place of the password"},
	{Name: "Runbox", Domains: "runbox.com", MX: "runbox.com", Servers: "smtp.runbox.com:465"},
	{Name: "Kolab Now", Domains: "kolabnow.com", MX: "kolabnow.com", Servers: "smtp.kolabnow.com:465"},
	{Name: "Disroot", Domains: "disroot.org", MX: "disroot.org", Servers: "disroot.org:587", User: "local"},
	{Name: "Riseup", Domains: "riseup.net", Servers: "mail.riseup.net:465", User: "local"},
	{Name: "Tencent Exmail", MX: "mxbiz1.qq.com mxbiz2.qq.com", Servers: "smtp.exmail.qq.com:465"},
	{Name: "QQ", Domains: "qq.com foxmail.com", Servers: "smtp.qq.com:465", Hint: "QQ wants an authorization code from the settings of the mailbox in place of the password"},
	{Name: "NetEase", Domains: "163.com", Servers: "smtp.163.com:465", Hint: "163.com wants an authorization code from the settings of the mailbox in place of the password"},
	{Name: "NetEase", Domains: "126.com", Servers: "smtp.126.com:465", Hint: "126.com wants an authorization code from the settings of the mailbox in place of the password"},
	{Name: "Naver", Domains: "naver.com", Servers: "smtp.naver.com:465", Hint: switchOn},
	{Name: "Daum", Domains: "daum.net hanmail.net", Servers: "smtp.daum.net:465", Hint: switchOn},
}

// ByDomain returns the provider of the addresses of a domain; nil if it is not in the table.
func ByDomain(domain string) *Provider {
	for i := range known {
		if has(known[i].Domains, func(d string) bool { return d == domain }) {
			return &known[i]
		}
	}
	return nil
}

// ByMX returns the provider that a host which takes mail belongs to; nil if it is not in the table.
func ByMX(host string) *Provider {
	var best *Provider
	longest := 0
	for i := range known {
		for _, end := range strings.Fields(known[i].MX) {
			if within(host, end) && len(end) > longest {
				best, longest = &known[i], len(end)
			}
		}
	}
	return best
}

// ByHost returns the provider of a smart host; nil if it is not in the table.
func ByHost(host string) *Provider {
	for i := range known {
		if has(known[i].Servers, func(s string) bool { name, _, _ := strings.Cut(s, ":"); return name == host }) {
			return &known[i]
		}
	}
	return nil
}

// Meant returns the domain of a large provider that differs from a domain by one typing error; "" if
// there is none. Domains in the table are never errors.
func Meant(domain string) string {
	if ByDomain(domain) != nil {
		return ""
	}
	meant := ""
	for i := range known {
		has(known[i].Domains, func(d string) bool {
			if meant == "" && len(d) >= 8 && oneError(domain, d) {
				meant = d
			}
			return false
		})
	}
	return meant
}

// has reports whether one of some words is what is looked for.
func has(words string, is func(string) bool) bool {
	for _, w := range strings.Fields(words) {
		if is(w) {
			return true
		}
	}
	return false
}

// within reports whether a host is a domain or below it.
func within(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// oneError reports whether two words differ by one letter: added, left out, another, or exchanged
// with the next one.
func oneError(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 || a == b {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch {
	case len(a) < len(b):
		return a[i:] == b[i+1:]
	case a[i+1:] == b[i+1:]:
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// servers returns the servers of a provider for an address.
func (p *Provider) servers(a address) []Server {
	var all []Server
	for _, s := range strings.Fields(p.Servers) {
		host, port, _ := strings.Cut(s, ":")
		one := Server{Host: host, Port: port, TLS: identity.TLSStartTLS, Username: a.whole(), Vouched: true, Provider: p}
		if port == "465" {
			one.TLS = identity.TLSImplicit
		}
		if p.User == "local" {
			one.Username = a.local
		}
		all = append(all, one)
	}
	return all
}
