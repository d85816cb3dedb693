package argv

import (
	"errors"
	"strings"
)

// The queue of esmtp-wrapper has sendmail's arguments joined by single blanks, so it is not
// always known where one ends. That is not guessed: such an entry is held, and its owner is told
// why.

var errAmbiguous = errors.New("where its arguments end is not known: send it by hand from the file mail, then remove it")

// Recorded reads the arguments as esmtp-wrapper recorded them.
func Recorded(cmd string) (*Invocation, error) {
	if strings.ContainsAny(cmd, "\n\r\x00") {
		return nil, errAmbiguous
	}
	// Arguments are joined by a single blank: between two in a row, there is an empty argument.
	args, err := joinName(strings.Split(cmd, " "))
	if err != nil {
		return nil, err
	}
	inv, err := Parse(args)
	if err != nil {
		return nil, err
	}
	if inv.Mode != Send {
		return nil, errors.New("its arguments ask for something else than sending a message")
	}
	for i, o := range inv.Operands {
		// There is a name before an address in angle brackets: it is two arguments or one
		// mailbox.
		if plainAngle(o) && i > 0 && !strings.Contains(inv.Operands[i-1], "@") {
			return nil, errAmbiguous
		}
		// It is a piece of a display name, of a list or of a quoted local part, which was one
		// argument.
		if o == "" || strings.ContainsAny(o, `"'(),;:\`) || strings.Contains(o, "<") && !plainAngle(o) {
			return nil, errAmbiguous
		}
	}
	return inv, nil
}

// plainAngle reports whether s is one address in angle brackets and nothing else.
func plainAngle(s string) bool {
	return len(s) > 2 && s[0] == '<' && s[len(s)-1] == '>' && strings.Count(s, "<") == 1 && strings.Contains(s, "@")
}

// joinName joins the words of a full name (-F) again, if the words up to the next option can be
// nothing else: recipients come last. A word that could also be a local recipient is an error.
func joinName(args []string) ([]string, error) {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		out = append(out, arg)
		if arg == "--" {
			return append(out, args[i+1:]...), nil
		}
		if !strings.HasPrefix(arg, "-F") {
			continue
		}
		if arg == "-F" && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
		end := i + 1
		for end < len(args) && !strings.HasPrefix(args[end], "-") && !strings.Contains(args[end], "@") {
			end++
		}
		if end == i+1 {
			continue
		}
		if end == len(args) || !strings.HasPrefix(args[end], "-") {
			return nil, errAmbiguous
		}
		out[len(out)-1] += " " + strings.Join(args[i+1:end], " ")
		i = end - 1
	}
	return out, nil
}
