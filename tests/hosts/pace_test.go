package hosts

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

var pace = flag.Int("pace", 0, "measure this many times how fast a queue of 500 messages is drained")

const queueLength = 500

// A queue of 500 small messages is drained into each host that takes mail without a login: by esmtpq, by
// msmtp with a process for each message, by Postfix and by dma, in turn. The machine must do nothing
// else.
func TestPace(t *testing.T) {
	if *pace == 0 {
		t.Skip("only with -pace N")
	}
	var rows []string
	for _, s := range servers {
		dir, _, _ := strings.Cut(s.version, "/")
		if strings.HasSuffix(dir, "-next") || s.version == "bin/chasquid blitiri.com.ar/go/chasquid" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			h := s.start(t)
			if h.login {
				t.Skip("it takes nothing without a login")
			}
			rows = append(rows, "| "+s.name+" "+version(t, s.version)+" | "+h.pace(t)+" |")
		})
	}
	t.Logf("| server | esmtpq | msmtp | Postfix | dma | by hand | esmtpq to the fastest |\n%s", strings.Join(rows, "\n"))
}

// pace measures all programs with a host, and returns messages in a second, the median of each.
func (h *host) pace(t *testing.T) string {
	programs := []func(*testing.T) float64{h.drainEsmtpq(t), h.drainMsmtp, h.drainPostfix, h.drainDma, h.drainByHand}
	rates := make([][]float64, len(programs))
	for range *pace {
		for i, drain := range programs {
			rates[i] = append(rates[i], drain(t))
			h.quiet()
		}
	}
	var cells []string
	best, rate := 0.0, make([]float64, len(programs))
	for i, all := range rates {
		slices.Sort(all)
		rate[i] = all[len(all)/2]
		cells = append(cells, fmt.Sprintf("%.0f", rate[i]))
		if i > 0 && i < 4 {
			best = max(best, rate[i])
		}
	}
	return strings.Join(cells, " | ") + fmt.Sprintf(" | %.1f", rate[0]/best)
}

// quiet waits until the host passes nothing on for two seconds: the next program must not share it.
func (h *host) quiet() {
	for last := -1; last != len(h.sink.all()); time.Sleep(2 * time.Second) {
		last = len(h.sink.all())
	}
}

// paceMail is a message of the size of a small patch.
func paceMail(m *mail) { m.fill(2000) }

// drainEsmtpq returns what lets esmtpq deliver to a host that it knows.
func (h *host) drainEsmtpq(t *testing.T) func(*testing.T) float64 {
	me := newPerson(t, h)
	me.port = portOf(h.addr) // without the tap
	me.configure("starttls = disabled")
	me.send(h.newMails(4)...)
	me.run()
	return func(t *testing.T) float64 {
		mails := h.newMails(queueLength)
		for i := range mails {
			paceMail(&mails[i])
		}
		me.send(mails...)
		began := time.Now()
		me.run()
		took := time.Since(began).Seconds()
		me.settled(1)
		return queueLength / took
	}
}

// drainByHand is a session that waits for each reply: the pace of the host itself for one that sends
// one command at a time.
func (h *host) drainByHand(t *testing.T) float64 {
	m := h.newMails(1)[0]
	paceMail(&m)
	content := strings.ReplaceAll(m.content, "\n", "\r\n")
	began := time.Now()
	k := h.open(t)
	for range queueLength {
		mail, _ := k.envelope(m.to[0])
		if mail[0] != '2' { // a limit of the session
			k.quit()
			k = h.open(t)
			k.envelope(m.to[0])
		}
		k.asks("DATA")
		if said := k.asks("%s.", content); said[0] != '2' {
			t.Fatalf("%s: %s", h.name, said)
		}
	}
	k.quit()
	return queueLength / time.Since(began).Seconds()
}

// peer prepares a machine with a mail program and a file that is the message.
func (h *host) peer(t *testing.T, packages, file string, users ...string) (m *machine, message string) {
	t.Helper()
	m = newMachine(t, h.cert, unpacked(t, packages, file), users...)
	one := h.newMails(1)[0]
	paceMail(&one)
	message = filepath.Join(m.dir, "message")
	write(t, message, one.content, 0o644)
	m.write("hostname", "peer.test\n")
	m.write("mailname", "peer.test\n")
	m.write("hosts", "127.0.0.1 localhost peer.test\n")
	return m, message
}

