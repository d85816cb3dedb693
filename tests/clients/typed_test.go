package clients

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"esmtpq/tests/stage"
)

// What a person types, as scripts in testdata/script. Each has a home, a smart host of its own at
// $HOST, and these commands in addition to testscript's:
//
//	run CODE COMMAND ARGUMENT... [<FILE]   runs one of our names, which must end with that exit code
//	arrived N                              N mails have reached the smart host; they are now in
//	                                       arrived/1 to arrived/N, each after its envelope
//
// Everything is done twice: sendmail, called by that name, runs before the program's main
// function, and "esmtpq sendmail" does not.
func TestTyped(t *testing.T) {
	for _, sendmail := range []string{"sendmail", "esmtpq sendmail"} {
		t.Run(sendmail, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir: "testdata/script",
				Setup: func(env *testscript.Env) error {
					env.Values[sendmailKey{}] = strings.Fields(sendmail)
					return setupScript(env)
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"run":     runCommand,
					"arrived": arrivedCommand,
				},
			})
		})
	}
}

type hostKey struct{}

// sendmailKey is the key of the words to call sendmail with.
type sendmailKey struct{}

func setupScript(env *testscript.Env) error {
	t := env.T().(testing.TB)
	host := stage.NewSmartHost(t)
	env.Values[hostKey{}] = host
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	// the umask is the tester's, and a configuration must be private
	if esmtprc := filepath.Join(home, ".esmtprc"); stage.Exists(esmtprc) {
		text, err := os.ReadFile(esmtprc)
		if err != nil {
			return err
		}
		text = []byte(strings.ReplaceAll(string(text), "$HOST", host.Addr))
		if err := os.WriteFile(esmtprc, text, 0o600); err != nil {
			return err
		}
		if err := os.Chmod(esmtprc, 0o600); err != nil {
			return err
		}
	}
	env.Setenv("HOME", home)
	env.Setenv("HOST", host.Addr)
	env.Setenv("NOBODY", stage.DeadAddress(t))
	env.Setenv("PATH", stage.BinDir(t)+":/usr/bin:/bin")
	env.Setenv("PROGRAM", stage.Program(t, "esmtpq"))
	env.Setenv("TZ", "UTC")
	env.Setenv("ESMTPQ_DELAY", "never")
	env.Setenv("LF", "\n")
	env.Setenv("CR", "\r")
	return nil
}

func runCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: run CODE COMMAND ARGUMENT... [<FILE]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	args = args[1:]
	if args[0] == "sendmail" {
		args = append(slices.Clone(ts.Value(sendmailKey{}).([]string)), args[1:]...)
	}
	name, args := args[0], args[1:]
	var input string
	if last := len(args) - 1; last >= 0 && strings.HasPrefix(args[last], "<") && !strings.HasSuffix(args[last], ">") {
		input = ts.ReadFile(args[last][1:])
		args = args[:last]
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(ts.Getenv("PROGRAM")), name), args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{}
	for _, variable := range []string{"HOME", "PATH", "TZ", "ESMTPQ_DELAY", "ESMTPQ_TIMEOUT", "ESMTPQ_CONFIG"} {
		if value := ts.Getenv(variable); value != "" {
			cmd.Env = append(cmd.Env, variable+"="+value)
		}
	}
	cmd.Stdin = strings.NewReader(input)
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("%s ended with %d, want %d", name, got, want)
	}
}

func arrivedCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: arrived N")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	mails := ts.Value(hostKey{}).(*stage.SmartHost).Received()
	if len(mails) != want {
		ts.Fatalf("%d mails have arrived, want %d: %+v", len(mails), want, mails)
	}
	dir := ts.MkAbs("arrived")
	ts.Check(os.MkdirAll(dir, 0o777))
	for i, mail := range mails {
		text := fmt.Sprintf("MAIL FROM:<%s>\n", mail.From)
		for _, to := range mail.To {
			text += fmt.Sprintf("RCPT TO:<%s>\n", to)
		}
		text += "\n" + strings.ReplaceAll(mail.Content, "\r\n", "\n")
		ts.Check(os.WriteFile(filepath.Join(dir, strconv.Itoa(i+1)), []byte(text), 0o666))
	}
}
