// Package argv reads the command line of sendmail, as forty years of callers use it.
package argv

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/message"
	"esmtpq/queue/spool"
)

// Parsing follows getopt as the C library does it: single letters, clustered or not; a value
// attached or in the next argument; options also after operands; "--" ends them.

// Names are the names by which the program is called as sendmail, the usual one first.
var Names = []string{"sendmail", "esmtp", "send-mail"}

// AsksHelp reports whether a command line, without argv[0], asks for help. Valued are the long
// options with a value, see Cut.
func AsksHelp(args []string, valued ...string) bool {
	_, found := Cut(args, "--help", valued...)
	return found || len(args) == 1 && args[0] == "-h"
}

// Cut takes a switch out of a command line, and reports whether it was there. It is none as the
// value of another option, one of sendmail's or of the long ones in valued, nor after "--": mail is
// lost if "-f --help" only explains.
func Cut(args []string, flag string, valued ...string) (rest []string, found bool) {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--":
			return append(rest, args[i:]...), found
		case arg == flag:
			found = true
		case i+1 < len(args) && (slices.Contains(valued, arg) || TakesNext(arg)):
			rest = append(rest, arg, args[i+1])
			i++
		default:
			rest = append(rest, arg)
		}
	}
	return rest, found
}

// TakesNext reports whether an argument has an option of sendmail whose value is the next argument.
func TakesNext(arg string) bool {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		opt := findLong(name)
		return opt != nil && opt.needs
	}
	letters, dashed := strings.CutPrefix(arg, "-")
	for i := 0; dashed && i < len(letters); i++ {
		opt := findOption(letters[i])
		if opt == nil || opt.value != noValue {
			return opt != nil && opt.value == needsValue && i == len(letters)-1
		}
	}
	return false
}

// A Mode is what sendmail is asked to do.
type Mode int

const (
	Send       Mode = iota // take a message
	List                   // -bp
	Run                    // -q
	SMTP                   // -bs
	Explain                // -bv
	Newaliases             // -bi
	Nothing                // -bh, -bH: nothing to do, successfully
	Count                  // -bP
)

// An Invocation is a parsed command line.
type Invocation struct {
	Mode        Mode
	Operands    []string
	Config      string    // -C
	ReversePath *string   // -f, -r: as given; nil if not
	Identity    string    // -a: the name of the identity to send it as
	ReadFrom    bool      // --read-envelope-from: the author's address is the envelope sender
	FullName    string    // -F
	Extract     bool      // -t
	IgnoreDots  bool      // -i
	Body        string    // -B
	Notify      string    // -N
	Return      string    // -R
	EnvelopeID  string    // -V
	RequireTLS  bool      // -O requiretls=yes
	Tag         string    // -L
	Transcript  string    // -X
	Verbose     bool      // -v
	QueueOnly   bool      // -odq
	NotBefore   time.Time // --at of esmtpq send; zero for none
	Selections  []Selection
}

// maxTag is how much of a name given with -L is used, in octets.
const maxTag = 64

// ShownTag returns the name given with -L, to begin messages with, in a printable form; "" for
// none.
func (inv *Invocation) ShownTag() string {
	return spool.Printable(inv.Tag[:min(len(inv.Tag), maxTag)])
}

// A Selection narrows a queue run (-qI, -qR, -qS).
type Selection struct {
	By     byte   // 'I', 'R' or 'S'
	Not    bool   // -q!
	Substr string // part of the queue ID, of a recipient or of the sender
}

// A valueKind says whether an option has a value.
type valueKind int

const (
	noValue       valueKind = iota
	needsValue              // attached or in the next argument
	attachedValue           // attached, or none
)

// An Option is a row of the table of options.
type Option struct {
	Letter byte
	value  valueKind
	name   string // of the value, for people
	Help   string // what it does
	set    func(inv *Invocation, value string) error
}

