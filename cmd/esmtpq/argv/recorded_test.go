package argv

import (
	"reflect"
	"testing"
)

// What esmtp-wrapper wrote into cmd, and the arguments that it was.
func TestLegacyCommands(t *testing.T) {
	for _, tt := range []struct {
		cmd      string
		operands []string
		from     *string
		name     string
	}{
		{"bob@example.org", []string{"bob@example.org"}, nil, ""},
		{"-oem -oi -- a@x b@x", []string{"a@x", "b@x"}, nil, ""},
		{"-i -f me@x a@x", []string{"a@x"}, ptr("me@x"), ""},
		{"-f  -i bob@x", []string{"bob@x"}, ptr(""), ""}, // an empty argument between two blanks
		{"-FCronDaemon -i -B8BITMIME -oem root", []string{"root"}, nil, "CronDaemon"},
		{"-F Full Name -i bob@x", []string{"bob@x"}, nil, "Full Name"}, // nothing else can be before an option
		{"-FFull Middle Name -f me@x bob@x", []string{"bob@x"}, ptr("me@x"), "Full Middle Name"},
		{"-F Name bob@x", []string{"bob@x"}, nil, "Name"},
		{"<bob@x>", []string{"<bob@x>"}, nil, ""},
		{"-oi -t", nil, nil, ""},
	} {
		inv, err := Recorded(tt.cmd)
		if err != nil {
			t.Errorf("%q: %v", tt.cmd, err)
			continue
		}
		if !reflect.DeepEqual(inv.Operands, tt.operands) || !reflect.DeepEqual(inv.ReversePath, tt.from) || inv.FullName != tt.name {
			t.Errorf("%q: recipients %q, name %q", tt.cmd, inv.Operands, inv.FullName)
		}
	}
}

// These are never guessed.
func TestLegacyCommandsHeld(t *testing.T) {
	for _, cmd := range []string{
		"-F Full Name bob@x",  // is Name a local recipient?
		"-F Full Name",        // the same
		"Bob Builder <bob@x>", // one argument, or three?
		"a@x, b@x",            // one list, or two arguments
		`"a b"@x`,
		"bob@x\n-f evil@x",
		"-Z bob@x", "-bp", "-q",
		"bob@x ", // an empty recipient
	} {
		if inv, err := Recorded(cmd); err == nil {
			t.Errorf("%q was read as %+v", cmd, inv)
		}
	}
}

func FuzzLegacyCommand(f *testing.F) {
	for _, s := range []string{"bob@x", "-F Full Name -i bob@x", "-f  -i bob@x", "a@x, b@x", "-t", "-- -x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cmd string) {
		inv, err := Recorded(cmd)
		if err == nil && inv.Mode != Send {
			t.Errorf("%q: something else than a message", cmd)
		}
	})
}
