package hosts

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Each of these functions measures one host for a table of the documents, and returns a row of it.

// offered is what EHLO says, in clear and behind TLS.
func (h *host) offered(t *testing.T) []string {
	k := h.newTalk(t, h.addr, false, nil)
	clear := k.offers()
	k.quit()
	if h.secure == "" {
		return []string{listed(clear), "no TLS"}
	}
	k = h.newTalk(t, h.secure, true, nil)
	var more []string
	for _, word := range k.offers() {
		if !slices.Contains(clear, word) {
			more = append(more, word)
		}
	}
	behind := "+ " + listed(more)
	if len(more) == 0 {
		behind = "the same"
	}
	k.logIn(h.password)
	before := k.offers()
	code := k.hello()
	switch after := k.offers(); {
	case code != 250:
		behind += fmt.Sprintf("; EHLO again %d", code)
	default:
		var more []string
		for _, word := range after {
			if !slices.Contains(before, word) && !strings.HasPrefix(word, "AUTH") {
				more = append(more, word)
			}
		}
		if len(more) > 0 {
			behind += "; after the login + " + listed(more)
		}
	}
	k.quit()
	return []string{listed(clear), behind}
}

func listed(words []string) string { return strings.Join(words, ", ") }

// limits are those of a message and of a session.
func (h *host) limits(t *testing.T) []string {
	size, tooBig := h.sizeLimit(t)
	most, next := h.recipients(t)
	messages, then := h.messages(t)
	return []string{size, tooBig, most, next, messages, then}
}

// open begins a session that may send mail.
func (h *host) open(t *testing.T) *talk {
	t.Helper()
	k := h.newTalk(t, h.addr, false, nil)
	if h.login {
		if said := k.logIn(h.password); said[:3] != "235" {
			t.Fatalf("%s: AUTH in clear: %s", h.name, said)
		}
		k.hello() // refused by one
	}
	return k
}

// sizeLimit returns what SIZE says, and the reply to MAIL with one more.
func (h *host) sizeLimit(t *testing.T) (size, tooBig string) {
	k := h.open(t)
	defer k.quit()
	number, there := k.parameters("SIZE")
	switch {
	case !there:
		return "-", "-"
	case number == "" || number == "0":
		return "no number", "-"
	}
	return number, k.asks("MAIL FROM:<me@example.org> SIZE=%s1", number)
}

// recipients returns how many a message may have, up to 1,500, and the reply to the next.
func (h *host) recipients(t *testing.T) (most, next string) {
	k := h.open(t)
	defer k.quit()
	k.asks("MAIL FROM:<me@example.org>")
	for n := range 1501 {
		if said := k.asks("RCPT TO:<%s>", h.good(n)); said[0] != '2' {
			return fmt.Sprint(n), said
		}
	}
	return "over 1500", "-"
}

// messages returns how many a session may have, up to 1,100, and the reply to the next.
func (h *host) messages(t *testing.T) (most, next string) {
	k := h.open(t)
	defer k.quit()
	enough := 1100
	if h.sluggish {
		enough = 200
	}
	m := h.newMails(1)[0]
	for n := range enough {
		mail, rcpt := k.envelope(m.to[0])
		if mail[0] != '2' || rcpt[0] != '2' {
			if !k.ended && k.asks("NOOP") != "closed" {
				return fmt.Sprint(n), mail + ", stays open"
			}
			return fmt.Sprint(n), mail + ", closes"
		}
		k.asks("DATA")
		if said := k.asks("%s.", strings.ReplaceAll(m.content, "\n", "\r\n")); said[0] != '2' {
			return fmt.Sprint(n), "end " + said
		}
	}
	return fmt.Sprintf("over %d", enough), "-"
}