// options are all options; "ignored" ones are accepted because callers pass them.
var options = []Option{
	{'a', needsValue, "name", "the identity to send it as, by its name, whatever the sender is", setIdentity},
	{'A', needsValue, "c|m", "ignored: choice of sendmail's configuration", ignore},
	{'B', needsValue, "type", "body type: 7BIT or 8BITMIME", setBody},
	{'b', needsValue, "mode", "what to do: m (send, the default), p (list the queue), P (count it), s (SMTP on standard input), v (explain an address), i (nothing, for newaliases)", setMode},
	{'C', needsValue, "file", "configuration file to use", setConfig},
	{'c', noValue, "", "ignored", ignore},
	{'D', needsValue, "file", "ignored: debug output", ignore},
	{'d', attachedValue, "x", "ignored: debug level", ignore},
	{'e', needsValue, "x", "ignored: error mode", ignore},
	{'F', needsValue, "name", "full name of the sender, for a From: field that has to be made", setFullName},
	{'f', needsValue, "address", "envelope sender (reverse-path); '' or <> is the null reverse-path; the last one counts", setReversePath},
	{'G', noValue, "", "ignored", ignore},
	{'h', needsValue, "n", "hop count: ignored, but must be a number", checkNumber},
	{'I', noValue, "", "the same as -bi", func(inv *Invocation, _ string) error { inv.Mode = Newaliases; return nil }},
	{'i', noValue, "", "a line with a single dot does not end the message", func(inv *Invocation, _ string) error { inv.IgnoreDots = true; return nil }},
	{'L', needsValue, "tag", "name to use in messages", setTag},
	{'m', noValue, "", "ignored", ignore},
	{'N', needsValue, "dsn", "when the host is to send a delivery status notification: never, or a list of success, failure, delay", setNotify},
	{'n', noValue, "", "ignored: no aliases", ignore},
	{'O', needsValue, "name=value", "DeliveryMode=q: spool only, start no delivery; requiretls=yes: TLS all the way (RFC 8689), or failure; others ignored", setLongOption},
	{'o', needsValue, "xvalue", "i as -i; dq: spool only, start no delivery; others ignored", setShortOption},
	{'p', needsValue, "protocol", "ignored: receiving protocol", ignore},
	{'q', attachedValue, "x", "run the queue; qIid, qRrecipient, qSsender select by a part of it, q! what does not match, qf in the foreground", setQueueRun},
	{'R', needsValue, "full|hdrs", "what a delivery status notification is to return", setReturn},
	{'r', needsValue, "address", "the same as -f", setReversePath},
	{'s', noValue, "", "ignored", ignore},
	{'T', needsValue, "x", "ignored: timeout", ignore},
	{'t', noValue, "", "take recipients from To:, Cc: and Bcc: as well", func(inv *Invocation, _ string) error { inv.Extract = true; return nil }},
	{'U', noValue, "", "ignored: SMTPUTF8 is used when it is needed", ignore},
	{'V', needsValue, "envid", "envelope identifier for delivery status notifications", setEnvelopeID},
	{'v', noValue, "", "deliver in the foreground and show the SMTP dialogue on standard error", func(inv *Invocation, _ string) error { inv.Verbose = true; return nil }},
	{'X', needsValue, "file", "append the SMTP dialogue to a file", func(inv *Invocation, v string) error { inv.Transcript = v; return nil }},
	{'x', noValue, "", "ignored", ignore},
}

// Options returns the table of options.
func Options() []Option { return slices.Clone(options) }

func ignore(*Invocation, string) error { return nil }

// findOption returns the row of a letter; nil if there is none.
func findOption(letter byte) *Option {
	for i := range options {
		if options[i].Letter == letter {
			return &options[i]
		}
	}
	return nil
}

// Parse reads the arguments of sendmail, without argv[0].
func Parse(args []string) (*Invocation, error) {
	inv := &Invocation{}
	return inv, inv.Parse(args)
}

// Parse adds further arguments.
func (inv *Invocation) Parse(args []string) error {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			inv.Operands = append(inv.Operands, args[i+1:]...)
			return nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			inv.Operands = append(inv.Operands, arg)
			continue
		}
		var next *string
		if i+1 < len(args) {
			next = &args[i+1]
		}
		parse := inv.cluster
		if strings.HasPrefix(arg, "--") {
			parse = inv.long
		}
		took, err := parse(arg, next)
		if err != nil {
			return err
		}
		if took {
			i++
		}
	}
	return nil
}

// cluster parses the letters of one argument, and reports whether it took the next argument as a
// value.
func (inv *Invocation) cluster(arg string, next *string) (took bool, err error) {
	letters := arg[1:]
	for len(letters) > 0 {
		opt := findOption(letters[0])
		if opt == nil {
			return false, exit.Fail(exit.Usage, "unknown option -%s: see --help", spool.Printable(letters[:1]))
		}
		letters = letters[1:]
		value := ""
		switch {
		case opt.value == noValue:
		case opt.value == attachedValue || letters != "":
			value, letters = letters, ""
		case next != nil:
			value, took = *next, true
		default:
			return false, exit.Fail(exit.Usage, "option -%c needs a value: %s", opt.Letter, opt.name)
		}
		if err := opt.set(inv, value); err != nil {
			return false, err
		}
	}
	return took, nil
}

func setMode(inv *Invocation, v string) error {
	modes := map[string]Mode{
		"m": Send, "p": List, "P": Count, "s": SMTP, "v": Explain,
		"i": Newaliases, "h": Nothing, "H": Nothing,
	}
	m, ok := modes[v]
	switch {
	case !ok && len(v) == 1 && strings.Contains("adDlt", v):
		return exit.Fail(exit.Usage, "-b%s is not supported: this mailer only sends", v)
	case !ok:
		return exit.Fail(exit.Usage, "-b%s: no such mode; it knows m, p, P, s, v and i: see --help", spool.Printable(v))
	}
	inv.Mode = m
	return nil
}

func setBody(inv *Invocation, v string) error {
	inv.Body = strings.ToUpper(v)
	if inv.Body != "7BIT" && inv.Body != "8BITMIME" {
		return exit.Fail(exit.Usage, "-B %s: the body type is 7BIT or 8BITMIME", spool.Printable(v))
	}
	return nil
}

