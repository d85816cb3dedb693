package identity

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"esmtpq/identity/tree"
)

// text reads a text. An empty one is an error: leaving the key out says so
// more clearly.
func (r *yamlReader) text(v *tree.Node, path string) string {
	switch {
	case v.Kind == tree.Null || v.Kind == tree.Text && v.Text == "":
		r.fail(v.Line, "%s has no value", path)
	case v.Kind != tree.Text:
		r.fail(v.Line, "%s should be a single text", path)
	default:
		if text := badValue(v.Text, printedSetting(lastKey(path))); text != "" {
			r.fail(v.Line, "%s %s", path, text)
		}
	}
	return v.Text
}

// checked reads a text that is also checked as the value of key.
func (r *yamlReader) checked(v *tree.Node, key, path string) string {
	value := r.text(v, path)
	if v.Kind == tree.Text {
		if text := badSetting(key, value); text != "" {
			r.fail(v.Line, "%s %s", path, text)
		}
	}
	return value
}

func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// secret reads a password or passphrase.
func (r *yamlReader) secret(v *tree.Node, path string) Secret {
	text := r.text(v, path)
	if text == Mask {
		r.fail(v.Line, "%s is the placeholder of esmtpq config; put the secret itself there", path)
	}
	if v.Plain && v.Comment != "" {
		r.config.warn(v.Line, path+` ends before the "#"; if that belongs to it, put it in quotes`)
	}
	return NewSecret(text)
}

// filePath reads the path of a file; a leading "~/" is the home directory.
func (r *yamlReader) filePath(v *tree.Node, path string) string {
	file := r.text(v, path)
	if rest, ok := strings.CutPrefix(file, "~/"); ok && r.home != "" {
		file = filepath.Join(r.home, rest)
	}
	if file != "" && !filepath.IsAbs(file) {
		r.fail(v.Line, "%s should begin with / or ~/", path)
	}
	return file
}

func (r *yamlReader) boolean(v *tree.Node, path string) bool {
	switch v.Text {
	case "true", "yes", "on":
		return true
	case "false", "no", "off":
		return false
	}
	r.fail(v.Line, "%s should be true or false", path)
	return false
}

// Bounds of what an identity may ask for.
const (
	maxMessages     = 1_000_000
	maxSessions     = 100
	maxReloginDelay = time.Hour
	maxKeepSession  = 10 * time.Minute
)

// count reads a whole number from 1 to most.
func (r *yamlReader) count(v *tree.Node, path string, most int) int {
	n, err := strconv.Atoi(v.Text)
	if v.Kind != tree.Text || err != nil || n < 1 || n > most {
		r.fail(v.Line, "%s should be a number from 1 to %d", path, most)
		return 0
	}
	return n
}

// duration reads a duration that is not negative.
func (r *yamlReader) duration(v *tree.Node, path, example string) time.Duration {
	d, err := time.ParseDuration(v.Text)
	if err != nil || d < 0 {
		r.fail(v.Line, "%s should be a time with its unit, such as %s", path, example)
		return 0
	}
	return d
}

// limit reads a duration within which something has to be done. Nothing is no limit to anything.
func (r *yamlReader) limit(v *tree.Node, path, example string) time.Duration {
	if d, err := time.ParseDuration(v.Text); err == nil && d == 0 {
		r.fail(v.Line, "%s should be longer than nothing, such as %s; without it, the usual limits count", path, example)
		return 0
	}
	return r.duration(v, path, example)
}

// period reads a time that can also be given in whole days, or as never.
func (r *yamlReader) period(v *tree.Node, path, example string) time.Duration {
	if v.Kind == tree.Text && v.Text == "never" {
		return Never
	}
	d, err := ParsePeriod(v.Text)
	if v.Kind != tree.Text || err != nil {
		r.fail(v.Line, "%s should be a time with its unit, such as %s", path, example)
		return 0
	}
	return d
}

// keepSession reads how long a session is kept.
func (r *yamlReader) keepSession(v *tree.Node, path string) time.Duration {
	if v.Kind == tree.Text && v.Text == "never" {
		return Never
	}
	d := r.duration(v, path, "30s or never")
	switch {
	case d > maxKeepSession:
		r.fail(v.Line, "%s should be ten minutes at most", path)
	case d == 0:
		return Never
	}
	return d
}

