package main

import (
	"fmt"

	"esmtpq/identity/yaml"
	"esmtpq/queue"
)

// runConfig prints the configuration as YAML, secrets masked: the way from an esmtprc to a
// config.yaml, and to see what is in force.
func runConfig(p *program) error {
	if p.asksHelp() {
		return errHelp
	}
	inv, err := parseSendmail(p.args)
	if err != nil {
		return err
	}
	if len(inv.operands) > 0 {
		return fail(exUsage, "unexpected argument %s: see esmtpq help config", printable(inv.operands[0]))
	}
	home, err := homeDir()
	if err != nil {
		return err
	}
	cfg, err := newRouter(home, inv.config).load(&queue.Envelope{})
	if err != nil {
		return configFailure(err)
	}
	for _, id := range cfg.Identities {
		if _, err := tunnelOf(cfg, id); err != nil {
			return configFailure(err)
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
