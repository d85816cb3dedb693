package main

import (
	"fmt"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity/yaml"
	"esmtpq/queue/spool"
)

// runConfig prints the configuration as YAML, secrets masked: the way from an esmtprc to a
// config.yaml, and to see what is in force.
func runConfig(p *program) error {
	if p.asksHelp() {
		return errHelp
	}
	inv, err := argv.Parse(p.args)
	if err != nil {
		return err
	}
	if len(inv.Operands) > 0 {
		return exit.Fail(exit.Usage, "unexpected argument %s: see esmtpq help config", printable(inv.Operands[0]))
	}
	home, err := whoami.Home()
	if err != nil {
		return err
	}
	cfg, err := newRouter(home, inv.Config).Load(&spool.Envelope{})
	if err != nil {
		return submit.ConfigFailure(err)
	}
	for _, id := range cfg.Identities {
		if _, err := submit.Tunnel(cfg, id); err != nil {
			return submit.ConfigFailure(err)
		}
		if id != cfg.Default && len(id.Match) == 0 {
			fmt.Fprintf(p.err, "%s: identity %s is not the default and matches no address: it is never used\n", p.name, printable(id.Name))
		}
	}
	if cfg.ForceMDA != "" && cfg.MDA == "" {
		fmt.Fprintf(p.err, "%s: force_mda has no effect without mda\n", p.name)
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintf(p.err, "%s: %s\n", p.name, printable(w))
	}
	root, head := cfg.Tree()
	return yaml.Write(p.out, root, head)
}