// ParsePeriod reads a positive length of time as [time.ParseDuration] does, or in whole days:
// 30m, 12h, 3d.
func ParsePeriod(s string) (time.Duration, error) {
	text, days := strings.CutSuffix(s, "d")
	if days {
		text += "h"
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, err
	case d <= 0 || text[0] == '+':
		return 0, fmt.Errorf("%s: not more than nothing", s)
	case !days:
		return d, nil
	case d > math.MaxInt64/24:
		return 0, fmt.Errorf("%s: too long", s)
	}
	return 24 * d, nil
}

// match reads an address or pattern, or a list of them.
func (r *yamlReader) match(v *tree.Node, path string) []string {
	if v.Kind == tree.Text {
		return []string{r.checked(v, "match", path)}
	}
	if v.Kind != tree.List {
		r.fail(v.Line, "%s should be a list, like [a@example.com, \"*@example.org\"]", path)
		return nil
	}
	var match []string
	for i, item := range v.Items {
		match = append(match, r.checked(item, "match", fmt.Sprintf("%s[%d]", path, i)))
	}
	return match
}

// mechanisms reads the name of a mechanism to log in by, or a list of names.
func (r *yamlReader) mechanisms(v *tree.Node, path string) []string {
	items := v.Items
	if v.Kind != tree.List {
		items = []*tree.Node{v}
	}
	var names []string
	for _, item := range items {
		name := strings.ToUpper(r.text(item, path))
		switch name {
		case "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "OAUTHBEARER", "XOAUTH2", "EXTERNAL", "CRAM-MD5", "PLAIN", "LOGIN":
		case "GSSAPI", "NTLM", "DIGEST-MD5":
			r.fail(item.Line, "%s: that mechanism is not supported; see auth in esmtpq.yaml(5)", path)
		case "":
		default:
			r.fail(item.Line, "%s should name mechanisms such as scram-sha-256, plain or xoauth2", path)
		}
		names = append(names, name)
	}
	return names
}

// domains reads a domain, or a list of them.
func (r *yamlReader) domains(v *tree.Node, path string) []string {
	items := v.Items
	if v.Kind != tree.List {
		items = []*tree.Node{v}
	}
	var domains []string
	for _, item := range items {
		if name, ok := strings.CutSuffix(item.Text, "."); ok && item.Kind == tree.Text && name != "" {
			whole := *item // as DNS writes a whole name, and no address does
			whole.Text, item = name, &whole
		}
		domains = append(domains, r.checked(item, "qualify_domain", path))
	}
	return domains
}

// aliases reads the aliases of local names.
func (r *yamlReader) aliases(v *tree.Node) {
	c := r.config
	c.Aliases = map[string]string{}
	lines := map[string]int{}
	var names []string
	r.mapping(v, "aliases", func(name string, target *tree.Node) bool {
		if text := badAliasName(name); text != "" {
			r.fail(target.Line, "aliases %s", text)
			return true
		}
		name = aliasKey(name)
		if line := lines[name]; line > 0 {
			r.fail(target.Line, "aliases has this name twice, first in line %d", line)
		}
		address := r.text(target, "aliases")
		if text := badAlias(address); text != "" && target.Kind == tree.Text && address != "" {
			r.fail(target.Line, "aliases: what a name stands for %s", text)
		}
		c.Aliases[name], lines[name], names = address, target.Line, append(names, name)
		return true
	})
	if name := c.circularAlias(names); name != "" {
		r.fail(lines[name], "aliases: this name leads back to itself")
	}
}

// proxy reads the address of a proxy.
func (r *yamlReader) proxy(v *tree.Node, path string) *Proxy {
	value := r.text(v, path)
	if value == "" {
		return nil // reported
	}
	p, text := parseProxy(value)
	if text != "" {
		r.fail(v.Line, "%s %s", path, text)
	}
	return p
}

// queue reads the directory for users without a home. Its last part has the name of the user, so that
// each of them has one, below a directory of the administrator's.
func (r *yamlReader) queue(v *tree.Node) string {
	dir := r.text(v, "queue")
	if dir != "" && (!filepath.IsAbs(dir) || filepath.Clean(dir) != dir || strings.Count(dir, "%") != 1 || !strings.Contains(filepath.Base(dir), "%u")) {
		r.fail(v.Line, "queue should be an absolute path whose last part has %%u in it, like /var/spool/esmtpq/%%u")
	}
	return dir
}
