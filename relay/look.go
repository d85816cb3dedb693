package relay

import (
	"context"
	"crypto/tls"

	"esmtpq/relay/smtp"
)

// Look opens a session as for mail, and ends it. The session is a whole one: no ticket of an earlier
// one makes it shorter, so that the certificates are those that the host shows now.
func (t *Transport) Look(ctx context.Context) (*smtp.View, *smtp.Error) {
	config := t.host.config
	config.Dial, config.Ended = t.host.connect, nil
	settings := config.TLSConfig
	config.TLSConfig = func(name string) (*tls.Config, error) {
		c, err := settings(name)
		if err == nil {
			c.ClientSessionCache = nil
		}
		return c, err
	}
	return smtp.Look(ctx, &config)
}
