// The runtime need not keep the limits of cgroups open, nor read them again: a long run of this
// program waits for hosts, not for processors. Nor need it name its memory for others to look at.
//
// Where the program is built to be installed (see install.sh), there are no profiles of memory and
// locks either: the first allocation would already be in one, and walk the stack for that. These two
// settings cannot be given here; and what is given to the linker replaces the lines below, and what a
// newer toolchain would add to behave as the version in go.mod.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0

// Esmtpq is a queueing, send-only mailer for one person's machine: sendmail, deliver and mailq in
// one program, which learns from argv[0] which of them it is.
package main

import (
	"os"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/deliver"
	"esmtpq/cmd/esmtpq/demo"
	"esmtpq/cmd/esmtpq/door"
	_ "esmtpq/cmd/esmtpq/early" // takes most messages before main is called
	"esmtpq/cmd/esmtpq/etrn"
	"esmtpq/cmd/esmtpq/history"
	"esmtpq/cmd/esmtpq/inspect"
	"esmtpq/cmd/esmtpq/list"
	"esmtpq/cmd/esmtpq/oauth"
	"esmtpq/cmd/esmtpq/owner"
	"esmtpq/cmd/esmtpq/secret"
	"esmtpq/cmd/esmtpq/setup"
	"esmtpq/cmd/esmtpq/smtpd"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/watch"
	"esmtpq/cmd/esmtpq/wire"
	_ "esmtpq/identity/yaml" // for configurations that are not plain
)

// version is set when the program is built for installation.
var version = "development"

func main() { os.Exit(table().Main()) }

// table has all names and the doors behind them.
func table() *door.Table {
	return &door.Table{
		Version: version,
		Entries: []door.Entry{
			{Name: argv.Names[0], Aliases: argv.Names[1:], Program: true, Verb: submit.Verb,
				Args: "[option ...] [recipient ...]", Help: "take a message from standard input into the queue"},
			{Name: "deliver", Program: true, Verb: watch.Or(deliver.Verb),
				Args: "[option ...] [message ...]", Help: "try to deliver what is in the queue"},
			{Name: "mailq", Program: true, Verb: list.Verb,
				Args: "[option ...]", Help: "list the queue"},
			{Name: "newaliases", Program: true, Verb: door.Nothing,
				Help: "do nothing, for programs that expect it"},
			{Name: "setup", Verb: setup.Verb,
				Args: "[option ...] [address]", Help: "find out how mail of an address is sent, log in, and add that to the configuration"},
			{Name: "import", Verb: setup.Verb,
				Args: "[--apply] [option ...] [file ...]", Help: "read the settings of msmtp, nullmailer, ssmtp, mutt, aerc, git or esmtp"},
			{Name: "wire", Verb: wire.Verb,
				Args: "[--apply|--undo] [--file file] program ...", Help: "make mail programs send by this one: print the lines that they need, or write them"},
			{Name: "send", Verb: submit.Later,
				Args: "[--at time] [option ...] [recipient ...]", Help: "take a message as sendmail does, to be sent at a time"},
			{Name: "show", Verb: owner.Verb,
				Args: "[--raw] message ...", Help: "print a message of the queue: envelope, history, header; or its content"},
			{Name: "hold", Verb: owner.Verb,
				Args: "message ...", Help: "keep messages from being delivered until they are released"},
			{Name: "release", Verb: owner.Verb,
				Args: "message ...", Help: "let held messages go"},
			{Name: "adopt", Verb: owner.Verb,
				Args: "[message ...]", Help: "send from here what was brought from another machine or a backup"},
			{Name: "rm", Verb: owner.Verb,
				Args: "[--yes] message ...", Help: "remove messages from the queue, unsent"},
			{Name: "retry", Verb: owner.Verb,
				Args: "[--to address] message ...", Help: "try again now, failed recipients too, perhaps with a corrected address"},
			{Name: "log", Verb: history.Verb,
				Args: "[--json] [--follow] [--since when] [word ...]", Help: "tell what became of mail: its attempts, and the hosts' words"},
			{Name: "explain", Verb: inspect.Verb,
				Args: "[--message file] [-f sender] [-C file] [address ...]", Help: "say how mail for an address would be sent, and why, without sending any"},
			{Name: "check", Verb: inspect.Verb,
				Args: "[-C file]", Help: "tell what is wrong, or may be, with the configuration, its secrets and the queue"},
			{Name: "check-message", Verb: inspect.Verb,
				Args: "[file]", Help: "tell what may be wrong with a message"},
			{Name: "config", Verb: inspect.Verb,
				Args: "[-C file]", Help: "print the configuration as YAML, and where it is from"},
			{Name: "probe", Verb: inspect.Verb,
				Args: "[-v] [--json] [-C file] [identity ...]", Help: "connect to smart hosts and log in as a delivery would, without sending any mail"},
			{Name: "online", Verb: inspect.Verb,
				Args: "[-v] [--timeout duration] [-C file] [identity ...]", Help: "say by the exit status whether a smart host answers, so that mail could leave"},
			{Name: "oauth", Verb: oauth.Verb,
				Args: "login|status|logout [option ...] [identity]", Help: "log in at a provider of mail with OAuth 2.0, for identities with oauth"},
			{Name: "listen", Verb: smtpd.Verb,
				Args: "[-C file] [-odq] [--auth-file file] [address ...]", Help: "take messages by SMTP and LMTP from programs on this machine"},
			{Name: "etrn", Verb: etrn.Verb,
				Args: "[-v] [-C file] host domain ...", Help: "ask a host to send the mail that it keeps for a domain"},
			{Name: "secret", Verb: secret.Verb,
				Args: "set [-C file] identity", Help: "put the password of an identity into the keyring"},
			{Name: "demo", Verb: demo.Verb,
				Help: "send a mail through everything, to a smart host of its own"},
			{Name: "version", Verb: door.PrintVersion,
				Help: "print the version"},
			{Name: "help", Verb: door.Explain,
				Args: "[verb]", Help: "explain"},
		},
		Modes: map[argv.Mode]door.Verb{
			argv.List:    list.Verb,
			argv.Count:   list.Verb,
			argv.Run:     deliver.Verb,
			argv.SMTP:    smtpd.Verb,
			argv.Explain: inspect.Verb,
		},
	}
}
