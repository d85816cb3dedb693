package localmda

import (
	"os"
	"os/exec"
	"path/filepath"
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
		{"mda # it's\n: %T", "mda # it's\n: \"$@\""},
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

// evil are names that run a command where a second shell reads them: each makes the file pwn.
var evil = []string{"a&touch$IFS$PWN", "a`touch$IFS$PWN`", "a|touch${IFS}$PWN", "';touch $PWN;'", `";touch $PWN;"`, `$(touch $PWN)`}

// Lines in which a name would become part of a text that a second shell, or another interpreter,
// reads as a program. They are refused, with what to write.
func TestSecondReaders(t *testing.T) {
	for _, line := range []string{
		`sh -c 'cat >/dev/null; echo to %T'`, `sh -c "echo %T"`, `sh -c %T`, `sh -c "%T"`, `sh -c echo\ %T`, `/bin/sh -c 'echo %T'`,
		`bash -ec 'echo %T'`, `bash -c -e 'echo %T'`, `bash -o pipefail -c 'echo %T'`, `bash --norc -c 'echo %T'`, `busybox sh -c 'echo %T'`,
		`env sh -c 'echo %T'`, `env LANG=C sh -c 'echo %T'`, `exec sh -c 'echo %T'`, `timeout 60 sh -c 'echo %T'`, `nice -n 5 dash -c 'echo %T'`,
		`X=1 sh -c 'echo %T'`, `if sh -c 'echo %T'; then :; fi`, `{ sh -c 'echo %T'; }`, `(sh -c 'echo %T')`, `: $(sh -c 'echo %T')`, `: "$(sh -c 'echo %T')"`,
		": `sh -c 'echo %T'`", `true && sh -c 'echo %T'`, `true || sh -c 'echo %T'`, `cat | sh -c 'echo %T'`, `! sh -c 'echo %T'`,
		`sh -c "echo $1"`, `sh -c "echo $@"`, `sh -c "echo ${1}"`, `sh -c "$(printf 'echo %s' %T)"`, "sh -c \"echo `echo %T`\"", `sh -c "echo ${none:-%T}"`,
		`sh -c "echo $ESMTPQ_SENDER"`, `sh -c "echo '%T'"`, `sh 2>/dev/null -c 'echo %T'`, `sh -c'echo %T'`, `sh >/dev/null 2>&1 -c 'echo %T'`,
		`$SHELL -c 'echo %T'`, `"$SHELL" -c 'echo %T'`, `find . -exec sh -c 'echo %T' \;`, `xargs sh -c 'echo %T'`,
		`su joe -c 'echo %T'`, `su -c 'echo %T' joe`, `su - joe --command='echo %T'`, `su joe --command 'echo %T'`, `runuser -u joe -c 'echo %T'`,
		`eval echo %T`, `eval "echo %T"`, `trap 'echo %T' EXIT`, `. %T`, `. ./x %T`, `command . %T`, `X=1 eval echo %T`,
		`env -S 'sh %T'`, `sudo -s echo %T`, `sudo -iu joe echo %T`, `sudo -u joe -i echo %T`, `sudo -u joe -s echo %T`, `sudo -D / --shell echo %T`, `doas -s %T`, `sudo -uroot -i echo %T`, `sudo --user=root -i echo %T`, `sudo --user root -s echo %T`,
		`nice sudo -u joe -g mail -i echo %T`, `perl -I lib -e "%T"`, `python3 -W ignore -c "%T"`, `ruby -r x -e "%T"`, `emacs x --eval "%T"`,
		`ssh gw deliver %T`, `ssh -p 22 gw "deliver '%T'"`, `exec ssh gw deliver %T`, `timeout 9 ssh gw deliver %T`, `cat | ssh gw deliver %T`,
		`echo %T | sh`, `echo %T | xargs echo`, `echo %T | sh -s`, `echo "mda %T" | at now`, `echo %T | xargs -I{} sh -c 'echo {}'`, `{ echo %T; } | sh`,
		`(echo %T) | bash`, `x=%T; echo "$x" | sh`, `echo %T | tee log | sh`, `%T`, `exec %T`, `sh %T`, `cat; "%T" x`,
		`perl -ne 'print "%T"'`, `perl -e"%T"`, `python3 -c 'print("%T")'`, `awk '/%T/ {print}'`, `awk -v x=1 '/%T/'`, `sed 's/x/%T/'`,
		`cat >/dev/null; V=%T; sh -c "echo $V"`, `for u in %T; do sh -c "echo $u"; done`, `export V=%T; sh -c 'eval echo $V'`, `echo %T | { read u; sh -c "echo $u"; }`,
		`echo %T | while read -r a u; do eval "echo $u"; done`, `V=$(echo %T); W="x $V"; sh -c "echo ${W}"`, `for u; do sh -c "echo $u"; done; : %T`, `: ${V:=%T}; sh -c "echo $V"`,
		`while :; do sh -c "echo $V"; V=%T; done`, `f() { sh -c "echo $V"; }; V=%T f`, "V=`echo %T`; eval \"echo $V\"", `V=x; V="$V"%T; $V`, `env V=%T sh -c 'eval echo $V'`,
		`local V=%T; echo "$V" | sh`, `declare V=%T; ssh gw "echo $V"`, `sh -c 'eval "echo $1"' sh %T`, `sh -c 'sh -c "echo $1"' sh %T`, `su joe -c 'eval "echo $1"' -- sh %T`, `eval 'sh -c "echo $V"'; V=%T`,
		`printf -v V %s %T; sh -c "echo $V"`, `BASH_ENV=%T bash -c :`, `PATH=%T; ls`, `V=%T; echo $((V))`, `: $((%T))`, "V=%T; sh <<E\n$V\nE",
		`TERM=dumb timeout 1 watch -n5 "echo %T"`, `watch -n 5 echo %T`, `tmux new 'echo %T'`, `gdb -ex "shell echo %T"`, `tar x --to-command="echo %T"`, `tar x --to-command "echo %T"`, `make U=%T`, `vim +%T x`,
		`sed -n -e 's/x/%T/p'`, `php -r 'echo "%T";'`, `node --eval="%T"`,
	} {
		for _, line := range []string{line, strings.ReplaceAll(line, "%T", "%F")} {
			if parsed, err := parseLine(line); err == nil {
				t.Errorf("%s is taken, as\n%s", line, parsed.text)
			} else if line != `%T` && strings.Contains(err.Error(), "echo") {
				t.Errorf("%s: the error quotes the line: %v", line, err)
			}
		}
	}
}

// Lines like these in which nothing but the shell that we call reads the name.
func TestNoSecondReaders(t *testing.T) {
	dir := t.TempDir()
	pwn := filepath.Join(dir, "pwn")
	for _, test := range []struct {
		line string
		run  bool // with hostile names; else the program is not here
	}{
		{`sh -c 'echo "$1"' sh %T`, true}, {`sh -c 'echo "$0"' %T`, true}, {`sh -ec 'echo "$1"' sh "%T"`, true}, {`env X=%T sh -c 'echo "$X"'`, true},
		{`X=%T sh -c 'echo "$X"'`, true}, {`sh -c 'echo "$ESMTPQ_SENDER"'; : %F`, true}, {`echo to %T`, true}, {`echo "to %T" 2>&1 >/dev/null`, true},
		{`echo "X: %T" | cat`, true}, {`echo "X: %T" | sed 's/a/b/'`, true}, {`awk -v n=%T 'BEGIN {print n}'`, true}, {`awk 'BEGIN {print ARGV[1]}' %T`, true},
		{`sed -n 1p; echo %T`, true}, {`case %T in (a*) echo a;; (*) echo b;; esac`, true}, {`case x in x) echo %T;; esac`, true},
		{`if test %T = joe; then echo joe; else echo %T; fi`, true}, {`for n in %T; do echo "$n"; done`, true}, {`x=%T; echo "$x"`, true},
		{`cat >/dev/null; echo %T >>/dev/null`, true}, {`echo %T | sh -c cat`, true}, {`echo %T >/dev/null | sh -c 'cat; echo'`, true},
		{`timeout 600 echo -d %T`, true}, {`perl -e 'print $ARGV[0]' %T`, true}, {`echo "${none:-%T}" $((1+1)) "$(echo %T)"`, true},
		{`/usr/bin/procmail -f %F -d %T`, false}, {`formail -A 'X-To: to %T' | procmail -d %T`, false}, {`spamc -x -e procmail -f %F -d %T`, false},
		{`sudo -u joe procmail -d %T`, false}, {`su joe -c 'procmail -d "$1"' -- sh %T`, false}, {`ssh gw 'procmail -d joe'`, false},
		{`python3 -c 'import sys' %T`, false}, {`/usr/lib/dovecot/dovecot-lda -f %F -d %T`, false}, {`cat | ssh gw procmail -d joe; : %T`, false},
		{`sudo -u vmail spamc -s 500000 -u %T`, false}, {`sudo -nu vmail maildrop -i -d %T`, false}, {`doas -u vmail deliver -s %T`, false}, {`sudo -uroot mda -i %T`, false}, {`sudo --user root -- mda -i %T`, false},
		{`find . -name %T`, true}, {`safecat . %T`, false}, {`grep -r source %T`, true}, {`perl /opt/mda.pl -e %T`, false},
		{`python3 /opt/mda.py -c %T`, false}, {`php mda.php -r %T`, false}, {`php -- mda.php -r %T`, false}, {`node mda.js -e %T`, false},
		{`agent . %T`, false}, {`procmail -m trap; : %T`, false}, {`V=%T; maildrop -d "$V"`, false}, {`V=%T; echo "$V"; sh -c "echo $HOME"`, true},
		{`export V=%T; sh -c 'echo "$V"'`, true}, {`sh -c 'for u; do echo "$u"; done' sh %T`, true}, {`for u in %T; do sh -c 'echo "$1"' sh "$u"; done`, true}, {`watch -x mda %T`, false},
		{`for u in a b; do sh -c "echo $u"; done; : %T`, true}, {`V=%T; W=x; sh -c "echo $W"`, true}, {`echo %T | while read -r u; do echo "$u"; done`, true}, {`n=1; echo $((n + 1)) %T`, true},
		{`tar cf x.tar %T`, false}, {`mda --make %T`, false}, {`V=%T; eval 'echo "$V"'`, true},
		{`script.sh -c %T`, false}, {`fdm -a stdin -D '%[user]=%T' fetch`, false},
	} {
		parsed, err := parseLine(test.line)
		if err != nil {
			t.Errorf("%s: %v", test.line, err)
			continue
		}
		if !test.run {
			continue
		}
		for _, name := range evil {
			cmd := parsed.command(name)
			run := exec.Command(cmd.Argv[0], cmd.Argv[1:]...)
			run.Dir = dir
			run.Env = append(run.Environ(), senderVariable+"="+name, "PWN="+pwn)
			out, _ := run.CombinedOutput()
			if _, err := os.Stat(pwn); err == nil {
				t.Fatalf("%s ran %q:\n%s", test.line, name, out)
			}
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
