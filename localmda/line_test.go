package localmda

import (
	"os/exec"
	"strings"
	"testing"
)

func TestParseLine(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{`mda`, `mda`},
		{`mda -d %T`, `mda -d "$@"`},
		{`mda "%T"`, `mda "$@"`},
		{`mda "to %T"`, `mda "to $@"`},
		{`mda '%T'`, `mda ''"$@"''`},
		{`mda 'to %T'`, `mda 'to '"$@"''`},
		{`mda \%T`, `mda "$@"`},
		{`mda "\%T"`, `mda "$@"`},
		{`mda \\%T`, `mda \\"$@"`},
		{`mda -f %F "%F x"`, `mda -f "${ESMTPQ_SENDER}" "${ESMTPQ_SENDER} x"`},
		{`mda $(id %T)`, `mda $(id "$@")`},
		{`mda "$(id "%T")"`, `mda "$(id "$@")"`},
		{"mda `id %T`", "mda `id \"\\$@\"`"},
		{"mda \"`id %T`\"", "mda \"`id \\\"\\$@\\\"`\""},
		{`mda ${x:-%T} "${x:-%T}"`, `mda ${x:-"$@"} "${x:-$@}"`},
		{`mda %s %% %t %`, `mda %s %% %t %`},
		{`mda %%T`, `mda %"$@"`},
		{`mda # it's %T`, `mda # it's %T`},
		{"mda # it's\n%T", "mda # it's\n\"$@\""},
		{`mda a#%T`, `mda a#"$@"`},
		{`mda <<E`, `mda <<E`},
		{
			"/usr/bin/formail -a \"Date: `date -R`\" | /usr/bin/procmail -d %T",
			"/usr/bin/formail -a \"Date: `date -R`\" | /usr/bin/procmail -d \"$@\"",
		},
	} {
		got, err := parseLine(test.line)
		if err != nil || got.text != test.want {
			t.Errorf("%s became\n%s, %v, want\n%s", test.line, got.text, err, test.want)
		}
	}
}

func TestParseLineErrors(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{`mda '%T`, `a ' that is never closed`},
		{`mda "%T`, `a " that is never closed`},
		{"mda `%T", "a ` that is never closed"},
		{"mda `'%T`", "a ' that is never closed"},
		{`mda $(%T`, `a ( that is never closed`},
		{`mda "${x:-%T"`, `a " that is never closed`},
		{`mda ${x`, `a { that is never closed`},
		{"mda <<E\n%T\nE", `here-document`},
		{"mda \"`cat <<E`\" %F", `here-document`},
		{strings.Repeat("(", 1<<20), `too deep`},
		{strings.Repeat(`"${x:-`, 1<<10), `too deep`},
		{"mda\x00", `NUL`},
	} {
		got, err := parseLine(test.line)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.40s became %.40s, %v, want an error with %q", test.line, got.text, err, test.want)
		}
	}
}

// hostileNames are recipients and senders that mean something to a shell.
var hostileNames = []string{
	`bob`, `o'brien`, `a b  c`, `*`, `\`, "; id $(id) `id` $HOME ${x} |cat >file & {a,b} ~ #x !! %T %F %s é\xff",
	"a\"b'c\\d$e`", `'; id; '" $(id) "`,
}

