package smtp

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const (
	lockstep  = "S: 220 mx\nC: EHLO client.example.org\nS: 250 mx\n"
	pipelined = "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx\nS: 250 PIPELINING\n"
	chunking  = "S: 220 mx\nC: EHLO client.example.org\nS: 250-mx\nS: 250-PIPELINING\nS: 250 CHUNKING\n"

	// envelope is an envelope to a@example.net in lockstep, and contentX its content.
	envelope = "C: MAIL FROM:<me@example.org>\nS: 250 ok\nC: RCPT TO:<a@example.net>\nS: 250 ok\nC: DATA\nS: 354 go on\n"
	contentX = "C: x\nC: .\n"
	// flight is the same in one flight, without its replies.
	flight = "C: MAIL FROM:<me@example.org>\nC: RCPT TO:<a@example.net>\nC: DATA\n"
	taken  = "mail 250 rcpt 250 end 250 all sent"
)

// toA makes n messages to a@example.net.
func toA(n int) []*Message {
	var all []*Message
	for range n {
		all = append(all, mail("x", "a@example.net"))
	}
	return all
}

// A line that is no reply is skipped wherever a reply is due: the message is not sent again.
func TestNoiseInTransaction(t *testing.T) {
	for _, noise := range []string{"S: \n", "S: hm\nS: \n", strings.Repeat("S: \n", 16)} {
		c, s := opened(t, lockstep+"C: MAIL FROM:<me@example.org>\n"+noise+"S: 250 ok\nC: RCPT TO:<a@example.net>\n"+noise+
			"S: 250 ok\nC: DATA\n"+noise+"S: 354 go on\n"+contentX+noise+"S: 250 ok\n"+envelope+contentX+noise+"S: 250 ok\n"+goodbye)
		got, err := carry(t, c, toA(2)...)
		expect(t, got, taken+"\n"+taken)
		if err != nil {
			t.Errorf("%q: %v", noise, err)
		}
		c.Quit()
		s.end()
	}
	c, _ := opened(t, lockstep+envelope+contentX+strings.Repeat("S: \n", 17)+"! hang")
	got, err := carry(t, c, toA(1)...)
	expect(t, got, "mail 250 rcpt 250 end - all sent first (garbage at the end of the message)")
	failed(t, err, KindGarbage, StageEnd, "mx.example.org sent line after line without a reply code")
}

// An empty line after a reply is no reply to the next command.
func TestEmptyLineBetween(t *testing.T) {
	c, _ := opened(t, lockstep+strings.Replace(envelope, "S: 250 ok\n", `S" "250 ok\r\n\r\n"`+"\n", 2)+contentX+"S: 250 ok\n"+goodbye)
	got, err := carry(t, c, toA(1)...)
	expect(t, got, taken)
	if err != nil {
		t.Error(err)
	}
	c.Quit()
}

// MAILMAX counts each MAIL of the session, the refused too. What is drawn beyond stays with the
// feed, QUIT follows.
func TestWorn(t *testing.T) {
	limited := strings.Replace(lockstep, "250 mx", "250-mx\nS: 250 LIMITS MAILMAX=2 RCPTMAX=100", 1)
	c, _ := opened(t, limited+"C: MAIL FROM:<me@example.org>\nS: 550 5.7.1 no\nC: RSET\nS: 250 ok\n"+envelope+contentX+"S: 250 ok\n"+goodbye)
	if c.MaxMessages != 2 || c.Worn() {
		t.Errorf("%d messages, worn %v", c.MaxMessages, c.Worn())
	}
	f := &testFeed{t: t, left: toA(3)}
	if err := c.Carry(f); err != nil {
		t.Error(err)
	}
	if !c.Worn() || c.Begun != 2 || len(f.left) != 1 || len(f.all) != 2 {
		t.Errorf("worn %v, %d begun, %d left, %d results", c.Worn(), c.Begun, len(f.left), len(f.all))
	}
	c.Quit()
}

// A caller's limit counts like the host's, and 0 is no limit.
func TestOwnLimit(t *testing.T) {
	c, _ := opened(t, lockstep+envelope+contentX+"S: 250 ok\n"+goodbye)
	if c.MaxMessages != 0 || c.Worn() {
		t.Errorf("%d messages", c.MaxMessages)
	}
	c.MaxMessages = 1
	f := &testFeed{t: t, left: toA(2)}
	if err := c.Carry(f); err != nil || len(f.left) != 1 || !c.Worn() {
		t.Errorf("%v, %d left", err, len(f.left))
	}
	c.Quit()
}

// chunk is what is sent for a message by BDAT whose content is x and its line end.
const chunk = "C: MAIL FROM:<me@example.org>\nC: RCPT TO:<a@example.net>\nC: BDAT 1\nC: xBDAT 2 LAST\nC: \nC: RSET\n"

// inChunks makes n messages that are sent by BDAT.
func inChunks(n int) []*Message {
	all := toA(n)
	for _, m := range all {
		m.Chunks = true
	}
	return all
}

