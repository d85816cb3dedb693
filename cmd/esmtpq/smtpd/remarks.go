package smtpd

import (
	"fmt"
	"io"
	"sync"
	"time"

	"esmtpq/queue/spool"
)

// remarksEach is how much is said in each period. A client that can connect decides how much there
// would be.
const (
	remarksEach   = 20
	remarksPeriod = time.Minute
)

// remarks are what the listener has to say, in a number that a log can take.
type remarks struct {
	w    io.Writer
	name string // to begin with

	mu    sync.Mutex
	begin time.Time // of the period
	said  int
	more  int // that were not said
}

func (r *remarks) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.begin) > remarksPeriod {
		r.begin, r.said = time.Now(), 0
	}
	if r.said++; r.said > remarksEach {
		r.more++
		return
	}
	text := fmt.Sprintf(format, args...)
	if r.more > 0 {
		text += fmt.Sprintf(" (%d more lines were left out before)", r.more)
		r.more = 0
	}
	fmt.Fprintf(r.w, "%s: %s\n", r.name, spool.Printable(text))
}
