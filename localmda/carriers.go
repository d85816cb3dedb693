package localmda

import (
	"slices"
	"strings"
)

// carriers are what carries a name from one command of a line to another. What is written to a
// file is not followed.
type carriers struct {
	variables map[string]bool // set from a name
	named     bool            // a name occurs in the line
	written   bool            // a command with a name writes to a file
}

// count returns how much is known. It only grows.
func (k *carriers) count() int {
	n := len(k.variables)
	if k.named {
		n++
	}
	if k.written {
		n++
	}
	return n
}

func (k *carriers) set(name string) {
	if name != "" {
		k.variables[name] = true
	}
}

func (k *carriers) has(name string) bool { return name == senderVariable || k.variables[name] }

// variable returns the name of a variable that a text begins with; "" if there is none.
func variable(text string) string {
	n := strings.IndexFunc(text, func(r rune) bool { return !isNameRune(r) })
	if n < 0 {
		n = len(text)
	}
	if n > 0 && '0' <= text[0] && text[0] <= '9' {
		return ""
	}
	return text[:n]
}

func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}

// runVariables are the variables whose values are run, or say what is.
var runVariables = []string{"BASH_ENV", "ENV", "PS4", "PROMPT_COMMAND", "PATH", "IFS", "SHELL", "LD_PRELOAD", "LD_LIBRARY_PATH",
	"PERL5OPT", "PERL5LIB", "PYTHONPATH", "PYTHONSTARTUP", "RUBYOPT", "NODE_OPTIONS", "GIT_SSH_COMMAND"}

// assigned notes the variables that a command sets from a name, and returns what is wrong with
// that. Every word name=value counts, so that env, export and local need no table.
func (s *scanner) assigned(w []word) (wrong string) {
	for _, a := range w {
		name := variable(a.text)
		rest := strings.TrimPrefix(a.text[len(name):], "+")
		if !a.named || !strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, "[") {
			continue
		}
		if s.known.set(name); slices.Contains(runVariables, name) {
			wrong = refusal("what reads "+name, "choose another variable")
		}
	}
	for len(w) > 0 && isKeyword(w[0]) {
		w = w[1:]
	}
	if len(w) == 0 {
		return wrong
	}
	named := slices.ContainsFunc(w, word.isNamed)
	switch args := w[1:]; w[0].text {
	case "for", "select":
		if bare := len(args) == 1; len(args) > 0 && (named || bare && s.parameters) {
			s.known.set(variable(args[0].text))
		}
	case "read", "mapfile", "readarray":
		if s.known.named { // where its input comes from is not followed
			s.known.set("REPLY")
			s.known.set("MAPFILE")
			s.setAll(args)
		}
	case "printf":
		if named && len(args) > 1 && args[0].text == "-v" {
			s.known.set(variable(args[1].text))
		}
	case "getopts":
		if named || s.parameters {
			s.known.set("OPTARG")
			s.setAll(args)
		}
	}
	return wrong
}

func (s *scanner) setAll(args []word) {
	for _, a := range args {
		s.known.set(variable(a.text))
	}
}

// texts reads the texts that a command hands to a second shell, and returns what is wrong with
// them. The variables reach that shell by the environment, and the words behind a text as its
// parameters.
func (s *scanner) texts(w []word) string {
	for i, program := range w {
		args := w[i+1:]
		switch {
		case program.is("eval", "trap") && i == 0:
			var text strings.Builder
			for _, a := range args {
				text.WriteString(a.text + " ")
			}
			return s.textOf(text.String(), s.parameters)
		case program.is(shells...) || program.is("su", "runuser") || program.expanded && program.text == "" && i == 0:
			for j, a := range args {
				if j > 0 && isText(args[:j]) && !strings.HasPrefix(a.text, "-") {
					return s.textOf(a.text, slices.ContainsFunc(args[j+1:], word.isNamed))
				}
			}
		}
	}
	return ""
}

// isText reports whether the options end with one after which the text of a program comes.
func isText(options []word) bool {
	return slices.ContainsFunc(options, func(o word) bool {
		return len(o.text) > 1 && o.text[0] == '-' && (o.text[1] != '-' && strings.Contains(o.text, "c") || strings.HasSuffix(o.text, "-command"))
	})
}

// textOf reads the text of a second shell, and returns what is wrong with it. What cannot be
// read is left alone.
func (s *scanner) textOf(text string, parameters bool) string {
	inner := scanner{in: text, depth: s.depth, known: s.known, parameters: parameters}
	if inner.nested(inner.plain, 0) != nil {
		return ""
	}
	inner.endCommand()
	return inner.second
}
