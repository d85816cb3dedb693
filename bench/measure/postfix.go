//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func postfix(b *bench, p *program) {
	p.daemon = true
	p.submit, p.deliver, p.list = []string{"/usr/sbin/sendmail", "-i"}, []string{"/usr/sbin/postqueue", "-f"}, []string{"/usr/sbin/postqueue", "-p"}
	p.sendmail = []string{"/usr/sbin/sendmail"}
	command := func(args ...string) error {
		args[0] = "/usr/sbin/" + args[0]
		if _, err := b.once(p.inside(), os.DevNull, args...); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, b.tail())
		}
		return nil
	}
	p.drop = func() error { return command("postsuper", "-d", "ALL") }
	p.prepare = func(h smartHost) error {
		command("postfix", "stop") // if it runs
		if err := b.writePostfix(p, h); err != nil {
			return err
		}
		if err := command("postfix", "start"); err != nil {
			return err
		}
		return p.drop()
	}
	p.ready = func(messages int) error {
		if err := p.postfixHas(messages); err != nil {
			return err
		}
		if err := command("postconf", "-X", "defer_transports"); err != nil {
			return err
		}
		if err := command("postfix", "reload"); err != nil {
			return err
		}
		time.Sleep(2 * time.Second) // it cannot say that it has
		return nil
	}
}

// writePostfix makes a null client. It keeps its mail, unless mail is to be sent at once.
func (b *bench) writePostfix(p *program, h smartHost) error {
	const authority = "/etc/postfix/ca.pem"
	main := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
myhostname = bench.test
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
relayhost = [localhost]:%d
smtp_host_lookup = native
smtp_dns_support_level = disabled
message_size_limit = 0
mailbox_size_limit = 0
alias_maps =
alias_database =
`, h.port)
	if !h.now {
		main += "defer_transports = smtp\n"
	}
	if h.secure {
		main += fmt.Sprintf(`smtp_tls_security_level = encrypt
smtp_tls_CAfile = %s
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{ [localhost]:%d=user:password }
smtp_sasl_security_options = noanonymous
`, authority, h.port)
	}
	if h.implicit {
		main += "smtp_tls_wrappermode = yes\n"
	}
	if err := p.write("/etc/postfix/main.cf", main); err != nil {
		return err
	}
	if err := b.authorityFor(p, authority); err != nil {
		return err
	}
	services, err := os.ReadFile(p.path("/usr/share/postfix/master.cf.dist"))
	if err != nil {
		return err
	}
	return p.write("/etc/postfix/master.cf", quietServices(string(services)))
}

// quietServices returns the table of Postfix's services without those that listen, and without
// chroot.
func quietServices(table string) string {
	var master strings.Builder
	for service := range strings.Lines(table) {
		f := strings.Fields(service)
		if len(f) > 5 && f[1] == "inet" {
			continue
		}
		if len(f) > 5 && f[0][0] != '#' && service[0] != ' ' {
			f[4] = "n"
			service = strings.Join(f, " ") + "\n"
		}
		master.WriteString(service)
	}
	return master.String()
}

// postfixHas waits until all submitted mail has passed through Postfix's daemons.
func (p *program) postfixHas(messages int) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		deferred, _ := filepath.Glob(p.path("/var/spool/postfix/deferred/*/*"))
		if len(deferred) >= messages {
			return nil
		}
	}
	return fmt.Errorf("postfix has not deferred %d messages in %v", messages, patience)
}
