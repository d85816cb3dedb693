package relay

import (
	"context"

	"esmtpq/relay/smtp"
)

// Answer asks all hosts of the identity at once whether they are there, and returns the first that
// is. A session is opened as for mail, with TLS as it is configured and the certificate verified, so that
// whoever answers in the place of the host does not count; but there is no login. The error says why
// there is none.
func (t *Transport) Answer(ctx context.Context) (*Looked, *smtp.Error) {
	o := t.host.order
	if o == nil {
		seen := t.host.answer(ctx)
		return &seen, seen.Err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		number int
		Looked
	}
	seen := make(chan answer)
	var failed []attempt // of all that are asked, in their order; those that have not answered have no error
	ask := func(from *host, look func() Looked) {
		number := len(failed)
		failed = append(failed, attempt{host: from})
		go func() {
			one := answer{number, look()}
			select {
			case seen <- one:
			case <-ctx.Done(): // nobody waits for it
			}
		}()
	}
	for i := 0; i == 0 || ctx.Err() == nil; i++ {
		s, more, err := o.step(ctx, i)
		if !more {
			break
		}
		if err != nil {
			ask(nil, func() Looked { return Looked{Err: err} })
			continue
		}
		for _, port := range s.Ports {
			ask(&port.host, func() Looked { return port.host.answer(ctx) })
		}
	}
	for range failed {
		select {
		case one := <-seen:
			if one.Err == nil {
				return &one.Looked, nil
			}
			failed[one.number].err = one.Err
		case <-ctx.Done():
			return nil, &smtp.Error{At: smtp.StageConnect, Kind: smtp.KindStopped, Text: "interrupted"}
		}
	}
	return nil, o.none(failed)
}

// answer opens a session without a login, and ends it.
func (h *host) answer(ctx context.Context) Looked {
	config := h.config
	config.Dial, config.Ended = h.connect, nil
	config.Login, config.External, config.LoginMemory = nil, false, nil
	view, err := smtp.Look(ctx, &config)
	return Looked{h.name, h.port(), view, err}
}
