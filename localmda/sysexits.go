package localmda

import (
	"fmt"

	"esmtpq/queue"
)

// An exitMeaning is the meaning of an exit status of a delivery agent.
type exitMeaning struct {
	status string // enhanced status code (RFC 3463); class 4 delays, class 5 fails
	scope  queue.Scope
	text   string
}

// exitMeanings are those of sysexits.h, with the status codes that other mail systems give them.
// Those systems differ in what fails and what is tried again. Here, mail is tried again after
// trouble with a file, a disk or a service (69, 73, 74): a full disk or a quota gets repaired, a
// scanner started again (spamc -x says 69), and late mail does no harm.
//
// For the same reason mail is tried again after a status without a meaning here, until the
// message expires: fdm exits with 1 while its lock is held, mailagent and mdeliver with 1 and 2
// for a folder that does not exist yet. A number of attempts would be no measure, since deliver
// may be called every minute.
//
// It is not a map, since that would be made at each start of the program.
var exitMeanings = [...]exitMeaning{
	64: {"5.3.0", queue.ScopeRecipient, "wrong usage of the command line"},
	65: {"5.6.0", queue.ScopeMessage, "wrong data in the message"},
	66: {"5.3.0", queue.ScopeRecipient, "cannot open the input"},
	67: {"5.1.1", queue.ScopeRecipient, "no such user"},
	68: {"5.1.2", queue.ScopeRecipient, "no such host"},
	69: {"4.3.0", queue.ScopeRecipient, "service unavailable"},
	70: {"5.3.0", queue.ScopeRecipient, "internal software error"},
	71: {"4.3.0", queue.ScopeRecipient, "operating system error"},
	72: {"5.3.0", queue.ScopeRecipient, "a system file is missing"},
	73: {"4.2.0", queue.ScopeRecipient, "cannot create the output file"},
	74: {"4.3.0", queue.ScopeRecipient, "input/output error"},
	75: {"4.3.0", queue.ScopeRecipient, "temporary failure"},
	76: {"5.5.0", queue.ScopeRecipient, "protocol error"},
	77: {"5.7.0", queue.ScopeRecipient, "permission denied"},
	78: {"5.3.5", queue.ScopeRecipient, "configuration error"},

	// These are of qmail's programs (qmail-command(8)).
	100: {"5.3.0", queue.ScopeRecipient, "permanent failure"},
	111: {"4.3.0", queue.ScopeRecipient, "temporary failure"},

	// These are of the shell: the set-up is wrong, whoever the mail is for.
	126: {"4.3.5", queue.ScopeIdentity, "the command cannot be executed"},
	127: {"4.3.5", queue.ScopeIdentity, "command not found"},
}

// bySignal reports whether a status of the shell means that a signal ended its last command.
func bySignal(status int) bool { return status > 128 && status <= 128+64 }

// exitReport is the report for an exit status, with the last words of the agent.
func (a *Agent) exitReport(status int, words string) queue.Report {
	if status == 0 {
		return queue.Report{Action: a.success(), Status: "2.0.0", Text: "taken by the " + a.noun(), Host: a.noun()}
	}
	m, scope := exitMeaning{}, queue.ScopeRecipient
	if status > 0 && status < len(exitMeanings) {
		m = exitMeanings[status]
	}
	if a.carries {
		m, scope = carried(status, m), queue.ScopeMessage
	}
	switch {
	case m.text != "":
	case bySignal(status):
		m = exitMeaning{"4.3.0", scope, fmt.Sprintf("signal %d", status-128)}
	default:
		m = exitMeaning{"4.3.0", scope, ""}
	}
	text := fmt.Sprintf("exit status %d", status)
	if m.text != "" {
		text += ", " + m.text
	}
	if words != "" {
		text += ": " + words
	}
	r := queue.Report{Action: queue.Failed, Scope: m.scope, Status: m.status, Text: text, Host: a.noun()}
	if m.status[0] == '4' {
		r.Action = queue.Delayed
	}
	return r
}
