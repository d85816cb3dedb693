package submit

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/identity"
)

var inputs = flag.Int("inputs", 20_000, "how many headers TestComplete makes")

// completeRouter knows one identity, for everything.
func completeRouter() *Router {
	me := &identity.Identity{Name: "me@example.org", Host: "mail.example.org", Port: "25"}
	cfg := &identity.Config{Identities: []*identity.Identity{me}, Default: me}
	return &Router{configs: map[string]*loaded{"": {cfg: cfg}}, login: "me"}
}

// A madeHeader is a header whose recipients are known without reading it.
type madeHeader struct {
	text  string
	rcpts []string // nil: not known
}

// members are what a list of addresses is made of, and the recipient that each stands for.
var members = [][2]string{
	{"root", "root"}, {"joe (Cron Daemon)", "joe"}, {"Ann <ann>", "ann"}, {"a@example.net", "a@example.net"},
	{`"a b" <c>`, "c"}, {"Team: x, y@example.net;", "x y@example.net"}, {"two words", ""}, {"", ""}, {"=?utf-8?q?x?= <u>", "u"},
	{`"Doe, J" <j@example.net>`, "j@example.net"}, {"\"q r\"", `"q_r"`}, {"<v>", "v"}, {"J\xf6rg <k>", "k"}, {"l\n (m)", "l"}, {"(o) p", "p"},
}

var otherFields = []string{
	"Subject: root", "Received: by x; y", "Return-Path: <root>", "X-To: root", "Date: today", "MESSAGE-ID : <x@y>",
	"Content-Type: multipart/signed;\n boundary=x", "X-Folded: a\n\tb\n c", "Errors-To: root", "Mime-Version: 1.0",
}

