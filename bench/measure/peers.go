//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// peers returns the mail programs that are installed on this machine, with directories of ours in
// place of their configuration and spool. Those mounts are in our namespace only.
func (b *bench) peers() []*program {
	var all []*program
	for _, p := range []struct {
		file string // by which it is known to be there
		dirs []string
		make func(*bench) *program
	}{
		{"/usr/sbin/dma", []string{"/etc/dma", "/var/spool/dma"}, dma},
		{"/usr/sbin/nullmailer-send", []string{"/etc/nullmailer", "/var/spool/nullmailer"}, nullmailer},
		{"/usr/sbin/postfix", []string{"/etc/postfix", "/var/spool/postfix", "/var/lib/postfix"}, postfix},
	} {
		if !exists(p.file) {
			continue
		}
		if err := b.mask(p.dirs...); err != nil {
			fmt.Fprintf(os.Stderr, "measure: without %s: %v\n", p.file, err)
			continue
		}
		all = append(all, p.make(b))
	}
	return all
}

// mask mounts copies over directories.
func (b *bench) mask(dirs ...string) error {
	for _, dir := range dirs {
		ours := filepath.Join(b.work, "mask", dir)
		if err := os.MkdirAll(filepath.Dir(ours), 0o755); err != nil {
			return err
		}
		if err := os.RemoveAll(ours); err != nil {
			return err
		}
		// With owners and modes, which their programs check.
		if out, err := exec.Command("cp", "-a", dir, ours).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if err := unix.Mount(ours, dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount over %s: %w", dir, err)
		}
	}
	return nil
}

var peerEnv = []string{"HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}

// fillBy makes a fill of the submission command.
func (b *bench) fillBy(p *program) func(messages, size int) error {
	return func(messages, size int) error {
		name := filepath.Join(b.work, "message")
		for i := range messages {
			if err := os.WriteFile(name, message(i+1, size), 0o644); err != nil {
				return err
			}
			if _, err := b.once(p.env, name, append(p.submit, "reader@example.com")...); err != nil {
				return fmt.Errorf("%w: %s", err, b.tail())
			}
		}
		return nil
	}
}

// emptyAll empties directories.
func emptyAll(dirs ...string) error {
	for _, dir := range dirs {
		if err := empty(dir); err != nil {
			return err
		}
	}
	return nil
}

func dma(b *bench) *program {
	p := &program{
		name: "dma", env: peerEnv, daemon: true, // its processes go on after dma -q
		submit: []string{"/usr/sbin/dma"}, deliver: []string{"/usr/sbin/dma", "-q"}, list: []string{"/usr/sbin/dma", "-bp"},
	}
	p.drop = func() error { return empty("/var/spool/dma") }
	p.fill = b.fillBy(p)
	p.prepare = func(h smartHost) error {
		config, login := fmt.Sprintf("SMARTHOST localhost\nPORT %d\nMAILNAME bench.test\nDEFER\nAUTHPATH /etc/dma/auth.conf\n", h.port), ""
		if h.secure {
			config += "SECURETRANSFER\nSTARTTLS\n"
			login = "user|localhost:password\n"
		}
		if err := os.WriteFile("/etc/dma/auth.conf", []byte(login), 0o640); err != nil {
			return err
		}
		if err := os.WriteFile("/etc/dma/dma.conf", []byte(config), 0o644); err != nil {
			return err
		}
		return p.drop()
	}
	return p
}

func nullmailer(b *bench) *program {
	const spool = "/var/spool/nullmailer"
	p := &program{
		name: "nullmailer", env: peerEnv, daemon: true,
		submit: []string{"/usr/bin/nullmailer-inject"}, deliver: []string{"/usr/sbin/nullmailer-send"},
	}
	p.drop = func() error { return emptyAll(spool+"/queue", spool+"/tmp", spool+"/failed") }
	p.fill = b.fillBy(p)
	p.prepare = func(h smartHost) error {
		remote := fmt.Sprintf("localhost smtp --port=%d", h.port)
		if h.secure {
			remote += " --starttls --auth-login --user=user --pass=password --x509cafile=" + b.authority()
		}
		for name, text := range map[string]string{"remotes": remote, "me": "bench.test", "defaultdomain": "bench.test"} {
			if err := os.WriteFile("/etc/nullmailer/"+name, []byte(text+"\n"), 0o644); err != nil {
				return err
			}
		}
		os.Remove(spool + "/trigger")
		if err := unix.Mkfifo(spool+"/trigger", 0o622); err != nil {
			return err
		}
		if out, err := exec.Command("chown", "-R", "mail", spool).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return p.drop()
	}
	return p
}

func postfix(b *bench) *program {
	p := &program{
		name: "postfix", env: peerEnv, daemon: true,
		submit: []string{"/usr/sbin/sendmail", "-i"}, deliver: []string{"/usr/sbin/postqueue", "-f"}, list: []string{"/usr/sbin/postqueue", "-p"},
	}
	command := func(args ...string) error {
		c := exec.Command("/usr/sbin/"+args[0], args[1:]...)
		c.Env = peerEnv
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, out)
		}
		return nil
	}
	p.drop = func() error { return command("postsuper", "-d", "ALL") }
	p.fill = b.fillBy(p)
	p.prepare = func(h smartHost) error {
		command("postfix", "stop") // where it runs
		if err := writePostfix(b, h); err != nil {
			return err
		}
		if err := command("postfix", "start"); err != nil {
			return err
		}
		return p.drop()
	}
	p.ready = func(messages int) error {
		if err := postfixHas(messages); err != nil {
			return err
		}
		if err := command("postconf", "-X", "defer_transports"); err != nil {
			return err
		}
		if err := command("postfix", "reload"); err != nil {
			return err
		}
		time.Sleep(2 * time.Second) // it has no way to say that it has
		return nil
	}
	return p
}

// writePostfix makes a null client that keeps its mail for now.
func writePostfix(b *bench, h smartHost) error {
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
defer_transports = smtp
`, h.port)
	if h.secure {
		main += fmt.Sprintf(`smtp_tls_security_level = encrypt
smtp_tls_CAfile = %s
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{ [localhost]:%d=user:password }
smtp_sasl_security_options = noanonymous
`, b.authority(), h.port)
	}
	if err := os.WriteFile("/etc/postfix/main.cf", []byte(main), 0o644); err != nil {
		return err
	}
	services, err := os.ReadFile("/usr/share/postfix/master.cf.dist")
	if err != nil {
		return err
	}
	var master strings.Builder
	for service := range strings.Lines(string(services)) {
		f := strings.Fields(service)
		if len(f) > 5 && f[1] == "inet" {
			continue // nothing of it listens
		}
		if len(f) > 5 && f[0][0] != '#' && service[0] != ' ' {
			f[4] = "n" // no chroot
			service = strings.Join(f, " ") + "\n"
		}
		master.WriteString(service)
	}
	return os.WriteFile("/etc/postfix/master.cf", []byte(master.String()), 0o644)
}

// postfixHas waits until all that was submitted has passed through Postfix's daemons.
func postfixHas(messages int) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		deferred, _ := filepath.Glob("/var/spool/postfix/deferred/*/*")
		if len(deferred) >= messages {
			return nil
		}
	}
	return fmt.Errorf("postfix has not deferred %d messages in %v", messages, patience)
}