func setConfig(inv *Invocation, v string) error {
	if v == "" {
		return exit.Fail(exit.Usage, "-C needs the name of a file")
	}
	inv.Config = v
	return nil
}

func setFullName(inv *Invocation, v string) error {
	if message.HasControl(v) {
		return exit.Fail(exit.Usage, "-F: a name cannot hold control characters")
	}
	inv.FullName = v
	return nil
}

func setIdentity(inv *Invocation, v string) error {
	if v == "" || message.HasControl(v) {
		return exit.Fail(exit.Usage, "-a needs the name of an identity")
	}
	inv.Identity = v
	return nil
}

func setReversePath(inv *Invocation, v string) error {
	inv.ReversePath = &v
	return nil
}

func setTag(inv *Invocation, v string) error {
	inv.Tag = v
	return nil
}

func checkNumber(_ *Invocation, v string) error {
	if _, err := strconv.Atoi(v); err != nil {
		return exit.Fail(exit.Usage, "-h %s: the hop count is a number", spool.Printable(v))
	}
	return nil
}

// setNotify takes NOTIFY (RFC 3461, 4.1).
func setNotify(inv *Invocation, v string) error {
	up := strings.ToUpper(v)
	if up == "NEVER" {
		inv.Notify = up
		return nil
	}
	words := strings.Split(up, ",")
	for i, w := range words {
		words[i] = strings.TrimSpace(w)
		if words[i] != "SUCCESS" && words[i] != "FAILURE" && words[i] != "DELAY" {
			return exit.Fail(exit.Usage, "-N %s: never, or a list of success, failure, delay", spool.Printable(v))
		}
	}
	inv.Notify = strings.Join(words, ",")
	return nil
}

// setReturn takes RET (RFC 3461, 4.3).
func setReturn(inv *Invocation, v string) error {
	inv.Return = strings.ToUpper(v)
	if inv.Return != "FULL" && inv.Return != "HDRS" {
		return exit.Fail(exit.Usage, "-R %s: full or hdrs", spool.Printable(v))
	}
	return nil
}

// setEnvelopeID takes ENVID (RFC 3461, 4.4): at most 100 octets of printable ASCII.
func setEnvelopeID(inv *Invocation, v string) error {
	if v == "" || len(v) > 100 {
		return exit.Fail(exit.Usage, "-V: an envelope identifier has 1 to 100 characters")
	}
	for i := 0; i < len(v); i++ {
		if v[i] < ' ' || v[i] > '~' {
			return exit.Fail(exit.Usage, "-V: an envelope identifier is printable ASCII")
		}
	}
	inv.EnvelopeID = v
	return nil
}

func setLongOption(inv *Invocation, v string) error {
	name, value, _ := strings.Cut(v, "=")
	name, value = strings.TrimSpace(name), strings.ToLower(strings.TrimSpace(value))
	switch {
	case strings.EqualFold(name, "DeliveryMode"):
		inv.QueueOnly = strings.HasPrefix(value, "q")
	case strings.EqualFold(name, "requiretls"): // as Postfix spells it
		if inv.RequireTLS = value == "yes"; !inv.RequireTLS && value != "no" {
			return exit.Fail(exit.Usage, "-O requiretls: yes or no")
		}
	}
	return nil
}

func setShortOption(inv *Invocation, v string) error {
	switch {
	case v == "i" || v == "itrue":
		inv.IgnoreDots = true
	case v == "ifalse":
		inv.IgnoreDots = false
	case strings.HasPrefix(v, "d"):
		inv.QueueOnly = v == "dq"
	}
	return nil
}

// setQueueRun takes -q in all its forms. An interval would ask for a daemon; here it means one
// run.
func setQueueRun(inv *Invocation, v string) error {
	inv.Mode = Run
	not := strings.HasPrefix(v, "!")
	rest := strings.TrimPrefix(v, "!")
	switch {
	case v == "" || v == "f" || isInterval(v) || v[0] == 'p' && isInterval(v[1:]):
		return nil
	case len(rest) > 1 && strings.IndexByte("IRS", rest[0]) >= 0:
		inv.Selections = append(inv.Selections, Selection{By: rest[0], Not: not, Substr: rest[1:]})
		return nil
	}
	return exit.Fail(exit.Usage, "-q%s: -qI, -qR or -qS with a part of the queue ID, a recipient or the sender; -qf", spool.Printable(v))
}

// isInterval reports whether s is an interval in sendmail's notation, such as 15m or 1h30m.
func isInterval(s string) bool {
	digits := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case strings.IndexByte("smhdw", c) >= 0 && digits > 0 && i > 0:
		default:
			return false
		}
	}
	return digits > 0
}

// Help returns the table of options for people.
func Help() string {
	var b strings.Builder
	for i := range options {
		opt := &options[i]
		spec := "-" + string(opt.Letter)
		switch opt.value {
		case needsValue:
			spec += " " + opt.name
		case attachedValue:
			spec += "[" + opt.name + "]"
		}
		fmt.Fprintf(&b, "  %-16s %s\n", spec, opt.Help)
	}
	return b.String()
}
