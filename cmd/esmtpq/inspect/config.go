package inspect

import (
	"fmt"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/identity/yaml"
	"esmtpq/queue/spool"
)

// printConfig prints the configuration as YAML with secrets masked. This shows which settings
// apply, and is the way from an esmtprc to a config.yaml.
func printConfig(c *door.Call, inv *argv.Invocation) error {
	if len(inv.Operands) > 0 {
		return exit.Fail(exit.Usage, "unexpected argument %s: see esmtpq help config", spool.Printable(inv.Operands[0]))
	}
	_, cfg, err := submit.Configuration(inv.Config)
	if err != nil {
		return err
	}
	for _, id := range cfg.Identities {
		if _, err := submit.Tunnel(cfg, id); err != nil {
			return submit.ConfigFailure(err)
		}
	}
	for _, r := range remarks(cfg) {
		fmt.Fprintf(c.Err, "%s: %s\n", c.Name, spool.Printable(r))
	}
	root, head := cfg.Tree()
	return yaml.Write(c.Out, root, head)
}
