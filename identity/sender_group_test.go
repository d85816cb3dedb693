package identity

import "testing"

// Sender: is one mailbox (RFC 5322, 3.6.2), never a group.
func TestSenderIsNoGroup(t *testing.T) {
	for _, value := range []string{"Grp: a@b.example;", "Grp:a@b.example ;", "a@b.example;"} {
		if badSender(value) == "" {
			t.Errorf("%s is taken", value)
		}
	}
	for _, value := range []string{"a@b.example", "Ann <a@b.example>", `"Grp: x;" <a@b.example>`} {
		if text := badSender(value); text != "" {
			t.Errorf("%s: %s", value, text)
		}
	}
}
