package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"esmtpq/cmd/esmtpq/argv"
)

var update = flag.Bool("update", false, "write the completions in contrib/completion from the tables")

// longOptions of the verbs, for completion; the short ones are sendmail's.
var longOptions = map[string]string{
	"mailq": "--json --count", "deliver": "--sender --recipient --older", "show": "--raw --sender --recipient --older",
	"hold": "--sender --recipient --older", "release": "--sender --recipient --older", "retry": "--sender --recipient --older",
	"rm": "--yes --sender --recipient --older",
}

// The shells' completions come from the tables of options and verbs.
func TestCompletions(t *testing.T) {
	for file, text := range map[string]string{"esmtpq.bash": bashCompletion(), "_esmtpq": zshCompletion(), "esmtpq.fish": fishCompletion()} {
		path := "../../contrib/completion/" + file
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s is not what the tables say (%v): go test ./cmd/esmtpq -run Completions -update", path, err)
		}
	}
}

func verbNames() string {
	var names []string
	for _, v := range table().Entries {
		names = append(names, v.Name)
	}
	return strings.Join(names, " ")
}

func optionLetters() string {
	var letters []string
	for _, o := range argv.Options() {
		letters = append(letters, "-"+string(o.Letter))
	}
	return strings.Join(letters, " ")
}

const idsCommand = `mailq --json 2>/dev/null | sed -n 's/.*"queue_id":"\([0-9A-Za-z]*\)".*/\1/p'`

func bashCompletion() string {
	var b strings.Builder
	b.WriteString("# bash completion for esmtpq and its names\n_esmtpq() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb=${1##*/} words=\n")
	fmt.Fprintf(&b, "\tif [ \"$verb\" = esmtpq ]; then\n\t\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\t\tCOMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n\t\t\treturn\n\t\tfi\n\t\tverb=${COMP_WORDS[1]}\n\tfi\n\tcase $verb in\n", verbNames())
	fmt.Fprintf(&b, "\tsendmail | explain) words='%s' ;;\n", optionLetters())
	for _, v := range table().Entries {
		if o := longOptions[v.Name]; o != "" {
			fmt.Fprintf(&b, "\t%s) words='%s' ;;\n", v.Name, o)
		}
	}
	fmt.Fprintf(&b, "\tesac\n\tcase $verb in\n\tdeliver | show | hold | release | rm | retry) words=\"$words all last $(%s)\" ;;\n\tesac\n", idsCommand)
	b.WriteString("\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _esmtpq esmtpq sendmail deliver mailq\n")
	return b.String()
}

func zshCompletion() string {
	var b strings.Builder
	b.WriteString("#compdef esmtpq sendmail deliver mailq\n# zsh completion for esmtpq and its names\nlocal verb=${service:t}\nif [[ $verb == esmtpq ]]; then\n\tif (( CURRENT == 2 )); then\n\t\tlocal -a verbs=(\n")
	for _, v := range table().Entries {
		fmt.Fprintf(&b, "\t\t\t'%s:%s'\n", v.Name, quoteZsh(v.Help))
	}
	b.WriteString("\t\t)\n\t\t_describe verb verbs\n\t\treturn\n\tfi\n\tverb=$words[2]\nfi\ncase $verb in\nsendmail|explain)\n\tlocal -a options=(\n")
	for _, o := range argv.Options() {
		fmt.Fprintf(&b, "\t\t'-%c:%s'\n", o.Letter, quoteZsh(o.Help))
	}
	b.WriteString("\t)\n\t_describe option options\n\t_files\n\t;;\n")
	for _, v := range table().Entries {
		if o := longOptions[v.Name]; o != "" {
			fmt.Fprintf(&b, "%s) compadd -- %s ;|\n", v.Name, o)
		}
	}
	fmt.Fprintf(&b, "deliver|show|hold|release|rm|retry) compadd -- all last ${(f)\"$(%s)\"} ;;\nesac\n", idsCommand)
	return b.String()
}

func quoteZsh(s string) string {
	return strings.NewReplacer("'", `'\''`, ":", `\:`).Replace(s)
}

func fishCompletion() string {
	var b strings.Builder
	b.WriteString("# fish completion for esmtpq and its names\n")
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'" }
	for _, v := range table().Entries {
		fmt.Fprintf(&b, "complete -c esmtpq -n __fish_use_subcommand -f -a %s -d %s\n", v.Name, quote(v.Help))
	}
	for _, o := range argv.Options() {
		fmt.Fprintf(&b, "complete -c sendmail -o %c -d %s\n", o.Letter, quote(o.Help))
	}
	for _, v := range table().Entries {
		for _, o := range strings.Fields(longOptions[v.Name]) {
			fmt.Fprintf(&b, "complete -c esmtpq -n '__fish_seen_subcommand_from %s' -l %s\n", v.Name, strings.TrimPrefix(o, "--"))
		}
	}
	fmt.Fprintf(&b, "complete -c esmtpq -n '__fish_seen_subcommand_from deliver show hold release rm retry' -f -a \"all last (%s)\"\n", strings.ReplaceAll(idsCommand, `"`, `\"`))
	return b.String()
}
