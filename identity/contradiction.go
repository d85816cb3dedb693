package identity

import (
	"cmp"
	"fmt"
)

// Contradictions says which settings have no effect because of others, or fit them badly; each with
// file and line.
func (c *Config) Contradictions() []string {
	var remarks []string
	say := func(id *Identity, key, format string, args ...any) {
		remarks = append(remarks, position(c.File, cmp.Or(c.LineOf(id, key), c.LineOf(id, "host"), c.LineOf(id, "name")))+fmt.Sprintf(format, args...))
	}
	noMDA := func(key string, set bool) {
		if set && c.MDA == "" {
			say(nil, key, "%s has no effect without mda", key)
		}
	}
	noMDA("force_mda", c.ForceMDA != "")
	noMDA("local_domains", len(c.LocalDomains) > 0)
	noMDA("mda_timeout", c.MDATimeout != 0)
	noMDA("mda_unread", c.MDAUnread)
	if c.ExpireAfter > 0 && c.DelayNoticeAfter >= c.ExpireAfter {
		say(nil, "delay_notice_after", "delay_notice_after has no effect: mail expires before it (expire_after)")
	}
	for _, id := range c.Identities {
		for _, f := range [...]struct {
			key, why string
			bad      bool
		}{
			{"ca_file", "has no effect with tls: off", id.TLS == TLSOff && id.CAFile != ""},
			{"tls_name", "has no effect with tls: off", id.TLS == TLSOff && id.TLSName != ""},
			{"client_certificate", "has no effect with tls: off", id.TLS == TLSOff && id.ClientCertificate != ""},
			{"source_address", "has no effect with a tunnel", id.Tunnel != "" && id.SourceAddress != ""},
			{"ip_version", "has no effect with a tunnel", id.Tunnel != "" && id.IPVersion != ""},
			{"ip_version", "does not fit source_address", id.SourceAddress != "" && id.IPVersion != "" && isIPv6(id.SourceAddress) != (id.IPVersion == "6")},
			{"tls_compat", "has no effect with tls: off", id.TLS == TLSOff && len(id.TLSCompat) > 0},
			{"preconnect", "is not run: the identity has a tunnel", id.Tunnel != "" && id.Preconnect != ""},
			{"relogin_delay", "has no effect without max_messages_per_session", id.ReloginDelay > 0 && id.MaxMessagesPerSession == 0},
			{"password", "is not used: the identity has no username", id.Username == "" && id.Password.IsSet()},
			{"password_command", "is not run: the identity has no username", id.Username == "" && id.PasswordCommand != ""},
			{"future_release", "has no effect with protocol: lmtp", id.LMTP && id.FutureRelease},
			{"sessions", "has no effect with host_message_id", id.RenamesMail && id.Sessions > 1},
			{"authorize_as", "has no effect: the identity has no username and no client_certificate", id.AuthorizeAs != "" && id.Username == "" && id.ClientCertificate == ""},
			{"port", "begins in clear as a rule: tls should be starttls", id.TLS == TLSImplicit && (id.Port == "587" || id.Port == "25" || id.Port == "submission" || id.Port == "smtp")},
		} {
			if f.bad {
				say(id, f.key, "%s of identity %s %s", f.key, id.Name, f.why)
			}
		}
	}
	return remarks
}
