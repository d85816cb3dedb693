package deliver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/identity"
)

// A logSink is where log lines go. It waits for nobody for long.
type logSink interface {
	write(now time.Time, lines []logLine) error
	close()
}

// logTag begins the name of each program, as syslog_name does with Postfix.
const logTag = "esmtpq/"

// mailFacility is the facility "mail" of syslog.
const mailFacility = 2

// syslogSockets and journalSocket are where the system takes log lines.
var (
	syslogSockets = [...]string{"/dev/log", "/var/run/log", "/var/run/syslog"}
	journalSocket = "/run/systemd/journal/socket"
)

func openSink(target string) (logSink, error) {
	switch target {
	case identity.LogSyslog:
		var first error
		for _, path := range syslogSockets {
			conn, err := net.Dial("unixgram", path)
			if err == nil {
				return &socketSink{conn: conn, form: syslogForm}, nil
			}
			if first == nil {
				first = err
			}
		}
		return nil, fmt.Errorf("there is no syslog: %w", first)
	case identity.LogJournal:
		conn, err := net.Dial("unixgram", journalSocket)
		if err != nil {
			return nil, fmt.Errorf("there is no journal: %w", err)
		}
		return &socketSink{conn: conn, form: journalForm}, nil
	}
	return openLogFile(target)
}

// A socketSink sends each line as a datagram.
type socketSink struct {
	conn net.Conn
	form func(now time.Time, line logLine) []byte
	dead error
}

// socketPatience is how long a logger that does not read is waited for, once in a run.
const socketPatience = 200 * time.Millisecond

func (s *socketSink) write(now time.Time, lines []logLine) error {
	if s.dead != nil {
		return nil // said before
	}
	s.conn.SetWriteDeadline(time.Now().Add(socketPatience))
	for _, line := range lines {
		if _, err := s.conn.Write(s.form(now, line)); errors.Is(err, syscall.EMSGSIZE) {
			continue
		} else if err != nil {
			s.dead = err
			return err
		}
	}
	return nil
}

func (s *socketSink) close() { s.conn.Close() }

// Levels of syslog.
const (
	levelWarning = 4
	levelInfo    = 6
)

func (line logLine) level() int {
	if line.warning {
		return levelWarning
	}
	return levelInfo
}

// syslogForm returns a line as syslog(3) sends it (RFC 3164): the time is local.
func syslogForm(now time.Time, line logLine) []byte {
	return fmt.Appendf(nil, "<%d>%s %s%s[%d]: %s", mailFacility*8+line.level(), now.Local().Format(time.Stamp), logTag, line.program, os.Getpid(), line.text)
}

// journalForm returns a line in the journal's own form.
func journalForm(_ time.Time, line logLine) []byte {
	var b bytes.Buffer
	field := func(name, value string) {
		b.WriteString(name + "\n")
		binary.Write(&b, binary.LittleEndian, uint64(len(value)))
		b.WriteString(value + "\n")
	}
	field("MESSAGE", line.text)
	field("PRIORITY", fmt.Sprint(line.level()))
	field("SYSLOG_FACILITY", fmt.Sprint(mailFacility))
	field("SYSLOG_IDENTIFIER", logTag+line.program)
	field("SYSLOG_PID", fmt.Sprint(os.Getpid()))
	return b.Bytes()
}

// A fileSink appends lines to a file, those of one time by one call.
type fileSink struct {
	file *os.File
	host string
}

// openLogFile opens a file for the log. Whoever rotates it can rename it: each run opens it anew.
func openLogFile(path string) (*fileSink, error) {
	const flag = os.O_WRONLY | os.O_APPEND | os.O_CREATE | syscall.O_NONBLOCK
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("is not a regular file")}
	}
	return &fileSink{f, whoami.Host()}, nil
}

func (s *fileSink) write(now time.Time, lines []logLine) error {
	var b []byte
	for _, line := range lines {
		b = now.Local().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
		b = fmt.Appendf(b, " %s %s%s[%d]: %s\n", s.host, logTag, line.program, os.Getpid(), line.text)
	}
	_, err := s.file.Write(b)
	return err
}

func (s *fileSink) close() { s.file.Close() }
