package clients

import (
	"fmt"
	"io"
	"testing"

	"github.com/emersion/go-smtp"

	"esmtpq/queue/spool"
	"esmtpq/tests/stage"
)

// Mail for very many recipients is listed and delivered in memory that a small machine has. The
// bounds are those of a program that reads such an envelope piece by piece.
func TestMemoryForManyRecipients(t *testing.T) {
	host := stage.NewSmartHost(t, func(server *smtp.Server) {
		server.Backend = smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return nowhere{}, nil })
	})
	me := stage.NewPerson(t, stage.Identity(host)...)
	q, err := spool.OpenOrCreate(me.Path(".esmtp_queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for range 3 {
		w, err := q.NewWriter()
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("From: me@example.org\n\ntext\n"))
		env := &spool.Envelope{From: "me@example.org"}
		for i := range 100_000 {
			env.Recipients = append(env.Recipients, spool.Recipient{Address: fmt.Sprintf("recipient%06d@example.net", i)})
		}
		if _, err := w.Commit(env); err != nil {
			t.Fatal(err)
		}
	}
	within(t, me, 52<<10, "mailq")
	if stage.Long() {
		within(t, me, 98<<10, "deliver")
	}
}

// nowhere is a session that takes everything and keeps nothing.
type nowhere struct{}

func (nowhere) Mail(string, *smtp.MailOptions) error { return nil }
func (nowhere) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (nowhere) Reset()                               {}
func (nowhere) Logout() error                        { return nil }
func (nowhere) Data(r io.Reader) error               { _, err := io.Copy(io.Discard, r); return err }

// within runs a command, which may have so many KiB at most. Another program starts it: a child's
// peak includes that of who started it.
func within(t *testing.T, me *stage.Person, limit int, name string) {
	t.Helper()
	const script = `import os, subprocess, sys
p = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(p.pid, 0)
print(status, used.ru_maxrss)`
	var status, peak int
	out := me.Run("", "python3", "-c", script, me.Path("bin/"+name))
	if _, err := fmt.Sscan(out, &status, &peak); err != nil || status != 0 {
		t.Fatal(out, err)
	}
	if peak > limit {
		t.Errorf("%s took %d KiB, limit %d", name, peak, limit)
	}
}
