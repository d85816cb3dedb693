package relay_test

import (
	"strconv"
	"strings"
)

// A reply is what the host says to a command: code, enhanced status code if any, words.
type reply struct {
	code   int
	status string
	text   string
}

func (r reply) class() int { return r.code / 100 }

// lines is the reply on the wire; with two lines, the words are on the first.
func (r reply) lines(two bool) string {
	status := r.status
	if status != "" {
		status += " "
	}
	code := strconv.Itoa(r.code)
	if two {
		return code + "-" + status + r.text + "\r\n" + code + " " + status + "and so on\r\n"
	}
	return code + " " + status + r.text + "\r\n"
}

// A verb is a command as the host knows it; dot is the end of a content behind DATA, last a BDAT
// with LAST.
type verb int

const (
	greeting verb = iota
	ehlo
	helo
	mail
	rcpt
	data
	dot
	bdat
	last
	rset
	noop
	quit
	other
)

var verbNames = [...]string{"greeting", "EHLO", "HELO", "MAIL", "RCPT", "DATA", "dot", "BDAT", "LAST", "RSET", "NOOP", "QUIT", "other"}

func (v verb) String() string { return verbNames[v] }

// A flavour is the words of one kind of server.
type flavour int

const (
	postfix flavour = iota
	exim
	gosmtp
	terse // the same words for everything
	flavours
)

func (f flavour) status(s string) string {
	if f == exim || f == terse {
		return ""
	}
	return s
}

// accepting is what each flavour says to a command that it accepts. What the words are followed
// by is in good.
var accepting = [...][other]string{
	postfix: {mail: "Ok", rcpt: "Ok", data: "End data with <CR><LF>.<CR><LF>", dot: "Ok: queued as ",
		bdat: "Ok: 123 bytes", last: "Ok: queued as ", rset: "Ok", noop: "Ok"},
	exim: {mail: "OK", rcpt: "Accepted", data: "Enter message, ending with \".\" on a line by itself", dot: "OK id=",
		bdat: "chunk received", last: "OK id=", rset: "Reset OK", noop: "OK"},
	gosmtp: {mail: "Roger, accepting mail from ", rcpt: "I'll make sure of ", data: "Go ahead. End your data with <CR><LF>.<CR><LF>",
		dot: "OK: queued as ", bdat: "Continue", last: "OK: queued as ", rset: "Session reset", noop: "I have successfully done nothing"},
}

// statuses are the enhanced status codes beside those.
var statuses = [other]string{mail: "2.1.0", rcpt: "2.1.5", dot: "2.0.0", bdat: "2.0.0", last: "2.0.0", rset: "2.0.0", noop: "2.0.0"}

// good is the reply to a command that is accepted.
func (f flavour) good(v verb, c *command) reply {
	code := 250
	switch v {
	case greeting:
		return reply{220, "", "mx.example.org ESMTP"}
	case quit:
		return reply{221, f.status("2.0.0"), "Bye"}
	case data:
		code = 354
	}
	if f == terse || v >= other {
		return reply{code, "", "OK"}
	}
	words := accepting[f][v]
	switch {
	case v == dot || v == last:
		words += strconv.Itoa(c.s.number) + "." + strconv.Itoa(c.s.txns)
	case f == gosmtp && v == mail:
		words += "<" + c.from() + ">"
	case f == gosmtp && v == rcpt:
		words += "<" + c.to() + ">"
	}
	return reply{code, f.status(statuses[v]), words}
}

// bad is the reply to a command that is refused with a code.
func (f flavour) bad(code int, v verb, c *command) reply {
	if f == terse {
		return reply{code, "", "no"}
	}
	who := c.to()
	if v != rcpt {
		who = c.from()
	}
	status := strconv.Itoa(code/100) + ".0.0"
	words := "<" + who + ">: " + v.String() + " refused"
	switch {
	case code == 421:
		return reply{421, f.status("4.7.0"), "Service not available, closing transmission channel"}
	case code == 503:
		return reply{503, f.status("5.5.1"), "Bad sequence of commands, " + v.String()}
	case code == 530:
		return reply{530, f.status("5.7.0"), "Authentication required"}
	case code == 354:
		return reply{354, "", "go on"}
	case v == rcpt && code/100 == 5:
		status = "5.1.1"
	case code/100 == 5:
		status = "5.7.1"
	case code/100 == 4:
		status = "4.3.0"
	}
	return reply{code, f.status(status), words}
}

// greets is the reply to EHLO.
func (p *plan) greets() string {
	all := []string{"mx.example.org", "8BITMIME"}
	if p.flavour != exim && p.flavour != terse {
		all = append(all, "ENHANCEDSTATUSCODES")
	}
	if p.size > 0 {
		all = append(all, "SIZE "+strconv.Itoa(p.size))
	}
	if p.mode >= pipelined {
		all = append(all, "PIPELINING")
	}
	if p.mode == chunked {
		all = append(all, "CHUNKING")
	}
	if p.limits && p.maxRcpts > 0 {
		all = append(all, "LIMITS RCPTMAX="+strconv.Itoa(p.maxRcpts))
	}
	if p.mailMax > 0 {
		all = append(all, "LIMITS MAILMAX="+strconv.Itoa(p.mailMax))
	}
	if p.holds {
		all = append(all, "FUTURERELEASE 999999 2099-01-01T00:00:00Z")
	}
	if p.auth {
		all = append(all, "AUTH PLAIN LOGIN")
	}
	var b strings.Builder
	for i, line := range all {
		sep := "-"
		if i == len(all)-1 {
			sep = " "
		}
		b.WriteString("250" + sep + line + "\r\n")
	}
	return b.String()
}
