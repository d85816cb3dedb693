package spool

import (
	"os"
	"os/exec"
	"testing"
)

// elsewhereMachine lets a queue be on another machine.
func elsewhereMachine(q *Queue, hash string) *Queue {
	q.knowsMachine, q.machineHash = true, hash
	return q
}

// A copy of an entry is held, wherever it is, and its owner can adopt it.
func TestCopies(t *testing.T) {
	for name, bring := range map[string]func(t *testing.T, q *Queue, id string) *Queue{
		"to another queue": func(t *testing.T, q *Queue, id string) *Queue {
			other := newQueue(t)
			if out, err := exec.Command("cp", "-a", q.path(id), other.path(id)).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return other
		},
		"put back": func(t *testing.T, q *Queue, id string) *Queue {
			backup := t.TempDir() + "/backup"
			for _, args := range [][]string{{"cp", "-a", q.path(id), backup}, {"rm", "-r", q.path(id)}, {"cp", "-a", backup, q.path(id)}} {
				if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			return q
		},
		"on another machine": func(t *testing.T, q *Queue, id string) *Queue {
			return elsewhereMachine(again(t, q), "0123456789abcdef")
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := elsewhereMachine(newQueue(t), "fedcba9876543210")
			id := submit(t, q, "a@example.com")
			if f, err := os.Open(q.path(id + "/envelope")); err != nil {
				t.Fatal(err)
			} else if q.birth(int(f.Fd())) == 0 && name != "on another machine" {
				t.Skip("this file system does not tell when a file was made")
			}
			if m, err := q.Read(id); err != nil || m.Held || m.Foreign != "" {
				t.Fatalf("where it was made: %+v, %v", m, err)
			}
			there := bring(t, q, id)
			m, err := there.Read(id)
			if err != nil || !m.Held || m.Foreign == "" {
				t.Fatalf("the copy: %+v, %v", m, err)
			}
			if foreign, err := there.Adopt(id); !foreign || err != nil {
				t.Errorf("adopted: %v, %v", foreign, err)
			}
			for range 2 {
				if m, err := there.Read(id); err != nil || m.Held || m.Foreign != "" {
					t.Errorf("after that: %+v, %v", m, err)
				}
				if foreign, err := there.Adopt(id); foreign || err != nil {
					t.Errorf("adopted again: %v, %v", foreign, err)
				}
			}
		})
	}
}

// An entry that its owner held stays held when it is adopted, and release adopts.
func TestCopiesThatWereHeld(t *testing.T) {
	q := elsewhereMachine(newQueue(t), "fedcba9876543210")
	id := submit(t, q, "a@example.com")
	if err := q.SetHeld(id, true); err != nil {
		t.Fatal(err)
	}
	there := elsewhereMachine(again(t, q), "0123456789abcdef")
	if _, err := there.Adopt(id); err != nil {
		t.Error(err)
	}
	if m, _ := there.Read(id); !m.Held || m.Foreign != "" {
		t.Errorf("adopted: %+v", m)
	}
	if err := q.SetHeld(id, false); err != nil {
		t.Error(err)
	}
	if m, _ := q.Read(id); m.Held || m.Foreign != "" {
		t.Errorf("released where it was made: %+v", m)
	}
}

// Without a number of the machine, nothing is held for that; and an older program says nothing.
func TestOriginThatIsNotKnown(t *testing.T) {
	q := elsewhereMachine(newQueue(t), "")
	id := submit(t, q, "a@example.com")
	for _, hash := range []string{"", "0123456789abcdef"} {
		if m, err := elsewhereMachine(again(t, q), hash).Read(id); err != nil || m.Held {
			t.Errorf("%q: %+v, %v", hash, m, err)
		}
	}
	for _, origin := range []string{"", "fedcba9876543210-"} {
		m := &Message{Envelope: Envelope{Origin: origin}}
		elsewhereMachine(q, "fedcba9876543210").seeOrigin(m, q.fd)
		if m.Held {
			t.Errorf("an entry with the origin %q is held", origin)
		}
	}
}
