package smtpd

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/exit"
)

const (
	// shortestPassword is how many octets the password of the listener must have: whoever may connect
	// can try.
	shortestPassword = 8
	maxLogins        = 3 // that fail, for each connection
)

// credentials are the name and the password with which other users get in.
type credentials struct{ name, password string }

// cutAuthFile takes --auth-file out of a command line.
func cutAuthFile(args []string) (rest []string, file string, err error) {
	const option = "--auth-file"
	for i := 0; i < len(args); i++ {
		value, attached := strings.CutPrefix(args[i], option+"=")
		switch {
		case attached:
			file = value
		case args[i] == option && i+1 < len(args):
			i++
			file = args[i]
		case args[i] == option:
			return nil, "", exit.Fail(exit.Usage, "%s: which file?", option)
		case args[i] == "--":
			return append(rest, args[i:]...), file, nil
		case argv.TakesNext(args[i]) && i+1 < len(args):
			rest = append(rest, args[i], args[i+1])
			i++
		default:
			rest = append(rest, args[i])
		}
	}
	return rest, file, nil
}

// readCredentials reads NAME:PASSWORD from a file that nobody else can read.
func readCredentials(file string) (*credentials, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, exit.Fail(exit.Config, "--auth-file: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, exit.Fail(exit.Config, "--auth-file: %w", err)
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&0o077 != 0 || st.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
		return nil, &exit.Failure{Code: exit.Config, Err: fmt.Errorf("--auth-file: others may read %s", file), Hint: "it must be a file of yours: chmod 600 it"}
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, exit.Fail(exit.Config, "--auth-file: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	name, password, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":")
	if !ok || name == "" || len(password) < shortestPassword {
		return nil, exit.Fail(exit.Config, "--auth-file: the first line of %s must be NAME:PASSWORD, with at least %d octets of password", file, shortestPassword)
	}
	return &credentials{name, password}, nil
}

// check reports whether a login is right, in a time that does not say where it is wrong.
func (c *credentials) check(name, password string) bool {
	got, want := sha256.Sum256([]byte(name+"\x00"+password)), sha256.Sum256([]byte(c.name+"\x00"+c.password))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// AuthMechanisms implements smtp.AuthSession.
func (s *submissionSession) AuthMechanisms() []string {
	if s.lis == nil || s.lis.auth == nil {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth implements smtp.AuthSession.
func (s *submissionSession) Auth(mech string) (sasl.Server, error) {
	switch {
	case s.lis == nil || s.lis.auth == nil:
	case mech == sasl.Plain:
		return sasl.NewPlainServer(func(_, name, password string) error { return s.login(name, password) }), nil
	case mech == sasl.Login:
		return &loginServer{try: s.login}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// login checks a login. Those that fail take their time.
func (s *submissionSession) login(name, password string) error {
	if s.lis.auth.check(name, password) {
		s.stranger = false
		return nil
	}
	time.Sleep(time.Second)
	reply := &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "The name or the password is wrong"}
	if s.failures++; s.failures >= maxLogins {
		s.lis.note.say("%d logins of a connection failed", s.failures)
		s.conn.wire.hangUp()
		reply = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "Too many logins failed"}
	}
	return reply
}

// A loginServer asks for a name and a password, as many clients expect it.
type loginServer struct {
	try  func(name, password string) error
	name *string
	step int
}

// Next implements sasl.Server.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil && l.step == 0:
		l.step = 1
		return []byte("Username:"), false, nil
	case l.name == nil:
		name := string(response)
		l.name = &name
		return []byte("Password:"), false, nil
	case l.step < 2:
		l.step = 2
		return nil, true, l.try(*l.name, string(response))
	}
	return nil, false, errors.New("there is no more to say")
}
