package main

import (
	"fmt"

	"esmtpq/queue"
)

// runConfig prints the configuration as YAML, secrets masked: the way from an esmtprc to a
// config.yaml, and to see what is in force.
func runConfig(p *program) error {
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
	for _, w := range cfg.Warnings {
		fmt.Fprintf(p.err, "%s: %s\n", p.name, printable(w))
	}
	return cfg.WriteYAML(p.out)
}
