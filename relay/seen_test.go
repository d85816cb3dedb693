package relay

import (
	"crypto/tls"
	"testing"

	"esmtpq/relay/smtp"
)

// What a host has offered once is insisted on, until it is to be forgotten.
func TestTLSSeen(t *testing.T) {
	ca := newAuthority(t)
	upTo := func(version uint16) *tls.Config {
		config := ca.server(t, "mx.example.org")
		config.MaxVersion = version
		return config
	}
	const delayed = "1 x1@example.com delayed/identity 4.7.5 "
	const encrypted = beforeTLS + "S: 220 go\n! tls" + ehlo + oneMessage
	const stopped = beforeTLS + "S: 220 go\n! tls\n! hang"
	type session struct {
		script string
		config *tls.Config
		want   string
	}
	for name, sessions := range map[string][]session{
		"offer taken away": {
			{encrypted, upTo(0), sent},
			{"S: 220 mx" + ehlo + "! hang", nil, delayed + "mx.example.org has spoken TLS 1.3 before and offers none now: someone between may be the cause; " +
				"if its operator is, type: esmtpq probe --forget me"},
			{beforeTLS + "S: 454 4.7.0 not now\n! hang", nil, "1 x1@example.com delayed/identity 4.7.0 454 not now"},
			{encrypted, upTo(0), sent},
			{},
			{"S: 220 mx" + ehlo + oneMessage, nil, sent},
			{"S: 220 mx" + ehlo + oneMessage, nil, sent},
		},
		"older version": {
			{encrypted, upTo(tls.VersionTLS12), sent},
			{encrypted, upTo(tls.VersionTLS13), sent},
			{stopped, upTo(tls.VersionTLS12), delayed + "mx.example.org has spoken TLS 1.3 before and speaks TLS 1.2 now: ..."},
			{},
			{encrypted, upTo(tls.VersionTLS12), sent},
		},
	} {
		state := StateAt(t.TempDir())
		for i, s := range sessions {
			if s.script == "" {
				(&host{config: smtp.Config{TLSMemory: &seen{state, "mx"}}}).forget()
				continue
			}
			h := serve(t, s.script, s.config).host()
			h.config.TLS, h.config.TLSConfig, h.config.Forget = smtp.TLSOpportunistic, tlsFiles{ca: ca.file}.config, "esmtpq probe --forget me"
			h.config.TLSMemory = &seen{state, "mx"}
			t.Log(name, i+1)
			run(t, h, messages(1)...).expect(s.want)
		}
	}
}

// What is remembered of one host is not of another, and a file that cannot be read is nothing.
func TestTLSSeenFile(t *testing.T) {
	state := StateAt(t.TempDir())
	one, other := &seen{state, "one"}, &seen{state, "other"}
	one.Learn(tls.VersionTLS13)
	one.Learn(tls.VersionTLS12)
	other.Learn(tls.VersionTLS12)
	if one.Recall() != tls.VersionTLS13 || other.Recall() != tls.VersionTLS12 || (&seen{state, "third"}).Recall() != 0 {
		t.Errorf("%x, %x", one.Recall(), other.Recall())
	}
	one.forget()
	if one.Recall() != 0 || other.Recall() != tls.VersionTLS12 {
		t.Errorf("%x, %x", one.Recall(), other.Recall())
	}
	var nowhere seen
	nowhere.Learn(tls.VersionTLS13)
	if nowhere.Recall() != 0 {
		t.Error("remembered nowhere")
	}
}

// A message that asks for TLS all the way goes to a host that promises it, by verified TLS, and to no other.
func TestRequireTLS(t *testing.T) {
	ca := newAuthority(t)
	config := ca.server(t, "mx.example.org")
	const offers = "\nC: EHLO client.example.org\nS: 250-mx.example.org\nS: 250 REQUIRETLS\n"
	const failed = "1 x1@example.com failed/message 5.7.30 the message may go by "
	promised := `
		C: MAIL FROM:<me@example.org> REQUIRETLS
		S: 250 ok
		C: RCPT TO:<x1@example.com>
		S: 250 ok
		C: DATA
		S: 354 go on
		C* .
		S: 250 queued` + bye
	for _, test := range []struct {
		name   string
		mode   smtp.TLSMode
		script string
		want   string
	}{
		{"promised", smtp.TLSImplicit, "! tls\nS: 220 mx" + offers + promised, sent},
		{"promised behind STARTTLS", smtp.TLSStartTLS, beforeTLS + "S: 220 go\n! tls" + offers + promised, sent},
		{"not promised", smtp.TLSImplicit, "! tls\nS: 220 mx" + ehlo + bye, failed + "TLS only, all the way (REQUIRETLS), and mx.example.org does not promise that..."},
		{"not verified", smtp.TLSOpportunistic, beforeTLS + "S: 220 go\n! tls" + offers + bye, failed + "verified TLS only (REQUIRETLS)..."},
		{"in clear", smtp.TLSOff, "S: 220 mx" + offers + bye, failed + "verified TLS only (REQUIRETLS)..."},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := serve(t, test.script, config).host()
			h.config.TLS, h.config.TLSConfig = test.mode, tlsFiles{ca: ca.file}.config
			d := messages(1)
			env := *d[0].Envelope
			env.RequireTLS = true
			d[0].Envelope = &env
			run(t, h, d...).expect(test.want)
		})
	}
}