// Messages in chunks count, too, when they are in flight together.
func TestWornInFlight(t *testing.T) {
	c, _ := opened(t, strings.Replace(chunking, "250 CHUNKING", "250-CHUNKING\nS: 250 LIMITS MAILMAX=2", 1)+
		chunk+chunk+strings.Repeat("S: 250 ok\n", 10)+goodbye)
	f := &testFeed{t: t, left: inChunks(5)}
	if err := c.Carry(f); err != nil {
		t.Error(err)
	}
	if c.Begun != 2 || len(f.left) != 3 || len(f.all) != 2 || f.all[1].End == nil {
		t.Errorf("%d begun, %d left, %d results", c.Begun, len(f.left), len(f.all))
	}
	c.Quit()
}

// A message that was drawn while another was in flight, and is beyond the limit, comes back
// untouched.
func TestWornPending(t *testing.T) {
	c, _ := opened(t, strings.Replace(chunking, "250 CHUNKING", "250-CHUNKING\nS: 250 LIMITS MAILMAX=1", 1)+
		chunk+strings.Repeat("S: 250 ok\n", 5)+goodbye)
	c.MaxMessages = 2
	all := append(inChunks(1), toA(1)...)
	all[0].To[0].Address = "a@example.net"
	f := &testFeed{t: t, left: all}
	c.Begun = 1 // as if another message had gone before
	if err := c.Carry(f); err != nil {
		t.Error(err)
	}
	for i := range f.all {
		if r := &f.all[i]; i > 0 && (r.Err != nil || r.Mail != nil || r.Sent != SentNothing) {
			t.Errorf("%s", showResult(r))
		}
	}
	if len(f.all)+len(f.left) != 2 || c.Begun != 2 {
		t.Errorf("%d results, %d left, %d begun", len(f.all), len(f.left), c.Begun)
	}
	c.Quit()
}

// TestProbe: what a host does with a chunk that it refuses, and whether its words are steady.
func TestProbe(t *testing.T) {
	const asked = "C: BDAT 6 LAST\nC: NOOP\nC: RSET\nC: BDAT 6 LAST\nC: NOOP\nC: RSET\n"
	for _, c := range []struct {
		name, answer string
		kind         Kind // "" for success
		steady       bool
	}{
		{"drains", "S: 503 no\nS: 250 2.0.0 flushed\nS: 503 no\nS: 250 2.0.0 flushed\n" + goodbye, "", true},
		{"drains, with a name in its words", "S: 503 no\nS: 250 reset 1a2b\nS: 503 no\nS: 250 reset 3c4d\n" + goodbye, "", true},
		{"drains, other words each time", "S: 554 no\nS: 250 fine\nS: 554 no\nS: 250 good\n" + goodbye, "", false},
		{"takes the chunk for a command", "S: 503 no\nS: 250 noop\nS: 250 reset\nS: 503 no\nS: 250 noop\nS: 250 reset\n! hang", KindGarbage, false},
		{"does not refuse", "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\n! hang", KindGarbage, false},
		{"refuses for now", "S: 450 no\n! hang", KindGarbage, false},
		{"421", "S: 421 no\n! close", KindReply, false},
		{"closes", "S: 503 no\nS: 250 ok\n! close", KindLost, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, _ := opened(t, chunking+asked+c.answer)
			err := conn.Probe()
			if c.kind != "" {
				failed(t, err, c.kind, StageProbe, "")
				conn.Abort()
				return
			}
			if err != nil || conn.Steady != c.steady {
				t.Errorf("%v, steady %v", err, conn.Steady)
			}
			conn.Quit()
		})
	}
}

// The reply to the RSET after a message by BDAT has the known words, or we are out of step.
// Messages that were confirmed by then stay confirmed, whether or not the next replies came
// together with theirs.
func TestSteady(t *testing.T) {
	const first = `250 sender ok\r\n250 rcpt ok\r\n250 chunk ok\r\n250 queued 1a\r\n250 flushed\r\n`
	for _, c := range []struct{ name, second, want string }{
		{"in step", `S" "` + first + first + `"` + "\n" + goodbye, taken},
		{"out of step, at once", `S" "` + first + `250 more\r\n` + first + `"` + "\n! hang",
			"mail 250 rcpt 250 end 250 all sent untrusted first (garbage at RSET)"},
		{"out of step, and lost", `S" "` + first + `250 sender ok\r\n250 sender ok\r\n250 rcpt ok\r\n250 chunk ok\r\n"` + "\n! shut",
			"mail 250 rcpt 250 end 250 all sent untrusted first (lost at RSET)"},
		{"in step, and lost", `S" "` + first + strings.TrimSuffix(first, `250 flushed\r\n`) + `"` + "\n! shut", taken + " first (lost at RSET)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, _ := opened(t, chunking+chunk+chunk+c.second)
			conn.Steady, conn.reset = true, "250  flushed" // as Probe leaves it
			got, err := carry(t, conn, inChunks(2)...)
			expect(t, got, taken+"\n"+c.want)
			if err == nil {
				conn.Quit()
			}
		})
	}
}

