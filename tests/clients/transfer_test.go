package clients

import (
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"esmtpq/tests/stage"
)

// A pausingSession stops in the middle of the content until it may go on.
type pausingSession struct {
	*stage.Session
	begun, goOn chan struct{}
}

func (s *pausingSession) Data(r io.Reader) error {
	if _, err := io.CopyN(io.Discard, r, 1<<20); err != nil {
		return err
	}
	close(s.begun)
	<-s.goOn
	return s.Session.Data(r)
}

// A mail that is being sent is shown as that, with its progress, by whatever shows mail; another
// that waits behind it is not.
func TestTransferIsShown(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	host := stage.NewSmartHost(t, func(server *smtp.Server) {
		all := server.Backend
		server.Backend = smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
			s, err := all.NewSession(c)
			return &pausingSession{s.(*stage.Session), begun, goOn}, err
		})
	})
	me := stage.NewPerson(t, stage.Identity(host)...)
	id := submitTo(me, "large\n\n"+strings.Repeat(strings.Repeat("x", 99)+"\n", 300_000), "friend@example.net")
	run := me.Command("deliver")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	<-begun
	waits := submitTo(me, "small", "friend@example.net")
	shown := regexp.MustCompile(`^` + id + `\* +30\d{6} .*\n +\(being sent: \d+\.\d of 30\.0 MB\)\n +friend@example\.net\n\n` + waits + ` `)
	for _, args := range [][]string{nil, {"-v"}} {
		stage.Await(t, "the mail that is being sent", func() bool {
			_, list, _ := strings.Cut(me.Run("", "mailq", args...), "\n")
			return shown.MatchString(list)
		})
	}
	stage.Await(t, "its progress in JSON", func() bool {
		var m struct {
			Name string `json:"queue_name"`
			Size int64  `json:"message_size"`
			Sent *int64 `json:"octets_sent"`
		}
		lines := strings.SplitN(me.Run("", "mailq", "--json"), "\n", 2)
		if err := json.Unmarshal([]byte(lines[0]), &m); err != nil || m.Name != "active" || m.Sent == nil || *m.Sent >= m.Size {
			t.Fatalf("%v, %s", err, lines[0])
		}
		if strings.Contains(lines[1], "active") || strings.Contains(lines[1], "octets_sent") {
			t.Fatalf("what waits: %s", lines[1])
		}
		return *m.Sent >= 1<<20
	})
	if out := me.Run("", "esmtpq", "show", id); !regexp.MustCompile(`(?m)^State: +being sent: \d{7,8} of 30\d{6} octets$`).MatchString(out) {
		t.Errorf("show: %s", out)
	}
	wants(me, 75, "being sent at this moment", "esmtpq", "rm", id)

	// The run dies: what it has left says nothing.
	run.Process.Kill()
	run.Wait()
	if out := me.Run("", "mailq") + me.Run("", "mailq", "--json") + me.Run("", "esmtpq", "show", id); strings.Contains(out, "being sent") || strings.Contains(out, "active") || strings.Contains(out, "*") {
		t.Errorf("after the run has died: %s", out)
	}
	close(goOn)
}
