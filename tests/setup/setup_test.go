package setup

import (
	"os"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// From nothing to an accepted mail, with an address and a password.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	me := w.newcomer(t)
	began := time.Now()
	term := stage.AtTerminal(t, me.Command("esmtpq", "setup", "nina@auto.test"))
	term.Await(t, "Is that right? [Y/n]")
	term.Type("")
	term.Await(t, "1, 2 or 3")
	term.Type("3")
	term.Await(t, "Password of nina@auto.test at smtp.auto.test: ")
	term.Type(stage.Password)
	term.Await(t, "Send a test mail to nina@auto.test? [Y/n]")
	term.Type("y")
	code, screen := term.End()
	if code != 0 || !strings.Contains(screen, "has accepted the test mail") {
		t.Fatalf("exit %d, screen:\n%s", code, screen)
	}
	w.arrived(t, "To: <nina@auto.test>")
	t.Logf("from nothing to an accepted mail: %v", time.Since(began).Round(time.Millisecond))
	for _, text := range []string{"autoconfig   https://autoconfig.auto.test/mail/config-v1.1.xml: smtp.auto.test:465, TLS from the start", "Logged in (PLAIN)"} {
		if !strings.Contains(screen, text) {
			t.Errorf("the screen lacks %q:\n%s", text, screen)
		}
	}
	if strings.Contains(screen, "horse") {
		t.Errorf("the password shows:\n%s", screen)
	}
	if info, err := os.Stat(me.Path(".config/esmtpq/config.yaml")); err != nil || info.Mode() != 0o600 {
		t.Errorf("the configuration: %v, %v", info.Mode(), err)
	}
	// Any program can send now.
	me.Run("Subject: second\n\ntext\n", "sendmail", "nina@auto.test")
	me.Deliver()
	w.arrived(t, "Subject: second")
	// A second call changes nothing.
	r := me.Try("", "esmtpq", "setup", "nina@auto.test")
	if r.Code != 0 || !strings.Contains(r.Stderr, "set up already") {
		t.Errorf("again: %+v", r)
	}
}

// Each source is found, the right one wins, and only what it says is written.
func TestSources(t *testing.T) {
	w := theWorld(t)
	for _, test := range []struct{ domain, yaml, says string }{
		{"auto.test", "host: smtp.auto.test port: 465", "autoconfig"},
		{"asked.test", "host: smtp.auto.test port: 587", "autoconfig"},
		{"srv.test", "host: smtp.srv.test port: 465", "SRV          _submissions._tcp.srv.test: smtp.srv.test:465, TLS from the start"},
		{"guess.test", "host: smtp.guess.test port: 465", "probing"},
		{"hosted.test", "host: smtp.hosted.test port: 465", "autoconfig of the MX"},
		{"google.test", "host: smtp.gmail.com port: 465", "app password"},
		{"work.test", "host: smtp.office365.com port: 587", "SMTP AUTH"},
		{"private.test", "host: smtp-mail.outlook.com port: 587", "no password at all"},
		{"gmail.com", "host: smtp.gmail.com port: 465", "table"},
		{"pacc.test", "host: smtp.auto.test port: 465", "PACC"},
	} {
		t.Run(test.domain, func(t *testing.T) {
			t.Parallel()
			me := w.newcomer(t)
			r := me.Try("", "esmtpq", "setup", "--dry-run", "--pacc", "nina@"+test.domain)
			got := strings.Join(strings.Fields(strings.ReplaceAll(r.Stdout, "- ", "")), " ")
			want := "identities: name: nina@" + test.domain + " default: true " + test.yaml + " username: nina@" + test.domain + " password_keyring: true"
			if r.Code != 0 || got != want || !strings.Contains(r.Stderr, test.says) {
				t.Errorf("%s: exit %d\n got %s\nwant %s\nstderr: %s", test.domain, r.Code, got, want, r.Stderr)
			}
			if stage.Exists(me.Path(".config")) || stage.Exists(me.Path(".esmtp_queue")) {
				t.Errorf("%s: a dry run has written something", test.domain)
			}
		})
	}
}

// What is not there, not offered, not known and not to be trusted are told apart.
func TestNothingFound(t *testing.T) {
	w := theWorld(t)
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, asked := range w.asked {
			if strings.Contains(asked, "nina") && !strings.HasPrefix(asked, "https://autoconfig.") || strings.Contains(asked, "elsewhere") || strings.Contains(asked, "hoster") && strings.Contains(asked, "nina") {
				t.Errorf("the address was given away: %s", asked)
			}
		}
	})
	for _, test := range []struct {
		address string
		code    int
		says    string
	}{
		{"nina@gone.test", 69, "there is no domain gone.test in the DNS"},
		{"nina@closed.test", 69, "_submissions._tcp.closed.test: no: the domain says that it does not offer this"},
		{"nina@null.test", 69, "takes no mail at all"},
		{"nina@clear.test", 69, "smtp.clear.test:587 without TLS: no, not used"},
		{"nina@nonsense.test", 69, "the answer is something else than a configuration"},
		{"nina@silent.test", 69, "no smart host was found"},
		{"nina@lone.test", 69, "no smart host was found"},
		{"nina@away.test", 69, "it leads to another domain"},
		{"nina@foreign.test", 69, "--host smtp.auto.test:465"},
		{"nina@proton.test", 69, "Bridge"},
		{"nina@tuta.com", 69, "Tuta has no SMTP"},
		{"nina@lost.test", 75, "no network, or no name server"},
		{"nina", 64, "has no domain"},
		{"nina@", 64, "no mail address"},
		{"nina@localhost", 64, "a domain has a dot in it"},
		{"nina@auto.test, ann@auto.test", 64, "no mail address"},
	} {
		t.Run(test.address, func(t *testing.T) {
			t.Parallel()
			me := w.newcomer(t)
			r := me.Try(stage.Password+"\n", "esmtpq", "setup", "--non-interactive", "--in-clear", test.address)
			if r.Code != test.code || !strings.Contains(r.Stderr, test.says) {
				t.Errorf("%s: exit %d, want %d and %q\n%s", test.address, r.Code, test.code, test.says, r.Stderr)
			}
			if r.Stdout != "" || strings.Contains(r.Stderr, "horse") || stage.Exists(me.Path(".config/esmtpq/config.yaml")) {
				t.Errorf("%s: printed %q; or something was saved", test.address, r.Stdout)
			}
		})
	}
}