// timed runs a script in a machine and returns the messages in a second between its lines "began" and
// "ended N", which are functions of the script.
func (m *machine) timed(t *testing.T, script string) float64 {
	t.Helper()
	cmd := m.command(`
began() { date +%s.%N >` + m.dir + `/began; }
ended() { date +%s.%N >` + m.dir + `/ended; echo "$1" >` + m.dir + `/sent; }
# awaits N COMMAND...: until it prints N
awaits() { n=$1; shift; i=0; while [ "$("$@")" != "$n" ]; do sleep 0.02; i=$((i + 1)); [ $i -lt 15000 ] || exit 1; done; }
` + script)
	log := filepath.Join(m.dir, "log")
	output, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, tail([]byte(stage.Read(t, log)), 2000))
	}
	at := func(name string) float64 {
		seconds, err := strconv.ParseFloat(strings.TrimSpace(stage.Read(t, filepath.Join(m.dir, name))), 64)
		if err != nil {
			t.Fatal(err)
		}
		return seconds
	}
	return at("sent") / (at("ended") - at("began"))
}

func (h *host) drainMsmtp(t *testing.T) float64 {
	m, message := h.peer(t, "msmtp", "usr/bin/msmtp")
	return m.timed(t, fmt.Sprintf(`
began
i=0
while [ $i -lt %d ]; do
	msmtp --host=127.0.0.1 --port=%s --tls=off --auth=off -f me@example.org friend0@%s <%s
	i=$((i + 1))
done
ended %[1]d
`, queueLength, portOf(h.addr), h.domain, message))
}

// drainDma lets dma call the host from a process for each message, all at once. Those that a host did not
// take then try again after minutes: what has gone out in half a minute counts.
func (h *host) drainDma(t *testing.T) float64 {
	m, message := h.peer(t, "dma", "usr/sbin/dma")
	m.write("dma/dma.conf", fmt.Sprintf("SMARTHOST 127.0.0.1\nPORT %s\nMAILNAME peer.test\nDEFER\n", portOf(h.addr)))
	return m.timed(t, fmt.Sprintf(`
mkdir -p /var/spool/dma; chown root:mail /var/spool/dma; chmod 2775 /var/spool/dma
left() { ls /var/spool/dma | grep -c '^Q' || true; }
i=0
while [ $i -lt %d ]; do dma -f me@example.org friend0@%s <%s; i=$((i + 1)); done
awaits %[1]d left
began
dma -q &
i=0
until n=$(left); [ "$n" = 0 ] || [ $i = 300 ]; do sleep 0.1; i=$((i + 1)); done
ended $((%[1]d - n))
`, queueLength, h.domain, message))
}

func (h *host) drainPostfix(t *testing.T) float64 {
	m, message := h.peer(t, "postfix", "usr/lib/postfix/sbin/master", "postfix", "postdrop")
	m.write("postfix/main.cf", fmt.Sprintf(postfixConf, portOf(h.addr))+"myhostname = peer.test\nheader_checks = static:HOLD\n")
	_, services, _ := strings.Cut(postfixServices, "permit_sasl_authenticated,reject\n") // it does not listen
	m.write("postfix/master.cf", "pickup unix n - n 60 1 pickup\n"+services)
	m.write("postfix/bad", "")
	return m.timed(t, fmt.Sprintf(`
hostname peer.test
mkdir -p /var/lib/postfix /var/spool/postfix/pid /var/spool/postfix/maildrop /var/spool/postfix/public /var/spool/postfix/private
for dir in incoming active bounce corrupt defer deferred flush hold saved trace; do mkdir /var/spool/postfix/$dir; done
chown postfix /var/lib/postfix /var/spool/postfix/*
chown root /var/spool/postfix/pid
chgrp postdrop /var/spool/postfix/maildrop /var/spool/postfix/public
chmod 730 /var/spool/postfix/maildrop
chmod 710 /var/spool/postfix/public
/usr/lib/postfix/sbin/master -d &
until [ -S /var/spool/postfix/public/pickup ]; do sleep 0.1; done
held() { find /var/spool/postfix/hold -type f | wc -l; }
left() { cd /var/spool/postfix; find deferred active incoming -type f | wc -l; }
i=0
while [ $i -lt %d ]; do sendmail -f me@example.org friend0@%s <%s; i=$((i + 1)); done
awaits %[1]d held
postsuper -H ALL
began
postqueue -f
awaits 0 left
ended %[1]d
`, queueLength, h.domain, message))
}
