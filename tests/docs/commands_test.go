package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"esmtpq/identity"
	_ "esmtpq/identity/yaml" // all of YAML
	"esmtpq/tests/stage"
)

// documents are those that people read with a terminal beside them.
func documents(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(stage.Source(t, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range append(names, stage.Source(t, "README.md")) {
		all[filepath.Base(name)] = stage.Read(t, name)
	}
	return all
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

var indented = regexp.MustCompile(`(?m)^ {4}(.)`)

// Every configuration in the documents is one, or a part of one: some identities, what belongs to
// an identity, or what stands beside them.
func TestConfigurationsAreRead(t *testing.T) {
	n := 0
	for name, text := range documents(t) {
		for _, found := range fence.FindAllStringSubmatch(text, -1) {
			if found[1] != "yaml" {
				continue
			}
			n++
			var err error
			for _, config := range []string{found[2], "identities:\n" + found[2],
				"identities:\n  - name: me@example.org\n" + indented.ReplaceAllString(found[2], "    $1"),
				found[2] + "identities:\n  - name: work\n    host: smtp.example.org\n"} {
				if _, err = identity.ParseYAML("config.yaml", []byte(config), t.TempDir()); err == nil {
					break
				}
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, found[2])
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d configurations were found", n)
	}
}

// Every command of ours in the documents exists, with the options that it is shown with: the
// manual of it has them.
func TestCommandsExist(t *testing.T) {
	me := stage.NewPerson(t)
	verbs := me.Run("", "esmtpq", "help")
	pages := map[string]string{}
	page := func(name string) string {
		if pages[name] == "" {
			pages[name] = stage.Read(t, stage.Source(t, "docs/"+name+".1"))
		}
		return pages[name]
	}
	command := regexp.MustCompile(`(?m)^\$ (?:.*(?:&& |\| |; ))?(esmtpq|deliver|mailq|sendmail)\b([^|;&#\n]*)`)
	n := 0
	for name, text := range documents(t) {
		for _, found := range command.FindAllStringSubmatch(text, -1) {
			n++
			program, words := found[1], strings.Fields(found[2])
			if program == "esmtpq" && (len(words) == 0 || !strings.Contains(verbs, "\n  "+words[0]+" ")) {
				t.Errorf("%s: %q is no command", name, found[0])
				continue
			}
			for _, word := range words {
				option, isLong := strings.CutPrefix(word, "--")
				option, _, _ = strings.Cut(option, "=")
				if isLong && !strings.Contains(page(program), "Fl -"+option) {
					t.Errorf("%s: %s is not in %s(1)", name, word, program)
				}
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d commands were found", n)
	}
}

// Links between the documents lead somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)
	sign := regexp.MustCompile("[^a-z0-9 _-]")
	for name, text := range documents(t) {
		dir := "docs"
		if name == "README.md" {
			dir = "."
		}
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			path := stage.Source(t, filepath.Join(dir, found[1]))
			if found[1] == "" {
				path = stage.Source(t, filepath.Join(dir, name))
			}
			target, err := os.Stat(path)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if found[2] == "" || target.IsDir() {
				continue
			}
			there := false
			for _, line := range strings.Split(stage.Read(t, path), "\n") {
				if strings.HasPrefix(line, "#") {
					heading := sign.ReplaceAllString(strings.ToLower(strings.TrimLeft(line, "# ")), "")
					there = there || strings.ReplaceAll(heading, " ", "-") == found[2]
				}
			}
			if !there {
				t.Errorf("%s: no heading for #%s in %s", name, found[2], filepath.Base(path))
			}
		}
	}
}
