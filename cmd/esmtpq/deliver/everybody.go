package deliver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/helper/inherit"
	"esmtpq/queue/spool"
)

const (
	// allUsersFlag is for root: the queues of all users.
	allUsersFlag = "--all-users"
	// ofAllFlag makes deliver the run of one of them.
	ofAllFlag = "--of-all"

	sideBySide = 8           // users
	userLimit  = time.Hour   // for the run of one user; what is left is for the next sweep
	endLimit   = time.Minute // for a run to end when it is asked to
	mostWords  = 64 << 10    // that a run may say, in octets
)

// An account is a user of the machine.
type account struct {
	name, home string
	uid, gid   uint32
}

// everybody delivers for all users of the machine. Nothing of a user's is touched but by a process
// that has the rights of that user and no others.
func everybody(c *door.Call) error {
	if os.Geteuid() != 0 {
		return exit.Fail(exit.NoPerm, "%s is for root", allUsersFlag)
	}
	self, err := os.Executable()
	if err != nil {
		return exit.Fail(exit.OSErr, "%w", err)
	}
	accounts, err := readAccounts("/etc/passwd")
	if err != nil {
		return exit.Fail(exit.OSErr, "%w", err)
	}
	ctx, stop := interruptible()
	defer stop()
	inherit.Nothing()
	var (
		running = make(chan struct{}, sideBySide)
		all     sync.WaitGroup
		mu      sync.Mutex // of worst and of what is printed
		worst   int
	)
	for _, a := range accounts {
		running <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			code, words := a.deliver(ctx, self)
			<-running
			mu.Lock()
			defer mu.Unlock()
			worst = max(worst, code)
			for line := range strings.Lines(words) {
				fmt.Fprintf(c.Err, "%s: %s: %s\n", c.Name, spool.Printable(a.name), spool.Printable(strings.TrimSuffix(line, "\n")))
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		worst = max(worst, exit.TempFail)
	}
	if worst != exit.OK {
		return exit.Silent(worst)
	}
	return nil
}

// deliver runs the queue of a user, and returns the exit status and what was said.
func (a *account) deliver(ctx context.Context, self string) (code int, words string) {
	ctx, cancel := context.WithTimeout(ctx, userLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, ofAllFlag)
	cmd.Args[0], cmd.Dir = "deliver", "/"
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "HOME=" + a.home, "USER=" + a.name, "LOGNAME=" + a.name}
	if lang := os.Getenv("LANG"); lang != "" {
		cmd.Env = append(cmd.Env, "LANG="+lang)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups()}}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endLimit
	said := &fewWords{}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	var status *exec.ExitError
	switch {
	case err == nil || errors.As(err, &status) && status.Exited():
		return cmd.ProcessState.ExitCode(), said.String()
	case errors.Is(err, exec.ErrWaitDelay): // something that it has started keeps its output open
		return cmd.ProcessState.ExitCode(), said.String()
	}
	return exit.TempFail, said.String() + err.Error() + "\n"
}

// groups returns the groups of a user.
func (a *account) groups() []uint32 {
	groups := []uint32{}
	u, err := user.LookupId(strconv.FormatUint(uint64(a.uid), 10))
	if err != nil {
		return groups
	}
	names, _ := u.GroupIds()
	for _, name := range names {
		if n, err := strconv.ParseUint(name, 10, 32); err == nil {
			groups = append(groups, uint32(n))
		}
	}
	return groups
}

// readAccounts reads the users of a password file, each once.
func readAccounts(file string) ([]account, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []account
	known := map[uint64]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) < 7 || fields[0] == "" {
			continue
		}
		uid, uidErr := strconv.ParseUint(fields[2], 10, 32)
		gid, gidErr := strconv.ParseUint(fields[3], 10, 32)
		if uidErr != nil || gidErr != nil || known[uid] {
			continue
		}
		known[uid] = true
		all = append(all, account{name: fields[0], home: fields[5], uid: uint32(uid), gid: uint32(gid)})
	}
	return all, lines.Err()
}

// fewWords keep what is written to them, up to a limit.
type fewWords struct{ strings.Builder }

func (w *fewWords) Write(p []byte) (int, error) {
	w.Builder.Write(p[:min(len(p), max(0, mostWords-w.Len()))])
	return len(p), nil
}

var _ io.Writer = (*fewWords)(nil)

// ofAll is the run of one user in a sweep. Most users of a machine have no queue, and some cannot
// have any.
func ofAll(c *door.Call) error {
	home, has := whoami.HasQueue()
	if !has {
		return nil
	}
	os.Setenv("HOME", home)
	opt, err := parse(nil)
	if err != nil {
		return err
	}
	return deliver(c, opt)
}
