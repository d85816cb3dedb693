package discover

import (
	"strings"
	"testing"

	"esmtpq/identity"
)

// Each row of the table can be used, and no two rows are for the same mail.
func TestTable(t *testing.T) {
	domains, endings := map[string]string{}, map[string]string{}
	for _, p := range known {
		if (p.Servers == "") != (p.Refuses != "") {
			t.Errorf("%s: servers or a reason why there are none", p.Name)
		}
		if p.Domains == "" && p.MX == "" {
			t.Errorf("%s: for nobody", p.Name)
		}
		if p.NoPass && p.OAuth == "" {
			t.Errorf("%s: neither a password nor OAuth", p.Name)
		}
		for _, d := range strings.Fields(p.Domains) {
			if ascii, err := ASCIIDomain(d); err != nil || ascii != d || domains[d] != "" {
				t.Errorf("%s: domain %s (%v), also of %q", p.Name, d, err, domains[d])
			}
			domains[d] = p.Name
		}
		for _, e := range strings.Fields(p.MX) {
			if endings[e] != "" {
				t.Errorf("%s: MX %s is also of %s", p.Name, e, endings[e])
			}
			endings[e] = p.Name
		}
		for _, s := range p.servers(address{"me", "example.org"}) {
			if !isHost(s.Host) || s.TLS != identity.TLSImplicit && s.TLS != identity.TLSStartTLS || s.Port != "465" && s.Port != "587" || (s.Port == "465") != (s.TLS == identity.TLSImplicit) {
				t.Errorf("%s: server %+v", p.Name, s)
			}
		}
	}
}

// The longest ending counts: private and work mail of Microsoft come through hosts of one domain.
func TestByMX(t *testing.T) {
	for host, server := range map[string]string{
		"outlook-com.olc.protection.outlook.com":  "smtp-mail.outlook.com:587",
		"example-org.mail.protection.outlook.com": "smtp.office365.com:587",
		"aspmx.l.google.com":                      "smtp.gmail.com:465 smtp.gmail.com:587",
		"mta5.am0.yahoodns.net":                   "smtp.mail.yahoo.com:465",
		"mx-aol.mail.gm0.yahoodns.net":            "smtp.aol.com:465",
		"mx2.zoho.eu":                             "smtp.zoho.eu:465 smtp.zoho.eu:587",
		"notgoogle.com":                           "",
		"google.com.example.net":                  "",
		"mx.example.org":                          "",
	} {
		got := ""
		if p := ByMX(host); p != nil {
			got = p.Servers
		}
		if got != server {
			t.Errorf("%s: %q, want %q", host, got, server)
		}
	}
}

func TestMeant(t *testing.T) {
	for typed, meant := range map[string]string{
		"gmial.com": "gmail.com", "gmai.com": "gmail.com", "gmail.co": "gmail.com", "gmaill.com": "gmail.com", "hotmial.com": "hotmail.com",
		"gmail.com": "", "gmx.de": "", "email.com": "", "ymail.com": "", "example.org": "", "gm.com": "", "bk.de": "",
	} {
		if got := Meant(typed); got != meant {
			t.Errorf("%s: %q, want %q", typed, got, meant)
		}
	}
}

func TestASCIIDomain(t *testing.T) {
	for typed, want := range map[string]string{
		"Example.ORG": "example.org", "example.org.": "example.org", "bücher.example": "xn--bcher-kva.example",
		"localhost": "", "": "", "a..b": "", "[192.0.2.1]": "", "192.0.2.1": "", "a b.example": "", "_x.example": "", "example.org/": "", "x:25.example": "",
	} {
		if got, _ := ASCIIDomain(typed); got != want {
			t.Errorf("%s: %q, want %q", typed, got, want)
		}
	}
}
