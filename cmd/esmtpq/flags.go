package main

import (
	"fmt"
	"strconv"
	"strings"
)

// The command line of sendmail, as forty years of callers use it. Parsing follows getopt
// as the C library does it: single letters, clustered or not; a value attached or in the
// next argument; options also after operands; "--" ends them.

// A mode is what sendmail is asked to do.
type mode int

const (
	modeSend       mode = iota // take a message
	modeList                   // -bp
	modeRun                    // -q
	modeSMTP                   // -bs
	modeExplain                // -bv
	modeNewaliases             // -bi
	modeNothing                // -bh, -bH: nothing to do, successfully
	modeCount                  // -bP
)

// An invocation is a command line, parsed.
type invocation struct {
	mode        mode
	operands    []string
	config      string  // -C
	reversePath *string // -f, -r: as given; nil if not
	fullName    string  // -F
	extract     bool    // -t
	ignoreDots  bool    // -i
	body        string  // -B
	notify      string  // -N
	ret         string  // -R
	envid       string  // -V
	tag         string  // -L
	transcript  string  // -X
	verbose     bool    // -v
	queueOnly   bool    // -odq
	selections  []selection
}

// A selection narrows a queue run (-qI, -qR, -qS).
type selection struct {
	by     byte   // 'I', 'R' or 'S'
	not    bool   // -q!
	substr string // to be found in the queue ID, a recipient, the sender
}

// A valueKind says whether an option has a value.
type valueKind int

const (
	noValue       valueKind = iota
	needsValue              // attached or in the next argument
	attachedValue           // attached, or none
)

// An option is a row of the table of options.
type option struct {
	letter byte
	value  valueKind
	name   string // of the value, for people
	help   string // what it does
	set    func(inv *invocation, value string) error
}

// sendmailOptions are all options; "ignored" ones are accepted because callers pass them.
var sendmailOptions = []option{
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
	{'I', noValue, "", "the same as -bi", func(inv *invocation, _ string) error { inv.mode = modeNewaliases; return nil }},
	{'i', noValue, "", "a line with a single dot does not end the message", func(inv *invocation, _ string) error { inv.ignoreDots = true; return nil }},
	{'L', needsValue, "tag", "name to use in messages", setTag},
	{'m', noValue, "", "ignored", ignore},
	{'N', needsValue, "dsn", "when the host is to send a delivery status notification: never, or a list of success, failure, delay", setNotify},
	{'n', noValue, "", "ignored: no aliases", ignore},
	{'O', needsValue, "name=value", "ignored, but for DeliveryMode=q", setLongOption},
	{'o', needsValue, "xvalue", "i as -i; dq: spool only, start no delivery; others ignored", setShortOption},
	{'p', needsValue, "protocol", "ignored: receiving protocol", ignore},
	{'q', attachedValue, "x", "run the queue; qIid, qRrecipient, qSsender select by a part of it, q! what does not match, qf in the foreground", setQueueRun},
	{'R', needsValue, "full|hdrs", "what a delivery status notification is to return", setReturn},
	{'r', needsValue, "address", "the same as -f", setReversePath},
	{'s', noValue, "", "ignored", ignore},
	{'T', needsValue, "x", "ignored: timeout", ignore},
	{'t', noValue, "", "take recipients from To:, Cc: and Bcc: as well", func(inv *invocation, _ string) error { inv.extract = true; return nil }},
	{'U', noValue, "", "ignored: SMTPUTF8 is used when it is needed", ignore},
	{'V', needsValue, "envid", "envelope identifier for delivery status notifications", setEnvelopeID},
	{'v', noValue, "", "deliver in the foreground and show the SMTP dialogue on standard error", func(inv *invocation, _ string) error { inv.verbose = true; return nil }},
	{'X', needsValue, "file", "append the SMTP dialogue to a file", func(inv *invocation, v string) error { inv.transcript = v; return nil }},
	{'x', noValue, "", "ignored", ignore},
}

func ignore(*invocation, string) error { return nil }

// findOption returns the row of a letter, nil if there is none.
func findOption(letter byte) *option {
	for i := range sendmailOptions {
		if sendmailOptions[i].letter == letter {
			return &sendmailOptions[i]
		}
	}
	return nil
}

// parseSendmail parses the arguments of sendmail, without argv[0].
func parseSendmail(args []string) (*invocation, error) {
	inv := &invocation{}
	return inv, inv.parse(args)
}

func (inv *invocation) parse(args []string) error {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			inv.operands = append(inv.operands, args[i+1:]...)
			return nil
		}
		if strings.HasPrefix(arg, "--") {
			return fail(exUsage, "unknown option %s: see --help", printable(arg))
		}
		if len(arg) < 2 || arg[0] != '-' {
			inv.operands = append(inv.operands, arg)
			continue
		}
		var next *string
		if i+1 < len(args) {
			next = &args[i+1]
		}
		took, err := inv.cluster(arg[1:], next)
		if err != nil {
			return err
		}
		if took {
			i++
		}
	}
	return nil
}