func makeHeader(r *rand.Rand) madeHeader {
	var m madeHeader
	var b strings.Builder
	for range r.IntN(9) {
		switch r.IntN(6) {
		case 0:
			b.WriteString(otherFields[r.IntN(len(otherFields))])
		case 1:
			b.WriteString("DKIM-Signature: v=1; h=")
			for range 1 + r.IntN(4) {
				b.WriteString(pick(r, "From", "to", "Date", "Message-ID", "CC", "Resent-Date", "Sender", "Reply-To", "Subject", "x") + pick(r, ":", " : ", ":\n "))
			}
			b.WriteString("Subject; b=x")
		default:
			name := pick(r, "From", "To", "To", "CC", "bcc", "Bcc ", "Sender", "Reply-To", "Resent-From")
			b.WriteString(name + ":" + pick(r, "", " ", "\n "))
			var list []string
			for range r.IntN(5) {
				member := members[r.IntN(len(members))]
				list = append(list, member[0])
				if slices.Contains([]string{"To", "CC", "bcc", "Bcc "}, name) {
					m.rcpts = append(m.rcpts, strings.Fields(member[1])...)
				}
			}
			b.WriteString(strings.Join(list, pick(r, ",", ", ", ",\n\t")))
		}
		b.WriteByte('\n')
	}
	m.text = b.String()
	if strings.Contains(m.text, "Resent-") {
		return madeHeader{text: m.text} // other fields are for others
	}
	if r.IntN(4) == 0 && m.text != "" { // anything may be in its place
		octets := []byte(m.text)
		for range 1 + r.IntN(3) {
			octets[r.IntN(len(octets))] = "\n :,;<>@()\"\\.=h\xffBc"[r.IntN(18)]
		}
		m = madeHeader{text: string(octets)}
	} else if m.rcpts == nil {
		m.rcpts = []string{}
	}
	return m
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

// No completion changes or adds what a signature covers, nor changes who gets the message; and it
// changes nothing but what it is for. Nothing here reads a header as the program does.
func TestComplete(t *testing.T) {
	var running sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		running.Go(func() {
			router := completeRouter()
			for i := w; i < *inputs && !t.Failed(); i += workers {
				if err := checkComplete(router, makeHeader(rand.New(rand.NewPCG(uint64(i), 1)))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
}

func FuzzComplete(f *testing.F) {
	for i := range 20 {
		f.Add(makeHeader(rand.New(rand.NewPCG(uint64(i), 2))).text)
	}
	router := completeRouter()
	f.Fuzz(func(t *testing.T, header string) {
		if !strings.ContainsAny(header, "\r\x00") && !strings.Contains(header, "@example.org") {
			if err := checkComplete(router, madeHeader{text: header}); err != nil {
				t.Error(err)
			}
		}
	})
}

func checkComplete(router *Router, m madeHeader) error {
	for _, mark := range []string{"From ", ">From ", "\ufeff", "\xff\xfe", "\xfe\xff"} {
		if strings.HasPrefix(m.text, mark) {
			return nil // what is dropped or refused before a header
		}
	}
	old, body := split(m.text + "\nbody\n")
	inv := &argv.Invocation{Extract: true, FullName: "Me"}
	d, err := Compose(inv, strings.NewReader(m.text+"\nbody\n"))
	if err != nil {
		if len(m.rcpts) > 0 {
			return fmt.Errorf("%q: %v", m.text, err)
		}
		return nil // nobody to send it to
	}
	var before []string
	for _, r := range d.Env.Recipients {
		before = append(before, r.Address)
	}
	if want := once(m.rcpts); m.rcpts != nil && !slices.Equal(before, want) {
		return fmt.Errorf("%q: recipients %q, want %q", m.text, before, want)
	}
	if err := d.Complete(inv, router, time.Unix(1e9, 0)); err != nil {
		return fmt.Errorf("%q: %v", m.text, err)
	}
	var after []string
	for _, r := range d.Env.Recipients {
		after = append(after, r.Address)
	}
	if !slices.Equal(before, after) {
		return fmt.Errorf("%q: recipients %q became %q", m.text, before, after)
	}
	out := written(d)
	now, rest := split(out)
	if strings.TrimPrefix(rest, "\n") != strings.TrimPrefix(body, "\n") {
		return fmt.Errorf("%q: body %q became %q", m.text, body, rest)
	}
	if err := onlyCompleted(old, now); err != nil {
		return fmt.Errorf("%q became %q: %v", m.text, out, err)
	}
	return nil
}

// written returns the content of a draft, whose body is complete.
func written(d *Draft) string {
	var out strings.Builder
	d.header.WriteTo(&out)
	io.Copy(&out, d.body)
	return out.String()
}

// once returns the recipients that a list stands for.
func once(list []string) []string {
	var out []string
	for _, a := range list {
		if a = strings.ReplaceAll(a, "_", " "); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

var fieldName = regexp.MustCompile(`^([!-9;-~]{1,998})[ \t]*:`)

// split returns the fields of a message and what is behind them.
func split(text string) (fields []string, rest string) {
	for text != "" {
		line, after, _ := strings.Cut(text, "\n")
		switch {
		case fieldName.MatchString(line):
			fields = append(fields, line)
		case len(fields) > 0 && line != "" && strings.ContainsAny(line[:1], " \t"):
			fields[len(fields)-1] += "\n" + line
		default:
			return fields, text
		}
		text = after
	}
	return fields, ""
}

func nameOf(field string) string {
	return strings.ToLower(fieldName.FindStringSubmatch(field)[1])
}

// onlyCompleted says what there is between two headers that no completion may do.
func onlyCompleted(old, now []string) error {
	signed, present := map[string]bool{}, map[string]bool{}
	for _, f := range old {
		present[nameOf(f)] = true
		if nameOf(f) == "dkim-signature" {
			f = strings.NewReplacer(" ", "", "\t", "", "\n", "").Replace(f)
			_, tags, _ := strings.Cut(f, ":")
			for tag := range strings.SplitSeq(tags, ";") {
				if strings.HasPrefix(tag, "h=") {
					for name := range strings.SplitSeq(tag[2:], ":") {
						signed[strings.ToLower(name)] = true
					}
					break
				}
			}
		}
	}
	for _, f := range old {
		name := nameOf(f)
		if name == "bcc" || name == "resent-bcc" || name == "return-path" {
			continue
		}
		for len(now) > 0 && now[0] != f && slices.Contains([]string{"resent-date", "resent-message-id"}, nameOf(now[0])) && !signed[nameOf(now[0])] {
			now = now[1:]
		}
		if len(now) == 0 {
			return fmt.Errorf("%q is gone", f)
		}
		switch g := now[0]; {
		case g == f:
		case signed[name]:
			return fmt.Errorf("%q is signed and became %q", f, g)
		case !slices.Contains([]string{"from", "sender", "reply-to", "to", "cc"}, strings.TrimPrefix(name, "resent-")):
			return fmt.Errorf("%q became %q", f, g)
		case strings.ReplaceAll(g, "@example.org", "") != strings.ReplaceAll(f, "@example.org", ""):
			return fmt.Errorf("%q became %q", f, g)
		}
		now = now[1:]
	}
	for _, g := range now {
		name := nameOf(g)
		if name != "from" && name != "date" && name != "message-id" || present[name] || signed[name] {
			return fmt.Errorf("%q was added", g)
		}
		present[name] = true
	}
	return nil
}

// The body of a signed message is not touched, whatever is added to its header.
func TestCompleteSignedBody(t *testing.T) {
	for _, kind := range []string{"application/pgp-signature", "application/pkcs7-signature", "application/pkcs7-mime"} {
		body := "--x\nFrom: root\nTo: joe\n\ntext \n--x\nContent-Type: " + kind + "\n\nsig\n--x--\n"
		in := "From: root\nTo: joe@example.net\nContent-Type: multipart/signed; boundary=x; protocol=\"" + kind + "\"\n\n" + body
		inv := &argv.Invocation{Extract: true}
		d, err := Compose(inv, strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Complete(inv, completeRouter(), time.Now()); err != nil {
			t.Fatal(err)
		}
		header, got, _ := strings.Cut(written(d), "\n\n")
		if !strings.HasPrefix(header, "From: root@example.org\n") || got != body {
			t.Errorf("%s: became %q with the body %q", kind, header, got)
		}
	}
}