// The shell gets the name and nothing else, whatever quotes the person has put around it.
func TestNamesArriveInRealShells(t *testing.T) {
	lines := []struct{ line, want string }{ // NAME stands for the name
		{`printf '<%s>' %T`, `<NAME>`},
		{`printf '<%s>' '%T'`, `<NAME>`},
		{`printf '<%s>' "%T"`, `<NAME>`},
		{`printf '<%s>' \%T`, `<NAME>`},
		{`printf '<%s>' "\%T"`, `<NAME>`},
		{`printf '<%s>' '\%T'`, `<\NAME>`},
		{`printf '<%s>' "to %T"`, `<to NAME>`},
		{`printf '<%s>' 'to %T y'`, `<to NAME y>`},
		{`printf '<%s>' 'to '%T" y"`, `<to NAME y>`},
		{`printf '<%s>' %T%T "%T%T" '%T%T'`, `<NAMENAME><NAMENAME><NAMENAME>`},
		{`printf '<%s>' %%T`, `<%NAME>`},
		{`printf '<%s>' "\"%T\"" \"%T\" \'%T\'`, `<"NAME"><"NAME"><'NAME'>`},
		{`printf '<%s>' "$(printf %s %T)"`, `<NAME>`},
		{`printf '<%s>' "$(printf %s "%T")"`, `<NAME>`},
		{`printf '<%s>' "$(printf %s '%T')"`, `<NAME>`},
		{`printf '<%s>' "$(printf %s "$(printf %s 'a %T')")"`, `<a NAME>`},
		{"x=`printf %s %T`; printf '<%s>' \"$x\"", `<NAME>`},
		{"x=`printf %s \"%T\"`; printf '<%s>' \"$x\"", `<NAME>`},
		{"x=`printf %s 'a %T'`; printf '<%s>' \"$x\"", `<a NAME>`},
		{"printf '<%s>' \"`printf %s %T`\"", `<NAME>`},
		{"printf '<%s>' \"`printf %s '%T'`\"", `<NAME>`},
		{"printf '<%s>' \"`printf %s \\\"a %T\\\"`\"", `<a NAME>`},
		{"printf '<%s>' \"`printf %s \\\"\\`printf %s %T\\`\\\"`\"", `<NAME>`},
		{"x=`printf %s \"\\`printf %s 'a %T'\\`\"`; printf '<%s>' \"$x\"", `<a NAME>`},
		{`printf '<%s>' ${none:-%T} "${none:-%T}"`, `<NAME><NAME>`},
		{`printf '<%s>' ${none:-'%T'} ${none:-"%T"}`, `<NAME><NAME>`},
		{`(printf '<%s>' $((1 + (2)))%T)`, `<3NAME>`},
		{`case %T in (*) printf '<%s>' %T;; esac`, `<NAME>`},
		{`case x in x) printf '<%s>' '%T';; esac`, `<NAME>`},
		{`/bin/sh -c 'printf "<%s>" "$1"' sh '%T'`, `<NAME>`},
		{`printf '<%s>' %T # it's "his`, `<NAME>`},
		{`x='#' y=a#b; printf '<%s>' "$x$y" ${#x} '%T'`, `<#a#b><1><NAME>`},
		{"printf '<%s>' \\\n %T", `<NAME>`},
	}
	for _, shell := range []string{"/bin/sh", "dash", "bash", "mksh", "busybox"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		for _, name := range hostileNames {
			var script, want strings.Builder
			for _, l := range lines {
				for _, line := range []string{l.line, strings.ReplaceAll(l.line, "%T", "%F")} {
					parsed, err := parseLine(line)
					if err != nil {
						t.Fatalf("%s: %v", line, err)
					}
					script.WriteString(parsed.text + "\necho\n")
					want.WriteString(strings.ReplaceAll(l.want, "NAME", name) + "\n")
				}
			}
			args := []string{"-c", script.String(), "sh", name}
			if shell == "busybox" {
				args = append([]string{"sh"}, args...)
			}
			cmd := exec.Command(path, args...)
			cmd.Dir = t.TempDir()
			cmd.Env = append(cmd.Environ(), senderVariable+"="+name)
			got, err := cmd.CombinedOutput()
			if err != nil || string(got) != want.String() {
				t.Errorf("%s, %q: %v: got\n%s\nwant\n%s", shell, name, err, got, want.String())
			}
		}
	}
}

// FuzzParseLine checks that a line without anything to replace is left alone, and that all quotes
// are still closed in a line in which something was replaced.
func FuzzParseLine(f *testing.F) {
	for _, line := range []string{
		`mda %T`, `mda "%T" '%F' \%T`, "mda `id \\`%T\\``", `$(a "${x:-'%T'}" # '`, `"${x:-"%T"}"`, `(a <<E %T)`, "\\", `"$(`, "`\\\"%T\\\"`",
		"\"`\\\"%F\\\\\\\"`\"", `case x in x) '%T';; esac`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		parsed, err := parseLine(line)
		if err != nil {
			return
		}
		if !strings.Contains(line, "%T") && parsed.perRecipient {
			t.Errorf("%q: a recipient where there is no %%T", line)
		}
		if !strings.Contains(line, "%T") && !strings.Contains(line, "%F") && parsed.text != line {
			t.Errorf("%q became %q", line, parsed.text)
		}
		again, err := parseLine(parsed.text)
		if err != nil {
			t.Errorf("%q became %q: %v", line, parsed.text, err)
		} else if again.text != parsed.text {
			t.Errorf("%q became %q and that %q", line, parsed.text, again.text)
		}
	})
}
