package setup

import (
	"strings"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/message"
	"esmtpq/queue/spool"
)

// options are those of setup.
type options struct {
	address         string
	host, tls       string
	username        string
	passwordCommand string
	tokenCommand    string
	oauth, clientID string
	config          string
	keyring         bool
	inClear         bool
	dryRun          bool
	nonInteractive  bool
	test            bool
	pacc            bool
}

// valued are the long options with a value.
var valued = []string{"--host", "--tls", "--username", "--password-command", "--token-command", "--oauth", "--client-id"}

// parse reads the command line of setup.
func parse(args []string) (*options, error) {
	opt := &options{}
	texts := map[string]*string{
		"--host": &opt.host, "--tls": &opt.tls, "--username": &opt.username, "--password-command": &opt.passwordCommand,
		"--token-command": &opt.tokenCommand, "--oauth": &opt.oauth, "--client-id": &opt.clientID, "-C": &opt.config,
	}
	switches := map[string]*bool{
		"--keyring": &opt.keyring, "--in-clear": &opt.inClear, "--dry-run": &opt.dryRun, "--non-interactive": &opt.nonInteractive,
		"--test": &opt.test, "--pacc": &opt.pacc,
	}
	operands, err := words(args, texts, switches, "setup")
	switch {
	case err != nil:
		return nil, err
	case len(operands) > 1:
		return nil, exit.Fail(exit.Usage, "one address at a time: see esmtpq help setup")
	case len(operands) == 1:
		opt.address = operands[0]
	}
	ways := 0
	for _, given := range []bool{opt.keyring, opt.inClear, opt.passwordCommand != "", opt.tokenCommand != "", opt.oauth != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		return nil, exit.Fail(exit.Usage, "only one of --keyring, --password-command, --in-clear, --oauth and --token-command can be given")
	case opt.clientID != "" && opt.oauth == "":
		return nil, exit.Fail(exit.Usage, "--client-id goes with --oauth")
	case opt.tls != "" && opt.tls != "implicit" && opt.tls != "starttls":
		return nil, exit.Fail(exit.Usage, "--tls takes implicit or starttls")
	case opt.tls != "" && opt.host == "":
		return nil, exit.Fail(exit.Usage, "--tls goes with --host")
	}
	return opt, nil
}

// words reads a command line of long options, and -C.
func words(args []string, texts map[string]*string, switches map[string]*bool, verb string) (operands []string, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, value, attached := strings.Cut(arg, "=")
		switch {
		case arg == "--":
			return append(operands, args[i+1:]...), nil
		case switches[arg] != nil:
			*switches[arg] = true
		case texts[name] != nil:
			if !attached {
				if i++; i == len(args) {
					return nil, exit.Fail(exit.Usage, "%s needs a value: see esmtpq help %s", name, verb)
				}
				value = args[i]
			}
			if value == "" {
				return nil, exit.Fail(exit.Usage, "%s has an empty value", name)
			}
			*texts[name] = value
		case strings.HasPrefix(arg, "-") && arg != "-":
			return nil, exit.Fail(exit.Usage, "unknown option %s: see esmtpq help %s", spool.Printable(name), verb)
		default:
			operands = append(operands, arg)
		}
	}
	return operands, nil
}

// oneAddress returns the addr-spec of what a person typed, which may have a name and angle brackets; or
// says what is wrong with it.
func oneAddress(typed string) (spec, why string) {
	addrs, bad := message.ParseArgument(typed)
	switch {
	case len(addrs) != 1 || len(bad) > 0:
		return "", spool.Printable(typed) + " is no mail address such as you@example.org"
	case addrs[0].Domain == "":
		return "", spool.Printable(typed) + " has no domain: a mail address is needed, such as you@example.org"
	}
	if err := message.CheckAddress(addrs[0].Spec()); err != nil {
		return "", spool.Printable(err.Error())
	}
	return addrs[0].Spec(), ""
}