// cluster parses one argument's options, and tells whether it took the next
// argument for a value.
func (inv *invocation) cluster(letters string, next *string) (took bool, err error) {
	for len(letters) > 0 {
		opt := findOption(letters[0])
		if opt == nil {
			return false, fail(exUsage, "unknown option -%s: see --help", printable(letters[:1]))
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
			return false, fail(exUsage, "option -%c needs a value: %s", opt.letter, opt.name)
		}
		if err := opt.set(inv, value); err != nil {
			return false, err
		}
	}
	return took, nil
}

func setMode(inv *invocation, v string) error {
	modes := map[string]mode{
		"m": modeSend, "p": modeList, "P": modeCount, "s": modeSMTP, "v": modeExplain,
		"i": modeNewaliases, "h": modeNothing, "H": modeNothing,
	}
	m, ok := modes[v]
	if !ok {
		return fail(exUsage, "-b%s is not supported: this mailer only sends", printable(v))
	}
	inv.mode = m
	return nil
}

func setBody(inv *invocation, v string) error {
	inv.body = strings.ToUpper(v)
	if inv.body != "7BIT" && inv.body != "8BITMIME" {
		return fail(exUsage, "-B %s: the body type is 7BIT or 8BITMIME", printable(v))
	}
	return nil
}

func setConfig(inv *invocation, v string) error {
	if v == "" {
		return fail(exUsage, "-C needs the name of a file")
	}
	inv.config = v
	return nil
}

func setFullName(inv *invocation, v string) error {
	if hasControl(v) {
		return fail(exUsage, "-F: a name cannot hold control characters")
	}
	inv.fullName = v
	return nil
}

func setReversePath(inv *invocation, v string) error {
	inv.reversePath = &v
	return nil
}

func setTag(inv *invocation, v string) error {
	inv.tag = v
	return nil
}

func checkNumber(_ *invocation, v string) error {
	if _, err := strconv.Atoi(v); err != nil {
		return fail(exUsage, "-h %s: the hop count is a number", printable(v))
	}
	return nil
}

// setNotify takes NOTIFY (RFC 3461, 4.1).
func setNotify(inv *invocation, v string) error {
	up := strings.ToUpper(v)
	if up == "NEVER" {
		inv.notify = up
		return nil
	}
	words := strings.Split(up, ",")
	for i, w := range words {
		words[i] = strings.TrimSpace(w)
		if words[i] != "SUCCESS" && words[i] != "FAILURE" && words[i] != "DELAY" {
			return fail(exUsage, "-N %s: never, or a list of success, failure, delay", printable(v))
		}
	}
	inv.notify = strings.Join(words, ",")
	return nil
}

// setReturn takes RET (RFC 3461, 4.3).
func setReturn(inv *invocation, v string) error {
	inv.ret = strings.ToUpper(v)
	if inv.ret != "FULL" && inv.ret != "HDRS" {
		return fail(exUsage, "-R %s: full or hdrs", printable(v))
	}
	return nil
}

// setEnvelopeID takes ENVID (RFC 3461, 4.4): at most 100 octets of printable ASCII.
func setEnvelopeID(inv *invocation, v string) error {
	if v == "" || len(v) > 100 {
		return fail(exUsage, "-V: an envelope identifier has 1 to 100 characters")
	}
	for i := 0; i < len(v); i++ {
		if v[i] < ' ' || v[i] > '~' {
			return fail(exUsage, "-V: an envelope identifier is printable ASCII")
		}
	}
	inv.envid = v
	return nil
}

func setLongOption(inv *invocation, v string) error {
	name, value, _ := strings.Cut(v, "=")
	if strings.EqualFold(strings.TrimSpace(name), "DeliveryMode") {
		inv.queueOnly = strings.HasPrefix(strings.ToLower(strings.TrimSpace(value)), "q")
	}
	return nil
}

func setShortOption(inv *invocation, v string) error {
	switch {
	case v == "i" || v == "itrue":
		inv.ignoreDots = true
	case v == "ifalse":
		inv.ignoreDots = false
	case strings.HasPrefix(v, "d"):
		inv.queueOnly = v == "dq"
	}
	return nil
}

// setQueueRun takes -q in its forms. An interval asks for a daemon that sendmail does not need
// to be: it is one run.
func setQueueRun(inv *invocation, v string) error {
	inv.mode = modeRun
	not := strings.HasPrefix(v, "!")
	rest := strings.TrimPrefix(v, "!")
	switch {
	case v == "" || v == "f" || isInterval(v) || v[0] == 'p' && isInterval(v[1:]):
		return nil
	case len(rest) > 1 && strings.IndexByte("IRS", rest[0]) >= 0:
		inv.selections = append(inv.selections, selection{by: rest[0], not: not, substr: rest[1:]})
		return nil
	}
	return fail(exUsage, "-q%s: -qI, -qR or -qS with a part of the queue ID, a recipient or the sender; -qf", printable(v))
}

// isInterval tells whether s is an interval in sendmail's notation, such as 15m or 1h30m.
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

func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return true
		}
	}
	return false
}

// optionHelp returns the table of options for people.
func optionHelp() string {
	var b strings.Builder
	for i := range sendmailOptions {
		opt := &sendmailOptions[i]
		spec := "-" + string(opt.letter)
		switch opt.value {
		case needsValue:
			spec += " " + opt.name
		case attachedValue:
			spec += "[" + opt.name + "]"
		}
		fmt.Fprintf(&b, "  %-16s %s\n", spec, opt.help)
	}
	return b.String()
}