// Behind the first message by BDAT a command without a message shows whether the host gives each
// command one reply.
func TestCheck(t *testing.T) {
	const checked = chunk + "C: BDAT 6 LAST\nC: NOOP\nC: RSET\n"
	const answers = "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\n"
	for _, c := range []struct{ script, want string }{
		{checked + answers + "S: 503 no\nS: 250 ok\n" + chunk + answers + goodbye, taken + "\n" + taken},
		// Every BDAT LAST has two replies: the refused recipient's message must not count as sent.
		{checked + "S: 250 ok\nS: 550 no\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 503 no\nS: 250 ok\n! hang",
			"mail 250 rcpt 550 end 250 all sent untrusted first (garbage at a probe)"},
		{checked + answers + "S: 250 ok\nS: 503 no\nS: 250 ok\n! hang",
			taken + " untrusted first (garbage at a probe)"},
	} {
		conn, _ := opened(t, chunking+c.script)
		all := inChunks(2)
		all[0].Check = true
		f := &testFeed{t: t, left: all}
		err := conn.Carry(f)
		var got []string
		for i := range f.all {
			got = append(got, showResult(&f.all[i]))
		}
		expect(t, got, c.want)
		if err == nil {
			conn.Quit()
		} else if len(f.left) != 1 {
			t.Errorf("%d not drawn: something was sent behind a message that was to be checked", len(f.left))
		}
	}
}

// Never an empty message: where the host asks for the content of what it has refused, the
// connection is dropped.
func TestContentOfRefused(t *testing.T) {
	for _, replies := range []string{
		"S: 503 already have MAIL\nS: 250 ok\nS: 354 go on\n",
		"S: 250 ok\nS: 550 no\nS: 354 go on\n",
	} {
		c, _ := opened(t, pipelined+flight+replies)
		f := &testFeed{t: t, left: toA(1)}
		err := c.Carry(f)
		failed(t, err, KindGarbage, StageDATA, "mx.example.org asks for the content of a message that it has refused")
		if len(f.ended) > 0 || len(f.all) != 1 || f.all[0].Sent != SentNothing {
			t.Errorf("%d ended, %+v", len(f.ended), f.all)
		}
	}
}

// A content that cannot be read to its end is not completed, in either framing; where nothing of it
// was sent the session goes on.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name, script string
		chunks, open bool
		first        string
	}{
		{"DATA", pipelined + flight + "S: 250 ok\nS: 250 ok\nS: 354 go on\nC: x\n", false, false, "mail 250 rcpt 250 end - part sent..."},
		{"in the first chunk", chunking + chunk + "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\n" + goodbye, true, false,
			"mail - rcpt - end - nothing sent (content at preparation)"},
		{"cannot be opened", pipelined + flight + "S: 250 ok\nS: 250 ok\nS: 354 go on\nC: x\nC: .\nS: 250 ok\n" + goodbye, false, true,
			"mail - rcpt - end - nothing sent (content at preparation)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, _ := opened(t, c.script)
			all := toA(2)
			all[0].Body = damaged{open: c.open}
			all[0].Chunks, all[1].Chunks = c.chunks, c.chunks
			f := &testFeed{t: t, left: all}
			err := conn.Carry(f)
			var got []string
			for i := range f.all {
				got = append(got, showResult(&f.all[i]))
			}
			if err == nil {
				expect(t, got, c.first+"\n"+taken)
				conn.Quit()
				return
			}
			failed(t, err, KindContent, StageLocal, "the content cannot be read to its end: damaged")
			expect(t, got, c.first)
			if len(f.ended) > 0 {
				t.Error("its end was announced")
			}
		})
	}
}

// damaged is a content that cannot be opened, or ends in an error.
type damaged struct{ open bool }

func (damaged) WireSize() int64 { return 3 }
func (d damaged) Open() (io.ReadCloser, error) {
	if d.open {
		return nil, errors.New("damaged")
	}
	return io.NopCloser(io.MultiReader(strings.NewReader("x\n"), iotest.ErrReader(errors.New("damaged")))), nil
}

// TestEndingRefused: an error of Ending keeps the end of a message from being sent.
func TestEndingRefused(t *testing.T) {
	for _, c := range []struct {
		script string
		chunks bool
	}{
		{pipelined + flight + "S: 250 ok\nS: 250 ok\nS: 354 go on\n! hang", false},
		{chunking + "C: MAIL FROM:<me@example.org>\nC: RCPT TO:<a@example.net>\nC: BDAT 1\nS: 250 ok\nS: 250 ok\nS: 250 ok\n" +
			"! hang", true},
	} {
		conn, _ := opened(t, c.script)
		m := toA(1)
		m[0].Chunks = c.chunks
		f := &testFeed{t: t, left: m, refuse: errors.New("disk is full")}
		err := conn.Carry(f)
		failed(t, err, KindFeed, StageLocal, "disk is full")
		if len(f.all) != 1 || f.all[0].Sent == SentAll || f.all[0].End != nil {
			t.Errorf("%+v", f.all)
		}
	}
}
