package smtp

import (
	"errors"
	"io"
	"os"
	"time"
)

// A Stage is the point of a session at which something went wrong, in words for a person.
type Stage string

// The stages, in their order.
const (
	StageResolve  Stage = "resolve"  // the host's name was looked up
	StageConnect  Stage = "connect"  // a connection was made
	StageTunnel   Stage = "tunnel"   // a helper made the connection
	StageGreeting Stage = "greeting" // the host's first reply
	StageEHLO     Stage = "EHLO"
	StageTLS      Stage = "TLS" // STARTTLS and the handshake
	StageAUTH     Stage = "AUTH"
	StageMAIL     Stage = "MAIL FROM"
	StageRCPT     Stage = "RCPT TO"
	StageDATA     Stage = "DATA"                   // and the content, but for the final dot
	StageChunk    Stage = "BDAT"                   // a chunk that is not the last
	StageProbe    Stage = "a probe"                // of what the host does with BDAT
	StageEnd      Stage = "the end of the message" // the final dot, or the last chunk
	StageRSET     Stage = "RSET"
	StageETRN     Stage = "ETRN"
	StageQUIT     Stage = "QUIT"
	StageLocal    Stage = "preparation" // found by ourselves
)

// A Kind is what went wrong.
type Kind string

// The kinds.
const (
	KindReply   Kind = "reply"   // the host said no: Error.Reply
	KindLost    Kind = "lost"    // the connection was closed or failed
	KindTimeout Kind = "timeout" // nothing came, or nothing was taken, in time
	KindGarbage Kind = "garbage" // not SMTP, or not the reply that can be there
	KindRefused Kind = "refused" // by us: unsafe, or set up wrongly
	KindConfig  Kind = "set-up"  // the configuration cannot be used, such as a file that cannot be read
	KindStopped Kind = "stopped" // the context ended
	KindContent Kind = "content" // the content cannot be read to its end
	KindFeed    Kind = "feed"    // Feed.Ending refused
)

// An Error is one failure: where, what, and who said it.
type Error struct {
	At    Stage
	Kind  Kind
	Reply *Reply // for KindReply
	Text  string // in our words; "" for KindReply
	Host  string // whose words or behaviour it is; "" for ours
	// Passing says of a KindReply that it is trouble of the host, whatever the code of its reply.
	Passing bool
	Hint    string // what else there is to say, and what may help; "" for nothing

	cause error // of a decision of ours, or of a handshake
}

// Unwrap returns the cause, if it is known.
func (e *Error) Unwrap() error { return e.cause }

// Error implements error.
func (e *Error) Error() string {
	if e.Reply != nil {
		return e.Host + " answered " + e.Reply.String() + " to " + string(e.At) + e.Advice()
	}
	return e.Text + e.Advice()
}

// Advice returns the hint, for the end of a sentence.
func (e *Error) Advice() string {
	if e.Hint == "" {
		return ""
	}
	return "; " + e.Hint
}

// stopped returns the error for an interruption.
func stopped(at Stage) *Error {
	return &Error{At: at, Kind: KindStopped, Text: "the delivery was interrupted"}
}

// refused returns the error for a reply.
func (c *Conn) refused(at Stage, r *Reply) *Error {
	return &Error{At: at, Kind: KindReply, Reply: r, Host: c.cfg.Name}
}

// refuse returns the error for a decision of ours.
func (c *Conn) refuse(at Stage, text string) *Error {
	return &Error{At: at, Kind: KindRefused, Text: text}
}

// garbage returns the error for an impossible reply.
func (c *Conn) garbage(at Stage, r *Reply) *Error {
	return &Error{At: at, Kind: KindGarbage, Host: c.cfg.Name,
		Text: c.cfg.Name + " gave an answer to " + string(at) + " that makes no sense: " + r.String()}
}

// want turns a reply other than code into an error.
func (c *Conn) want(at Stage, r *Reply, code int) *Error {
	switch {
	case r.Code == code:
		return nil
	case r.Negative():
		return c.refused(at, r)
	}
	return c.garbage(at, r)
}

func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// unread returns the error for a reply that could not be read within limit.
func (c *Conn) unread(at Stage, limit time.Duration, err error) *Error {
	if c.ctx.Err() == nil && timedOut(err) {
		return &Error{At: at, Kind: KindTimeout, Host: c.cfg.Name,
			Text: c.cfg.Name + " did not answer to " + string(at) + " within " + limit.String() + c.said() + printed(err)}
	}
	return c.broken(at, err)
}

// said returns words of the host that were no reply, for the end of a sentence.
func (c *Conn) said() string {
	if c.r.noise == "" {
		return ""
	}
	return "; it said \"" + c.r.noise + "\""
}

// printed returns what the error of a connection adds to a reason that names a time limit: what a
// tunnel has printed meanwhile.
func printed(err error) string {
	var adds interface{ Said() string }
	if errors.As(err, &adds) {
		return "; " + adds.Said()
	}
	return ""
}

// broken returns the error for a failure of the connection, or for nonsense that came over it.
func (c *Conn) broken(at Stage, err error) *Error {
	e := &Error{At: at, Kind: KindLost, Host: c.cfg.Name}
	var garbage garbageError
	switch {
	case c.ctx.Err() != nil:
		return stopped(at)
	case errors.Is(err, errCommand):
		return c.refuse(at, "nothing was sent at "+string(at)+": "+err.Error())
	case errors.As(err, &garbage):
		e.Kind, e.cause = KindGarbage, garbage
		e.Text = c.cfg.Name + " sent " + err.Error() + " as its answer to " + string(at)
	case timedOut(err):
		e.Kind = KindTimeout
		e.Text = c.cfg.Name + " took nothing for " + c.cfg.Limits.Block.String() + " at " + string(at) + printed(err)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		e.Text = c.cfg.Name + " closed the connection at " + string(at) + c.said()
	default:
		e.Text = "the connection to " + c.cfg.Name + " was lost at " + string(at) + ": " + err.Error()
	}
	return e
}
