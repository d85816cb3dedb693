package localmda

import (
	"slices"
	"strings"
)

// A word is a word of a command, as the shell will hand it to the program.
type word struct {
	text     string // without its expansions
	named    bool   // %T or %F, or what they become, is in it
	expanded bool   // something is expanded in it
}

// words are the words of a simple command, as they are read.
type words struct {
	all     []word
	open    bool // the last one of all is not at its end
	target  bool // the next one is the file of a redirection
	piped   bool // standard input is the output of the command before
	before  bool // a name occurred in an earlier command of the same substitution
	written bool // the output goes to a file
}

// last returns the word being read, a new one if there is none.
func (w *words) last() *word {
	if !w.open {
		w.all, w.open = append(w.all, word{}), true
	}
	return &w.all[len(w.all)-1]
}

func (w *words) add(text string) { w.last().text += text }
func (w *words) name()           { w.last().named = true }

func (w *words) expansion(named bool) {
	l := w.last()
	l.expanded, l.named = true, l.named || named
}

// end ends the word being read. The file of a redirection is no word of the command.
func (w *words) end() {
	if w.open && w.target {
		if w.written && w.all[len(w.all)-1].text == "/dev/null" {
			w.written = false
		}
		w.all, w.target = w.all[:len(w.all)-1], false
	}
	w.open = false
}

// redirect begins a redirection. A number right before it is that of a descriptor.
func (w *words) redirect() {
	if w.open && w.last().isNumber() {
		w.all, w.open = w.all[:len(w.all)-1], false
	}
	w.end()
	w.target = true
}

// named reports whether a name is in one of the words.
func (w *words) named() bool { return slices.ContainsFunc(w.all, word.isNamed) }

// isNumber reports whether the word is a number.
func (w word) isNumber() bool {
	return w.text != "" && strings.Trim(w.text, "0123456789") == "" && !w.named && !w.expanded
}

func (w word) isNamed() bool { return w.named }

// is reports whether the word is the name or path of one of the programs.
func (w word) is(programs ...string) bool {
	return !w.named && slices.Contains(programs, w.base())
}

// base returns the word without directories.
func (w word) base() string { return w.text[strings.LastIndexByte(w.text, '/')+1:] }

// option reports whether the word is an option with one of the letters at its end.
func (w word) option(letters string) bool {
	n := len(w.text)
	return n > 1 && w.text[0] == '-' && strings.IndexByte(letters, w.text[n-1]) >= 0
}

// endCommand judges the simple command that has been read, and begins the next.
func (s *scanner) endCommand() {
	named := s.words.named()
	s.words.end()
	w := &s.words
	s.known.named = s.known.named || named
	s.known.written = s.known.written || named && w.written
	s.note(s.assigned(w.all))
	for len(w.all) > 0 && isKeyword(w.all[0]) {
		w.all = w.all[1:]
	}
	fed := w.piped && s.named || s.hereDocument && s.known.named
	s.note(secondReader(w.all, fed))
	s.note(s.texts(w.all))
	s.remarks = append(s.remarks, remarks(w.all, s.known.written)...)
	s.named = s.named || named
	s.words = words{before: s.words.before || named}
}

// note keeps the first thing that is wrong.
func (s *scanner) note(wrong string) {
	if s.second == "" {
		s.second = wrong
	}
}

