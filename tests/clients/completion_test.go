package clients

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/tests/stage"
)

var update = flag.Bool("update", false, "write the completions in contrib/completion from the tables")

// longOptions of the verbs, for completion; the short ones are sendmail's.
var longOptions = map[string]string{
	"mailq": "--json --count --watch --quiet", "deliver": "--all-users --watch --sender --recipient --older", "show": "--raw --sender --recipient --older",
	"hold": "--sender --recipient --older", "release": "--sender --recipient --older", "retry": "--to --sender --recipient --older",
	"log":    "--json --follow --since",
	"probe":  "--json --forget",
	"online": "--verbose --timeout",
	"secret": "--proxy",
	"import": "--apply --keyring --in-clear --kind",
	"setup":  "--host --tls --username --keyring --password-command --in-clear --oauth --client-id --token-command --dry-run --non-interactive --test --pacc",
	"wire":   "--apply --undo --file --sendmail",
	"listen": "--auth-file",
	"rm":     "--yes --sender --recipient --older",
	"send":   "--at",
}

// The shells' completions come from the tables of options and verbs.
func TestCompletions(t *testing.T) {
	verbs := listVerbs(t)
	for file, text := range map[string]string{
		"esmtpq.bash": bashCompletion(verbs), "_esmtpq": zshCompletion(verbs), "esmtpq.fish": fishCompletion(verbs),
	} {
		path := stage.Source(t, "contrib/completion/"+file)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s is not what the tables say (%v): go test ./tests/clients -run Completions -update", path, err)
		}
	}
}

// A verb is something that esmtpq can do, and its help.
type verb struct{ name, help string }

var verbLine = regexp.MustCompile(`(?m)^  (\S+) +(.*)$`)

// listVerbs returns the verbs as esmtpq lists them for a person.
func listVerbs(t *testing.T) []verb {
	t.Helper()
	var list []verb
	for _, line := range verbLine.FindAllStringSubmatch(stage.NewPerson(t).Run("", "esmtpq", "help"), -1) {
		list = append(list, verb{line[1], line[2]})
	}
	for name := range longOptions {
		if !slices.ContainsFunc(list, func(v verb) bool { return v.name == name }) {
			t.Errorf("esmtpq help does not know %s", name)
		}
	}
	return list
}

func verbNames(verbs []verb) string {
	var names []string
	for _, v := range verbs {
		names = append(names, v.name)
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

func bashCompletion(verbs []verb) string {
	var b strings.Builder
	b.WriteString("# bash completion for esmtpq and its names\n_esmtpq() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb=${1##*/} words=\n")
	fmt.Fprintf(&b, "\tif [ \"$verb\" = esmtpq ]; then\n\t\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\t\tCOMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n\t\t\treturn\n\t\tfi\n\t\tverb=${COMP_WORDS[1]}\n\tfi\n\tcase $verb in\n", verbNames(verbs))
	fmt.Fprintf(&b, "\tsendmail | explain) words='%s' ;;\n", optionLetters())
	for _, v := range verbs {
		if o := longOptions[v.name]; o != "" {
			fmt.Fprintf(&b, "\t%s) words='%s' ;;\n", v.name, o)
		}
	}
	fmt.Fprintf(&b, "\tesac\n\tcase $verb in\n\tdeliver | show | hold | release | rm | retry) words=\"$words all last $(%s)\" ;;\n\tesac\n", idsCommand)
	b.WriteString("\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _esmtpq esmtpq sendmail deliver mailq\n")
	return b.String()
}

func zshCompletion(verbs []verb) string {
	var b strings.Builder
	b.WriteString("#compdef esmtpq sendmail deliver mailq\n# zsh completion for esmtpq and its names\nlocal verb=${service:t}\nif [[ $verb == esmtpq ]]; then\n\tif (( CURRENT == 2 )); then\n\t\tlocal -a verbs=(\n")
	for _, v := range verbs {
		fmt.Fprintf(&b, "\t\t\t'%s:%s'\n", v.name, quoteZsh(v.help))
	}
	b.WriteString("\t\t)\n\t\t_describe verb verbs\n\t\treturn\n\tfi\n\tverb=$words[2]\nfi\ncase $verb in\nsendmail|explain)\n\tlocal -a options=(\n")
	for _, o := range argv.Options() {
		fmt.Fprintf(&b, "\t\t'-%c:%s'\n", o.Letter, quoteZsh(o.Help))
	}
	b.WriteString("\t)\n\t_describe option options\n\t_files\n\t;;\n")
	for _, v := range verbs {
		if o := longOptions[v.name]; o != "" {
			fmt.Fprintf(&b, "%s) compadd -- %s ;|\n", v.name, o)
		}
	}
	fmt.Fprintf(&b, "deliver|show|hold|release|rm|retry) compadd -- all last ${(f)\"$(%s)\"} ;;\nesac\n", idsCommand)
	return b.String()
}

func quoteZsh(s string) string {
	return strings.NewReplacer("'", `'\''`, ":", `\:`).Replace(s)
}

func fishCompletion(verbs []verb) string {
	var b strings.Builder
	b.WriteString("# fish completion for esmtpq and its names\n")
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'" }
	for _, v := range verbs {
		fmt.Fprintf(&b, "complete -c esmtpq -n __fish_use_subcommand -f -a %s -d %s\n", v.name, quote(v.help))
	}
	for _, o := range argv.Options() {
		fmt.Fprintf(&b, "complete -c sendmail -o %c -d %s\n", o.Letter, quote(o.Help))
	}
	for _, v := range verbs {
		for _, o := range strings.Fields(longOptions[v.name]) {
			fmt.Fprintf(&b, "complete -c esmtpq -n '__fish_seen_subcommand_from %s' -l %s\n", v.name, strings.TrimPrefix(o, "--"))
		}
	}
	fmt.Fprintf(&b, "complete -c esmtpq -n '__fish_seen_subcommand_from deliver show hold release rm retry' -f -a \"all last (%s)\"\n", strings.ReplaceAll(idsCommand, `"`, `\"`))
	return b.String()
}
