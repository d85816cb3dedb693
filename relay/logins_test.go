package relay

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"esmtpq/identity"
	"esmtpq/relay/smtp"
)

// What logins have shown is kept for a host and a user name, in a file that nobody else can read,
// for a month.
func TestLoginsAreRemembered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sessions")
	of := func(host, user string) *logins { return &logins{state: StateAt(dir), host: host, user: user} }
	first := smtp.LoginKnown{Way: smtp.Way{Mechanism: "SCRAM-SHA-256-PLUS"}, Offer: "PLAIN", Bound: true}
	second := smtp.LoginKnown{Way: smtp.Way{Mechanism: "XOAUTH2", Response: smtp.ResponseFirst}}
	of("mx:25", "ann").Learn(smtp.LoginKnown{Offer: "another"})
	of("mx:25", "ann").Learn(first)
	of("mx:25", "bob").Learn(second)
	for _, c := range []struct {
		host, user string
		want       smtp.LoginKnown
	}{{"mx:25", "ann", first}, {"mx:25", "bob", second}, {"mx:26", "ann", smtp.LoginKnown{}}} {
		if got := of(c.host, c.user).Recall(); got != c.want {
			t.Errorf("%s at %s: %+v", c.user, c.host, got)
		}
	}
	file := filepath.Join(dir, loginsFile)
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	l := of("mx:25", "ann")
	var text loginsText
	l.state.read(loginsFile, &text)
	for i := range text.Logins {
		text.Logins[i].Time = time.Now().Add(-knownFor - time.Hour).Unix()
	}
	l.state.write(loginsFile, text)
	if got := l.Recall(); got != (smtp.LoginKnown{}) {
		t.Errorf("after a month: %+v", got)
	}
	// What is confirmed lasts on.
	l = of("mx:25", "bob")
	age := func(by time.Duration) {
		l.state.read(loginsFile, &text)
		for i := range text.Logins {
			text.Logins[i].Time = time.Now().Add(-by).Unix()
		}
		l.state.write(loginsFile, text)
	}
	of("mx:25", "bob").Learn(second)
	age(knownFor - time.Hour)
	of("mx:25", "bob").Learn(second)
	text = loginsText{}
	l.state.read(loginsFile, &text)
	for _, k := range text.Logins {
		if l.is(k) && time.Since(time.Unix(k.Time, 0)) > time.Hour {
			t.Error("a confirmation is not noted")
		}
	}
	unwritten := logins{host: "mx:25"}
	unwritten.Learn(first)
	if unwritten.Recall() != first {
		t.Error("what cannot be written down is forgotten in the same run")
	}
}

// The settings of an identity reach the session.
func TestLoginSettings(t *testing.T) {
	id := &identity.Identity{Name: "work", Host: "mx", Port: "25", Username: "ann", TokenCommand: "echo token",
		Mechanisms: []string{"XOAUTH2"}, AuthorizeAs: "team"}
	c := session(id, Options{}, smtp.Limits{})
	if !c.Token || c.AuthorizeAs != "team" || len(c.Mechanisms) != 1 || c.LoginMemory == nil {
		t.Errorf("%+v", c)
	}
}
