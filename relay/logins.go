package relay

import (
	"slices"
	"time"

	"esmtpq/relay/smtp"
)

const (
	loginsFile = "logins"
	loginsFor  = knownFor // from the last time that it was confirmed
	// confirmed is how long it is before a confirmation is written down again.
	confirmed = 24 * time.Hour
)

// logins is what logins have shown about one host, for one user name: hosts may know the passwords
// of some users only in a form that not every mechanism can work with. It implements
// smtp.LoginMemory. Unlike a memory it outlasts a change of what the host offers: that a better
// mechanism is gone is what it has to notice.
type logins struct {
	state      StateDir
	host, user string
	run        *smtp.LoginKnown // what this run has learned, even if it cannot be written down
}

// loginText is an entry of the file, and loginsText its form.
type loginText struct {
	Host string `json:"host"`
	User string `json:"user"`
	Time int64  `json:"time"` // Unix time at which it was learned
	smtp.LoginKnown
}

type loginsText struct {
	Logins []loginText `json:"logins"`
}

// Recall implements smtp.LoginMemory.
func (l *logins) Recall() smtp.LoginKnown {
	stateMu.Lock()
	defer stateMu.Unlock()
	if l.run != nil {
		return *l.run
	}
	for _, k := range l.load() {
		if l.is(k) {
			return k.LoginKnown
		}
	}
	return smtp.LoginKnown{}
}

// Learn implements smtp.LoginMemory.
func (l *logins) Learn(k smtp.LoginKnown) {
	stateMu.Lock()
	defer stateMu.Unlock()
	l.run = &k
	all, now := l.load(), time.Now()
	for _, before := range all {
		if l.is(before) && before.LoginKnown == k && now.Sub(time.Unix(before.Time, 0)) < confirmed {
			return
		}
	}
	all = slices.DeleteFunc(all, l.is)
	if len(all) >= maxKnown {
		all = all[len(all)-maxKnown+1:]
	}
	l.state.write(loginsFile, loginsText{append(all, loginText{l.host, l.user, now.Unix(), k})})
}

func (l *logins) is(k loginText) bool { return k.Host == l.host && k.User == l.user }

// load reads what was written down, except for what is too old.
func (l *logins) load() []loginText {
	var file loginsText
	l.state.read(loginsFile, &file)
	now := time.Now()
	return slices.DeleteFunc(file.Logins, func(k loginText) bool {
		at := time.Unix(k.Time, 0)
		return now.Sub(at) > loginsFor || at.After(now.Add(time.Hour))
	})
}
