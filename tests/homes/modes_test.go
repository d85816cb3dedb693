//go:build linux

package homes

import (
	"os"
	"testing"
)

// Somebody, or a program, has taken the modes of an entry away: nothing is sent of it, which deliver,
// mailq and the exit statuses say together with what helps; and what helps does.
func TestModesTakenAway(t *testing.T) {
	for _, c := range []struct {
		file string
		mode os.FileMode
		cure string
	}{
		{"envelope", 0o400, "esmtpq release "},
		{"envelope", 0, "chmod -R u+rwX "},
		{"envelope", 0o200, "chmod -R u+rwX "},
		{"mail", 0, "chmod -R u+rwX "},
		{".", 0, "chmod -R u+rwX "},
		{".", 0o600, "chmod -R u+rwX "},
	} {
		t.Run(c.file+" "+c.mode.String(), func(t *testing.T) {
			if os.Geteuid() == 0 && c.mode != 0o400 {
				t.Skip("root has every permission")
			}
			h := newHost(t)
			p := newPerson(t, t.TempDir(), h)
			for sent, helps := range []bool{true, false} {
				id := submit(p, letter, "a@example.net")
				at := p.Path(".esmtp_queue/" + id)
				if err := os.Chmod(at+"/"+c.file, c.mode); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					says(t, p.Try("", "deliver"), 75, id, c.cure)
				}
				says(t, p.Try("", "mailq"), 0, id, c.cure)
				says(t, p.Try("", "mailq", "--json"), 0, `"needs_you":true`, c.cure)
				says(t, p.Try("", "mailq", "--quiet"), 2)
				arrived(t, h, sent)
				if !helps {
					p.Run("", "esmtpq", "rm", id)
					gone(p)
					return
				}
				if c.mode == 0o400 {
					p.Run("", "esmtpq", "release", id)
				} else {
					run(t, "chmod", "-R", "u+rwX", at)
				}
				p.Deliver()
				arrived(t, h, 1)
			}
		})
	}
}
