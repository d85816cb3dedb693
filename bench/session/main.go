// Session records a short session at a terminal with the built program, and a smart host on
// loopback that comes up in the middle of it, as a picture for the README:
//
//	go run ./bench/session DIR >docs/session.svg
//
// DIR holds the program under its names, as install.sh leaves them in ~/bin.
package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: session DIR")
		os.Exit(64)
	}
	lines, err := record(os.Args[1])
	if err == nil {
		_, err = io.WriteString(os.Stdout, picture(lines))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "session:", err)
		os.Exit(1)
	}
}

// address is that of the smart host.
const address = "127.0.0.1:2525"

// steps are what is typed, but for the remarks; the smart host comes up at the empty one.
var steps = []string{
	"# on a train, without a network",
	"printf 'Subject: noon?\\n\\nAt the usual place.\\n' | sendmail ann@example.net bbo@example.net",
	"deliver; mailq",
	"",
	"# at home; one address was misspelt",
	"deliver; mailq",
	"esmtpq retry --to bob@example.net last && deliver; mailq",
}

// record runs the steps, and returns the lines of the screen.
func record(bin string) ([]string, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "session-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(home)
	config := "identity = me@example.org\nhostname = " + address + "\n"
	if err := os.WriteFile(filepath.Join(home, ".esmtprc"), []byte(config), 0o600); err != nil {
		return nil, err
	}
	var lines []string
	for _, step := range steps {
		if step == "" {
			server, err := serve()
			if err != nil {
				return nil, err
			}
			defer server.Close()
			continue
		}
		if strings.HasPrefix(step, "#") {
			lines = append(lines, step)
			continue
		}
		out, err := run(bin, home, step)
		if err != nil {
			return nil, err
		}
		lines = append(lines, "$ "+step)
		for line := range strings.Lines(out) {
			lines = append(lines, strings.TrimRight(strings.ReplaceAll(line, "\t", "        "), "\n"))
		}
		lines = append(lines, "")
	}
	return lines, nil
}

// run runs one line in a shell. It may fail: the session shows what that looks like.
func run(bin, home, line string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Env = []string{"HOME=" + home, "PATH=" + bin + ":/usr/bin:/bin", "LANG=C.UTF-8", "ESMTPQ_DELAY=never"}
	cmd.Dir = home
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return "", err
	}
	return string(out), ctx.Err()
}

// serve starts the smart host, which knows no bbo.
func serve() (*smtp.Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return session{}, nil }))
	server.Domain = "smtp.example.org"
	go server.Serve(l)
	return server, nil
}

type session struct{}

func (session) Reset()                               {}
func (session) Logout() error                        { return nil }
func (session) Mail(string, *smtp.MailOptions) error { return nil }
func (session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "bbo@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user here"}
	}
	return nil
}

func (session) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

const (
	letter = 7.8 // the width of a letter, in pixels
	height = 18  // of a line
)

// picture draws the lines of a screen.
func picture(lines []string) string {
	longest := 0
	for _, line := range lines {
		longest = max(longest, len(line))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%d\" font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"13\">\n",
		float64(longest)*letter+32, len(lines)*height+24)
	b.WriteString("<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1d2430\"/>\n")
	for i, line := range lines {
		style := "fill=\"#c9d1d9\""
		switch {
		case strings.HasPrefix(line, "$ "):
			style = "fill=\"#ffffff\" font-weight=\"bold\""
		case strings.HasPrefix(line, "# "):
			style = "fill=\"#7d8ba1\""
		}
		fmt.Fprintf(&b, "<text x=\"16\" y=\"%d\" xml:space=\"preserve\" %s>%s</text>\n", i*height+28, style, html.EscapeString(line))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