// refusals are what a host makes of what it does not want.
func (h *host) refusals(t *testing.T) []string {
	k := h.open(t)
	k.asks("MAIL FROM:<me@example.org>")
	bad := k.asks("RCPT TO:<%s>", h.bad(1))
	data := k.asks("DATA")
	if data[:3] == "354" {
		k.asks(".")
	}
	k.asks("RSET")
	k.asks("MAIL FROM:<me@example.org>")
	again := k.asks("MAIL FROM:<me@example.org>")
	k.quit()
	k = h.open(t)
	unknown := 0
	for unknown < 30 && !k.ended {
		if k.asks("XYZZY"); !k.ended {
			unknown++
		}
	}
	most := fmt.Sprint(unknown)
	if unknown == 30 {
		most = "over 30"
	}
	k.quit()
	return []string{bad, data, again, most}
}

// tickets is a cache that counts what it gets.
type tickets struct {
	tls.ClientSessionCache
	n int
}

func (c *tickets) Put(key string, state *tls.ClientSessionState) {
	if state != nil {
		c.n++
	}
	c.ClientSessionCache.Put(key, state)
}

// handshake is what TLS comes to with the defaults of Go.
func (h *host) handshake(t *testing.T) []string {
	if h.secure == "" {
		return []string{"fails", "-", "-", "-", "-"}
	}
	cache := &tickets{ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	k := h.newTalk(t, h.secure, true, cache)
	first := k.state
	k.quit()
	got := cache.n
	k = h.newTalk(t, h.secure, true, cache)
	resumed := k.state.DidResume
	k.quit()
	said := yes(resumed)
	if h.fleeting {
		for i := 0; i < 20 && !resumed; i++ { // on a busy machine two sessions may be farther apart
			resumed = h.resumes(t, cache)
		}
		said = map[bool]string{true: "within a second", false: "no"}[resumed]
	}
	return []string{tls.VersionName(first.Version), first.CurveID.String(), fmt.Sprint(got), said, yes(k.asked)}
}

// resumes begins a session, and another one right behind it, and reports whether that resumes it.
func (h *host) resumes(t *testing.T, cache tls.ClientSessionCache) bool {
	h.newTalk(t, h.secure, true, cache).quit()
	k := h.newTalk(t, h.secure, true, cache)
	k.quit()
	return k.state.DidResume
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// logins are what a host offers, takes and means at AUTH.
func (h *host) logins(t *testing.T) []string {
	if h.secure == "" {
		return []string{"-", "-", "-", "-", "-", "-", "-", "-"}
	}
	k := h.newTalk(t, h.secure, false, nil)
	clear, there := k.parameters("AUTH")
	inClear := k.logIn(h.password)
	k.quit()
	if !there {
		clear = "-"
	}
	behind := func() *talk { return h.newTalk(t, h.secure, true, nil) }
	k = behind()
	offered, _ := k.parameters("AUTH")
	wrong := k.logIn("wrong-horse")
	if k.asks("NOOP")[0] != '2' {
		wrong += ", closes"
	}
	k.quit()
	k = behind()
	empty := k.asks("AUTH PLAIN =")
	k.quit()
	k = behind()
	mail, rcpt := k.envelope(h.stranger())
	if rcpt != "" {
		mail += ", RCPT " + rcpt
	}
	k.quit()
	k = behind()
	k.logIn(h.password)
	twice := k.logIn(h.password)
	k.quit()
	return []string{sorted(clear), inClear, sorted(offered), h.prompts(behind()), wrong, empty, mail, twice}
}

// stranger is a recipient for whom a host wants a login.
func (h *host) stranger() string {
	if h.abroad != "" {
		return "friend@" + h.abroad
	}
	return h.good(0)
}

func sorted(mechanisms string) string {
	words := strings.Fields(mechanisms)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// prompts returns what AUTH LOGIN asks for, and ends the session without an answer to the last: to a
// client that cancels, qpsmtpd says nothing.
func (h *host) prompts(k *talk) string {
	defer k.conn.Close()
	var asked []string
	line := "AUTH LOGIN"
	for range 2 {
		code, text := k.say("%s", line)
		if code != 334 {
			return brief(code, text)
		}
		prompt, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return "not base64"
		}
		asked = append(asked, fmt.Sprintf("%q", prompt))
		line = base64.StdEncoding.EncodeToString([]byte(h.user))
	}
	return strings.Join(asked, " ")
}
