package relay_test

import "time"

// A mode is what the host offers.
type mode int

const (
	lockstep mode = iota
	pipelined
	chunked
	modes
)

var modeNames = [...]string{"lockstep", "pipelined", "chunked"}

// A kind is what may become of a reply. "Done" says that the host carries the command out
// all the same.
type kind int

const (
	natural     kind = iota
	say2xx           // in place of a refusal, or where 354 is due
	say3xx           // where it is not due, or DATA is taken without recipients
	say4xx           //
	say5xx           //
	say503           //
	say530           //
	sayLimit         // 550 5.4.5: a sending limit
	say421Close      // and the connection is closed
	say421Stay       // and the host goes on as if nothing were
	say5xxClose      // and the connection is closed, with what was sent ahead unread
	closes           // the connection is closed, nothing done
	doneCloses       // done, and closed in place of a reply
	doneResets       // done, and reset in place of a reply: what was not read is lost
	mute             // done, and nothing is said any more, while the host goes on
	deaf             // nothing is read any more
	garbage          // done, and a line that is no reply in place of one
	junk             // done, a line that is no reply before the reply
	emptyLine        // done, an empty line before the reply
	extra            // done, and the reply twice
	extraLate        // done, the second a moment later
	extraOther       // done, and a reply of another kind behind it
	swallow          // done, and no reply
	slow             // done, and the reply after half a minute
	kinds
)

var kindNames = [...]string{"natural", "2xx", "3xx", "4xx", "5xx", "503", "530", "limit", "421+close", "421+stay", "5xx+close",
	"close", "done+close", "done+reset", "mute", "deaf", "garbage", "junk", "empty", "extra", "extra late", "extra other", "swallow", "slow"}

func (k kind) String() string { return kindNames[k] }

// irregular reports whether k may make a client distrust the session or lose it.
func (k kind) irregular() bool {
	switch k {
	case natural, say4xx, say5xx, sayLimit, junk, emptyLine, slow:
		return false
	}
	return true
}

// shifts reports whether replies and commands may get out of step with k.
func (k kind) shifts() bool {
	switch k {
	case garbage, extra, extraLate, extraOther, swallow:
		return true
	}
	return false
}

// A plan is what a host is like, for all its sessions, and what it does out of order.
type plan struct {
	flavour flavour
	mode    mode
	delay   time.Duration // of each reply
	frag    int           // octets that the client reads at a time; 0 for any number
	small   bool          // buffers
	two     bool          // replies of two lines

	size     int  // SIZE in EHLO; 0 for none
	limits   bool // maxRcpts is in EHLO
	maxRcpts int  // of a transaction; 0 for any number
	overRcpt reply
	maxMsgs  int // of a session; 0 for any number
	mailMax  int // likewise, said in EHLO
	overMsg  reply
	closing  bool   // overMsg closes
	errors   int    // refusals after which it closes with 421; 0 for any number
	riders   kind   // natural; swallow: what stands behind a dot is lost; say503: each is answered 503
	keeps    bool   // a refused content leaves its envelope in place
	restarts bool   // MAIL within a transaction begins a new one
	nonmail  int    // RSETs without a message taken between them after which it closes; 0 for any number
	auth     bool   // it offers a login
	idles    bool   // it closes while the client waits for mail
	crashes  bool   // it ends when something stands behind a final dot, once the message is taken
	poison   string // what it closes the connection over where it is among what it has read: 500, as its first reply
	floods   bool   // it takes a chunk behind a refused BDAT for commands
	holds    bool   // it offers FUTURERELEASE, and all mail is to go ahead of its time
	cuts     bool   // the end of the connection passes for the end of the last chunk

	soft  func() reply // in place of an acceptance of a content
	fault func(s *session, c *command) kind
}
