package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/queue/spool"
)

// limit is how long another program may take to answer.
const limit = 10 * time.Second

// A file is that of a program, or what a command of it prints and reads.
type file struct {
	name    string // for people
	path    string // "" if there is none by itself, or for a command
	command []string
	mode    fs.FileMode
	linked  bool // the file is reached by a symbolic link
	old     string
}

func (f *file) isCommand() bool { return f.command != nil }

// open reads the file of a program.
func (p *program) open(home, named string) (*file, error) {
	if p.command != nil && named == "" {
		return p.ask()
	}
	f := &file{path: named, mode: 0o644}
	if named == "" && len(p.files) > 0 {
		f.path = filepath.Join(home, p.files[0])
		for _, name := range p.files {
			if path := filepath.Join(home, name); exists(path) {
				f.path = path
				break
			}
		}
	}
	if f.path == "" {
		f.name = "into the file that " + p.name + " reads"
		return f, nil
	}
	f.name = spool.Printable(f.path)
	if info, err := os.Lstat(f.path); err == nil {
		f.linked = info.Mode().Type() == fs.ModeSymlink
	}
	if path, err := filepath.EvalSymlinks(f.path); err == nil {
		f.path = path // the link stays
	}
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	} else if err != nil {
		return nil, err
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	f.mode, f.old = info.Mode().Perm(), string(data)
	return f, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ask reads what the program's command prints. That there is nothing yet is an error of crontab, and has
// to be told from all others: what it reads next replaces everything.
func (p *program) ask() (*file, error) {
	f := &file{name: p.command[0], command: p.command}
	if _, err := exec.LookPath(p.command[0]); err != nil {
		return f, nil // only its lines can be had
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var words bytes.Buffer
	cmd := exec.CommandContext(ctx, p.command[0], "-l")
	cmd.Env, cmd.Stderr = append(os.Environ(), "LC_ALL=C"), &words
	out, err := cmd.Output()
	said := spool.Printable(string(bytes.TrimSpace(words.Bytes())))
	switch {
	case err == nil:
		f.old = string(out)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s did not answer within %v", p.command[0], limit)
	case !strings.Contains(said, "no crontab for") && !strings.Contains(said, "No such file"):
		return nil, fmt.Errorf("%s -l: %w: %s", p.command[0], err, said)
	}
	return f, nil
}

// write replaces the file, whole or not at all. One that is empty now was ours alone.
func (f *file) write(text string) error {
	if text == "" && !f.isCommand() && !f.linked {
		return os.Remove(f.path)
	}
	if !f.isCommand() {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
			return err
		}
		return renameio.WriteFile(f.path, []byte(text), f.mode, renameio.IgnoreUmask())
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, f.command[0], "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", f.command[0], err, spool.Printable(string(bytes.TrimSpace(out))))
	}
	return nil
}

// switchTo runs commands that put what is written into force, or out of it.
func switchTo(commands []string) error {
	for _, line := range commands {
		words := strings.Fields(line)
		ctx, cancel := context.WithTimeout(context.Background(), switchLimit)
		defer cancel()
		out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s; when that is mended, type: %s", line, err, spool.Printable(string(bytes.TrimSpace(out))), strings.Join(commands, "; "))
		}
	}
	return nil
}

// switchLimit is how long one of them may take: what is ended finishes its work first.
const switchLimit = 90 * time.Second

// confirm asks a program whether it will call us. A line that stands behind ours, or one that the
// program cannot read, may have the last word.
func (p *program) confirm(sendmail, home string) error {
	if p.asks == nil {
		return nil
	}
	if _, err := exec.LookPath(p.asks[0]); err != nil {
		return nil // not installed, or not yet
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.asks[0], p.asks[1:]...)
	out, err := cmd.CombinedOutput()
	// Mutt shows the home directory as "~".
	if text := strings.ReplaceAll(string(out), "~/", home+"/"); strings.Contains(text, sendmail) {
		return nil
	}
	said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if said == "" && err != nil {
		said = err.Error()
	}
	return exit.Fail(exit.Config, "%s does not call esmtpq, but says: %s: look for another line about it in its files", p.name, spool.Printable(said))
}
