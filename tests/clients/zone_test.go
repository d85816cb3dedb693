package clients

import (
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// TZ in the form of POSIX counts in the Date: field and in the list, as for every other program.
func TestZoneInTheFormOfPOSIX(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Setenv("TZ=<-0830>8:30")
	me.Run("From: me@example.org\n\ntext\n", "sendmail", "-i", "friend@example.net")
	now := time.Now().UTC().Add(-8*time.Hour - 30*time.Minute)
	if out := me.Run("", "mailq"); !strings.Contains(out, now.Format("Mon Jan _2 15:")) && !strings.Contains(out, now.Add(-time.Minute).Format("Mon Jan _2 15:")) {
		t.Errorf("it is %v there, and mailq says\n%s", now, out)
	}
	me.Deliver()
	if mail := host.One(t); !strings.Contains(string(mail.Content), " -0830\r\n") && !strings.Contains(string(mail.Content), " -0830\n") {
		t.Errorf("Date: is not by the zone:\n%s", mail.Content)
	}
}
