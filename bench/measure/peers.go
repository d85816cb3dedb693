//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// peers returns the mail programs that are installed on this machine or in a root directory of
// their own, with directories of ours in place of their configuration and spool. Those mounts are
// only in our namespace.
func (b *bench) peers() []*program {
	var all []*program
	for _, p := range []struct {
		name, file string // file shows whether it is installed
		dirs       []string
		make       func(*bench, *program)
	}{
		{"dma", "/usr/sbin/dma", []string{"/etc/dma", "/var/spool/dma"}, dma},
		{"nullmailer", "/usr/sbin/nullmailer-send", []string{"/etc/nullmailer", "/var/spool/nullmailer"}, nullmailer},
		{"postfix", "/usr/sbin/postfix", []string{"/etc/postfix", "/var/spool/postfix", "/var/lib/postfix"}, postfix},
	} {
		x := &program{name: p.name, place: place{env: peerEnv}}
		if b.roots != "" {
			x.root = filepath.Join(b.roots, p.name)
		}
		if !exists(x.path(p.file)) {
			x.root = ""
		}
		if !exists(x.path(p.file)) {
			continue
		}
		if err := b.mask(x, p.dirs...); err != nil {
			fmt.Fprintf(os.Stderr, "measure: without %s: %v\n", p.name, err)
			continue
		}
		p.make(b, x)
		x.processes = newGroup(p.name)
		x.fill = b.fillBy(x)
		all = append(all, x)
	}
	return all
}

// path returns the path of a file in the program's root directory.
func (p *program) path(file string) string { return filepath.Join("/", p.root, file) }

// write writes a file of the program's root directory.
func (p *program) write(file, text string) error {
	return os.WriteFile(p.path(file), []byte(text), 0o644)
}

// mask mounts copies over directories of a program.
func (b *bench) mask(p *program, dirs ...string) error {
	for _, dir := range dirs {
		theirs, ours := p.path(dir), filepath.Join(b.work, "mask", p.name, dir)
		if err := os.MkdirAll(filepath.Dir(ours), 0o755); err != nil {
			return err
		}
		if err := os.RemoveAll(ours); err != nil {
			return err
		}
		// The copies keep owners and modes, which the programs check.
		if out, err := exec.Command("cp", "-a", theirs, ours).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if err := unix.Mount(ours, theirs, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount over %s: %w", theirs, err)
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
			if _, err := b.once(p.place, name, p.submission()...); err != nil {
				return fmt.Errorf("%w: %s", err, b.tail())
			}
		}
		return nil
	}
}

// emptyAll empties directories of a program.
func (p *program) emptyAll(dirs ...string) error {
	for _, dir := range dirs {
		if err := empty(p.path(dir)); err != nil {
			return err
		}
	}
	return nil
}

func dma(b *bench, p *program) {
	p.daemon = true // its processes go on after dma -q
	p.submit, p.deliver, p.list = []string{"/usr/sbin/dma"}, []string{"/usr/sbin/dma", "-q"}, []string{"/usr/sbin/dma", "-bp"}
	p.spools = []string{"/var/spool/dma"}
	p.drop = func() error { return p.emptyAll(p.spools...) }
	p.prepare = func(h smartHost) error {
		config, login := fmt.Sprintf("SMARTHOST localhost\nPORT %d\nMAILNAME bench.test\nAUTHPATH /etc/dma/auth.conf\n", h.port), ""
		if h.secure {
			config += "SECURETRANSFER\n"
			login = "user|localhost:password\n"
		}
		if h.secure && !h.implicit {
			config += "STARTTLS\n"
		}
		if !h.now {
			config += "DEFER\n"
		}
		if err := p.write("/etc/dma/auth.conf", login); err != nil {
			return err
		}
		if err := p.write("/etc/dma/dma.conf", config); err != nil {
			return err
		}
		return p.drop()
	}
}

func nullmailer(b *bench, p *program) {
	const spool, authority = "/var/spool/nullmailer", "/etc/nullmailer/ca.pem"
	p.daemon = true
	p.submit, p.deliver = []string{"/usr/bin/nullmailer-inject"}, []string{"/usr/sbin/nullmailer-send"}
	p.sendmail, p.background = []string{"/usr/sbin/sendmail"}, p.deliver
	p.spools = []string{spool + "/queue", spool + "/tmp", spool + "/failed"}
	p.drop = func() error { return p.emptyAll(p.spools...) }
	p.prepare = func(h smartHost) error {
		remote := fmt.Sprintf("localhost smtp --port=%d", h.port)
		if h.secure {
			tls := map[bool]string{true: " --ssl", false: " --starttls"}[h.implicit]
			remote += tls + " --auth-login --user=user --pass=password --x509cafile=" + authority
		}
		for name, text := range map[string]string{"remotes": remote, "me": "bench.test", "defaultdomain": "bench.test"} {
			if err := p.write("/etc/nullmailer/"+name, text+"\n"); err != nil {
				return err
			}
		}
		if err := b.authorityFor(p, authority); err != nil {
			return err
		}
		os.Remove(p.path(spool + "/trigger"))
		if err := unix.Mkfifo(p.path(spool+"/trigger"), 0o622); err != nil {
			return err
		}
		if _, err := b.once(p.place, os.DevNull, "/bin/chown", "-R", "mail", spool); err != nil {
			return fmt.Errorf("%w: %s", err, b.tail())
		}
		return p.drop()
	}
}

// authorityFor writes the certificate of the smart host to a file of a program's root directory.
func (b *bench) authorityFor(p *program, file string) error {
	text, err := os.ReadFile(b.authority())
	if err != nil {
		return err
	}
	return p.write(file, string(text))
}