// isKeyword reports whether a command begins only behind the word.
func isKeyword(w word) bool {
	name, _, assigned := strings.Cut(w.text, "=")
	if assigned && name != "" && variable(name) == name {
		return true
	}
	return !w.named && !w.expanded &&
		slices.Contains([]string{"if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "exec", "command"}, w.text)
}

var shells = []string{"sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "lksh", "pdksh", "oksh", "zsh", "yash", "posh", "rbash", "csh", "tcsh", "fish"}

// An interpreter is a program that takes a text for a program: a shell, in the end.
type interpreter struct {
	names   []string
	options string   // letters of options that the text follows
	long    []string // the same, long
	first   bool     // without these options, the first argument is the text
	values  string   // options with a value that is no text
	runs    bool     // it also runs another command
	script  bool     // a first argument that is no option is a script, and the options behind it are the script's
	instead string   // what to write
}

const (
	asParameter = `hand it over as a parameter: sh -c 'procmail -d "$1"' sh %T`
	asArgument  = "hand it over as an argument behind the program's text"
	noShell     = "run the agent itself, or a script that gets %T as an argument"
)

var interpreters = []interpreter{
	{names: []string{"su", "runuser"}, options: "c", long: []string{"--command", "--session-command"}, instead: `hand it over as a parameter: su joe -c 'procmail -d "$1"' -- sh %T`},
	{names: []string{"script", "flock"}, options: "c", long: []string{"--command"}, runs: true, instead: noShell},
	{names: []string{"env"}, options: "S", long: []string{"--split-string"}, runs: true, instead: "leave out -S"},
	{names: []string{"perl", "ruby"}, options: "eE", script: true, instead: asArgument},
	{names: []string{"python", "python2", "python3", "pypy3"}, options: "c", script: true, instead: asArgument},
	{names: []string{"php"}, options: "rBRE", long: []string{"--run"}, script: true, instead: asArgument},
	{names: []string{"node", "nodejs", "deno"}, options: "ep", long: []string{"--eval", "--print"}, script: true, instead: asArgument},
	{names: []string{"lua", "luajit", "guile", "tclsh"}, options: "ec", long: []string{"--eval"}, script: true, instead: asArgument},
	{names: []string{"gdb", "lldb"}, options: "xo", long: []string{"-eval-command", "--eval-command", "-init-eval-command", "--init-eval-command", "--command", "-command", "--one-line"}, instead: noShell},
	{names: []string{"tar", "gtar", "bsdtar"}, options: "IF", long: []string{"--to-command", "--checkpoint-action", "--use-compress-program", "--rsh-command", "--info-script", "--new-volume-script"}, instead: noShell},
	{names: []string{"rsync"}, options: "e", long: []string{"--rsh", "--rsync-path"}, instead: noShell},
	{names: []string{"nc", "ncat"}, options: "ce", long: []string{"--sh-exec", "--exec"}, instead: noShell},
	{names: []string{"julia", "Rscript", "R", "gnuplot", "expect", "osascript", "pwsh", "lftp", "dc", "mutt", "neomutt"}, options: "ecE", long: []string{"--eval", "--expression"}, script: true, instead: asArgument},
	{names: []string{"mysql", "mariadb", "psql"}, options: "ec", long: []string{"--execute", "--command"}, instead: noShell},
	{names: []string{"emacs"}, options: "ec", long: []string{"--eval"}, instead: asArgument},
	{names: []string{"sed", "gsed"}, options: "e", long: []string{"--expression"}, first: true, values: "l", instead: "use formail, or a script that gets %T as an argument"},
	{names: []string{"awk", "gawk", "mawk", "nawk", "original-awk"}, options: "e", long: []string{"--source"}, first: true, values: "vF", instead: `use ARGV or a variable: awk -v name=%T 'text'`},
}

// Programs that join their arguments to a line for a shell, or read one from their input.
var (
	evaluators   = []string{"eval", "trap", "alias", ".", "source", "sg", "parallel", "xargs", "tmux", "make", "gmake", "ninja", "vi", "vim", "nvim", "ex", "sqlite3", "socat", "xterm"}
	builtins     = []string{"eval", "trap", "alias", ".", "source", "ex", "make"} // only as the first word: "find ." runs nothing
	remoteShells = []string{"ssh", "slogin", "rsh", "remsh", "autossh", "mosh", "dbclient", "plink"}
	inputReaders = []string{"xargs", "parallel", "at", "batch"}
)

// secondReader says what is wrong with a simple command in which a name would become part of a
// program text that something else than the line's own shell reads: quotes protect it from the one
// shell only. What the author of a mail has put into his address would be run. fed says that its
// standard input may have a name in it. The text is "" if nothing is wrong.
func secondReader(w []word, fed bool) string {
	if len(w) == 0 {
		return ""
	}
	if w[0].named {
		return "the name itself would be run as a command: %T and %F can only be arguments"
	}
	for i := range w {
		text := readBy(w[i], w[i+1:], i == 0, fed)
		if text != "" || takesRest(w[i]) {
			return text
		}
	}
	return ""
}

// takesRest reports whether the words behind a program are its own, or those of the text it reads.
func takesRest(program word) bool {
	return program.is(shells...) || slices.ContainsFunc(interpreters, func(in interpreter) bool { return !in.runs && program.is(in.names...) })
}

// readBy is secondReader for one word that may be a program, and those behind it.
func readBy(program word, args []word, first, fed bool) string {
	handed := slices.ContainsFunc(args, word.isNamed)
	switch {
	case program.is(shells...) || first && program.expanded && (program.text == "" || program.text == "SHELL"):
		return shellReads(program, args, fed)
	case program.is(inputReaders...) && fed:
		return refusal(program.text, noShell)
	case !handed:
		return ""
	case program.is(evaluators...) && (first || !program.is(builtins...)):
		return refusal(program.text, "leave out "+program.text+", or put the line into a script that gets %T as an argument")
	case program.is(remoteShells...):
		return refusal(program.text+", whose far end has a shell", "write the user's name into the line, without %T and %F")
	case program.is("watch") && !slices.ContainsFunc(ownOptions(args, "nq"), isExec):
		return refusal(program.text, "write watch -x, or leave it out")
	case program.is("sudo", "doas") && slices.ContainsFunc(ownOptions(args, "ugUhpCDRrtT"), isLoginShell):
		return refusal(program.text+" -s or -i", "leave out that option")
	}
	for _, in := range interpreters {
		if program.is(in.names...) && in.reads(args) {
			return refusal(program.text, in.instead)
		}
	}
	return ""
}

func refusal(program, instead string) string {
	return "%T or %F would become part of a text that is run by " + program + ", whatever quotes it is in: " + instead
}

// ownOptions returns the options among the arguments of a program that runs the command behind them.
// values are the letters of those with a value, which may be the next word; long ones are taken to
// have one.
func ownOptions(args []word, values string) (own []word) {
	value := false
	for _, a := range args {
		isOption := len(a.text) > 1 && a.text[0] == '-'
		switch {
		case a.text == "--", !isOption && !value:
			return own
		case isOption:
			own = append(own, a)
			value = strings.IndexAny(a.text, values) == len(a.text)-1
			if strings.HasPrefix(a.text, "--") {
				value = !strings.Contains(a.text, "=")
			}
		default:
			value = false
		}
	}
	return own
}

// isExec reports whether watch runs its arguments without a shell.
func isExec(w word) bool {
	return w.text == "--exec" || len(w.text) > 1 && w.text[1] != '-' && strings.Contains(w.text, "x")
}

func isLoginShell(w word) bool {
	return w.text == "--shell" || w.text == "--login" || w.text != "" && w.text[0] == '-' && !strings.HasPrefix(w.text, "--") && strings.ContainsAny(w.text, "si")
}

// shellReads is readBy for a shell. The word behind its options is its text where one of them is
// -c; otherwise it is a script, and without one the text is the standard input.
func shellReads(program word, args []word, fed bool) string {
	name := program.base()
	known := !program.expanded
	if !known {
		name = "a shell"
	}
	asText := false
	for i := 0; i < len(args); i++ {
		a := args[i]
		option := len(a.text) > 1 && (a.text[0] == '-' || a.text[0] == '+')
		switch {
		case option && a.named:
			return refusal(name, asParameter)
		case option && a.text == "-s":
			return fedTo(name, fed)
		case option:
			asText = asText || a.text[1] != '-' && strings.Contains(a.text, "c")
			if strings.HasSuffix(a.text, "o") || strings.HasSuffix(a.text, "O") {
				i++
			}
		case a.named && asText:
			return refusal(name+" -c", asParameter)
		case a.named && i == 0 && known:
			return "the name itself would be run as a script"
		default:
			return ""
		}
	}
	return fedTo(name, fed && known)
}

func fedTo(name string, fed bool) string {
	if !fed {
		return ""
	}
	return refusal(name+", which reads its input as commands", asParameter)
}

// reads reports whether a name is in the text that the program takes for a program.
func (in *interpreter) reads(args []word) bool {
	first := in.first
	if in.script && (args[0].text == "--" || !strings.HasPrefix(args[0].text, "-") && !args[0].named) {
		return false
	}
	for i, a := range args {
		var before word
		if i > 0 {
			before = args[i-1]
		}
		short := before.option(in.options) && !strings.HasPrefix(before.text, "--") || slices.Contains(in.long, before.text)
		isOption := len(a.text) > 1 && a.text[0] == '-'
		text, _, _ := strings.Cut(a.text, "=")
		switch {
		case short:
			if a.named {
				return true
			}
			first = false
		case isOption:
			if a.named && (slices.Contains(in.long, text) || strings.IndexByte(in.options, a.text[1]) >= 0) {
				return true
			}
		case before.option(in.values) && len(before.text) == 2: // the value of another option
		case first:
			if a.named {
				return true
			}
			first = false
		}
	}
	return false
}

// remarks says what may be wrong with a command.
func remarks(w []word, written bool) []string {
	var found []string
	for i, p := range w {
		if p.is("procmail", "maildrop") && !slices.ContainsFunc(w[i+1:], isSenderOption) {
			found = append(found, p.base()+" without -f %F: an mbox gets a wrong sender, or no line between its mails, so that all "+
				"are one; write "+p.base()+" -f %F -d %T")
		}
		if written && p.is(append(shells, evaluators...)...) && slices.ContainsFunc(w[i+1:], func(a word) bool { return a.expanded }) {
			found = append(found, "a name is written to a file: what reads it from there into the text of "+p.base()+" runs what is in it")
		}
		if i > 0 && p.named && (w[i-1].text == "-c" || w[i-1].text == "-e") {
			found = append(found, "if "+w[0].text+" takes what follows "+w[i-1].text+" for a program, a name in it can be run: hand %T over as an argument of its own")
		}
	}
	return found
}

// isSenderOption reports whether a word is the option that names the sender.
func isSenderOption(w word) bool {
	return len(w.text) > 1 && w.text[0] == '-' && w.text[1] != '-' && strings.Contains(w.text, "f")
}
