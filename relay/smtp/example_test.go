package smtp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"esmtpq/relay/smtp"
)

// host is a server that answers as a small mail host does. It knows nobody of the name "nobody".
func host(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewScanner(conn)
	say := func(lines ...string) { io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n") }
	say("220 mx.example.org ESMTP")
	for in.Scan() {
		switch verb, _, _ := strings.Cut(in.Text(), " "); {
		case verb == "EHLO":
			say("250-mx.example.org", "250-SIZE 1000000", "250 PIPELINING")
		case strings.Contains(in.Text(), "<nobody@"):
			say("550 5.1.1 no such user")
		case verb == "DATA":
			say("354 go on")
			for in.Scan() && in.Text() != "." {
			}
			say("250 2.0.0 queued")
		case verb == "QUIT":
			say("221 2.0.0 bye")
			return
		default:
			say("250 2.0.0 ok")
		}
	}
}

// dial connects to such a host. Over the network it would be a method of net.Dialer.
func dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go host(theirs)
	return ours, nil
}

// A note is the content of a message. It implements smtp.Body.
type note string

// WireSize is the length with CRLF line ends.
func (n note) WireSize() int64 { return int64(len(n) + strings.Count(string(n), "\n")) }

func (n note) Open() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(n))), nil
}

// A batch is a list of messages to send. It implements smtp.Feed.
type batch []*smtp.Message

// Next hands out the messages in order.
func (b *batch) Next(ahead bool) *smtp.Message {
	if len(*b) == 0 {
		return nil
	}
	m := (*b)[0]
	*b = (*b)[1:]
	return m
}

// Ending is where a queue writes down that the message may have been delivered from now on.
func (b *batch) Ending(m *smtp.Message) error { return nil }

// Results is where a queue records what became of each recipient.
func (b *batch) Results(all []smtp.Result) error {
	for _, r := range all {
		for i, to := range r.Message.To {
			switch {
			case r.Rcpt[i].Positive() && r.End.Positive():
				fmt.Println(to.Address, "is sent:", r.End)
			case r.Rcpt[i].Negative():
				fmt.Println(to.Address, "is refused:", r.Rcpt[i], "("+r.Rcpt[i].Enhanced()+")")
			default:
				fmt.Println(to.Address, "is not decided:", r.Err)
			}
		}
	}
	return nil
}

func Example() {
	ctx := context.Background()
	conn, err := smtp.Open(ctx, &smtp.Config{Name: "mx.example.org", Helo: "client.example.org", Dial: dial})
	if err != nil {
		fmt.Println(err)
		return
	}
	mail := batch{
		{From: "me@example.org", Body: note("Subject: one\n\nHello.\n"),
			To: []smtp.Recipient{{Address: "ann@example.net"}, {Address: "nobody@example.net"}}},
		{From: "me@example.org", Body: note("Subject: two\n\nHello again.\n"), To: []smtp.Recipient{{Address: "bob@example.net"}}},
	}
	// An error is what ended the session; what that means for each message is in the results.
	if err := conn.Carry(&mail); err != nil {
		fmt.Println(err)
		return
	}
	conn.Quit()
	// Output:
	// ann@example.net is sent: 250 queued
	// nobody@example.net is refused: 550 no such user (5.1.1)
	// bob@example.net is sent: 250 queued
}

// What a host offers is known once a session is open.
func ExampleConn_Extensions() {
	conn, err := smtp.Open(context.Background(), &smtp.Config{Name: "mx.example.org", Helo: "client.example.org", Dial: dial})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Quit()
	ext := conn.Extensions()
	fmt.Println(ext.SizeLimit(), ext.Has("PIPELINING"), ext.Has("CHUNKING"))
	// Output: 1000000 true false
}

// An error says what went wrong, at which point of the session.
func ExampleError() {
	_, err := smtp.Open(context.Background(), &smtp.Config{
		Name: "mx.example.org", Helo: "client.example.org", Dial: dial, TLS: smtp.TLSStartTLS,
	})
	fmt.Println(err.At, err.Kind)
	// Output: TLS refused
}

func ExampleWireAddress() {
	for _, addr := range []string{"ann@bücher.example", "ännchen@example.net", "ann@example.net> SIZE=1"} {
		wire, _, err := smtp.WireAddress(addr, false)
		if err != nil {
			fmt.Println(addr, err)
			continue
		}
		fmt.Println(wire)
	}
	// Output:
	// ann@xn--bcher-kva.example
	// ännchen@example.net has characters outside ASCII before the @, and the host does not offer SMTPUTF8
	// ann@example.net> SIZE=1 has a blank, an angle bracket or a quotation mark outside of a quoted part
}
