package hosts

import (
	"bufio"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

var update = flag.Bool("update", false, "write the tables of docs/hosts.md and docs/logins.md, with -long")

// servers are all hosts of the tables. A version is that of a Debian package (directory/package), of
// a module in a program that test.sh builds (bin/program module), or of a package of npm.
var servers = []struct {
	name, version string
	long          bool
	start         func(t *testing.T) *host
}{
	{"Postfix", "postfix/postfix", false, func(t *testing.T) *host { return startPostfix(t, "postfix", "") }},
	{"Postfix", "postfix-next/postfix", true, func(t *testing.T) *host { return startPostfix(t, "postfix-next", "") }},
	{"Exim", "exim/exim4-daemon-light", false, func(t *testing.T) *host { return startExim(t, "exim", 0) }},
	{"Exim", "exim-next/exim4-daemon-light", true, func(t *testing.T) *host { return startExim(t, "exim-next", 0) }},
	{"OpenSMTPD", "opensmtpd/opensmtpd", false, func(t *testing.T) *host { return startOpenSMTPD(t, "opensmtpd") }},
	{"OpenSMTPD", "opensmtpd-next/opensmtpd", true, func(t *testing.T) *host { return startOpenSMTPD(t, "opensmtpd-next") }},
	{"sendmail", "sendmail/sendmail-bin", false, startSendmail},
	{"Courier", "courier/courier-mta", true, startCourier},
	{"chasquid", "chasquid/chasquid", false, func(t *testing.T) *host { return startChasquidHost(t, "chasquid") }},
	{"chasquid", "bin/chasquid blitiri.com.ar/go/chasquid", true, func(t *testing.T) *host { return startChasquidHost(t, "mended") }},
	{"Dovecot", "dovecot/dovecot-submissiond", false, func(t *testing.T) *host { return startDovecot(t, "dovecot", "", "") }},
	{"Dovecot", "dovecot-next/dovecot-submissiond", true, func(t *testing.T) *host { return startDovecot(t, "dovecot-next", "", "") }},
	{"qpsmtpd", "qpsmtpd/qpsmtpd", true, startQpsmtpd},
	{"aiosmtpd", "aiosmtpd/python3-aiosmtpd", false, startAiosmtpd},
	{"smtp-server", "npm/smtp-server", true, startSMTPServer},
	{"Haraka", "npm/Haraka", false, startHaraka},
	{"maddy", "bin/maddy github.com/foxcpp/maddy", true, startMaddy},
	{"mailpit", "bin/mailpit github.com/axllent/mailpit", true, startMailpit},
	{"mox", "bin/mox github.com/mjl-/mox", true, func(t *testing.T) *host { return startMox(t, 100_000) }},
	{"go-smtp", "bin/go-smtp github.com/emersion/go-smtp", false, startGoSMTP},
}

// tables are those of the documents: the columns behind the server and its version, and what makes
// a row of them.
var tables = []struct {
	document, name string
	columns        string
	row            func(h *host, t *testing.T) []string
	long           bool // measured with -long only
}{
	{"hosts.md", "offered", "EHLO in clear | behind TLS", (*host).offered, false},
	{"hosts.md", "limits", "SIZE | MAIL with more | recipients of a message | the next | messages of a session | the next", (*host).limits, true},
	{"hosts.md", "refusals", "RCPT refused | DATA behind it | a second MAIL | unknown commands", (*host).refusals, false},
	{"hosts.md", "handshake", "TLS | key share | tickets | resumes | asks for a certificate", (*host).handshake, false},
	{"logins.md", "logins", "AUTH in clear | PLAIN in clear | AUTH behind TLS | LOGIN asks | wrong password | AUTH PLAIN = | without a login, MAIL | AUTH again", (*host).logins, false},
}

// The tables of the documents are what hosts do. Without -long those of every day are asked, and not
// for limits. With -long -update the tables are written.
func TestTables(t *testing.T) {
	rows := map[string][]string{}
	for _, s := range servers {
		if s.long && !stage.Long() {
			continue
		}
		t.Run(strings.ReplaceAll(strings.Fields(s.version)[0], "/", " "), func(t *testing.T) {
			h := s.start(t)
			for _, table := range tables {
				if table.long && !stage.Long() {
					continue
				}
				seen := " | " + strings.Join(table.row(h, t), " | ") + " |"
				rows[table.name] = append(rows[table.name], "| "+s.name+" "+version(t, s.version)+seen)
				// A fix of the package has another version and the same habits.
				row := regexp.MustCompile(`(?m)^\| ` + s.name + ` \S+` + regexp.QuoteMeta(seen) + `$`)
				if text := stage.Read(t, stage.Source(t, "docs/"+table.document)); !*update && !row.MatchString(text) {
					t.Errorf("docs/%s does not have\n| %s%s", table.document, s.name, seen)
				}
			}
		})
	}
	if *update && stage.Long() && !t.Failed() {
		writeTables(t, rows)
	}
}

// writeTables puts the rows into the documents. If not all servers were asked, the rows of the others stay.
func writeTables(t *testing.T, rows map[string][]string) {
	t.Helper()
	for _, table := range tables {
		writeTable(t, table.document, table.name, "server | "+table.columns, rows[table.name])
	}
}

// writeTable puts a table between its marks in a document.
func writeTable(t *testing.T, document, name, columns string, rows []string) {
	t.Helper()
	file := stage.Source(t, "docs/"+document)
	text := stage.Read(t, file)
	begin, end := "<!-- table "+name+" -->\n", "<!-- end of "+name+" -->\n"
	before, rest, found := strings.Cut(text, begin)
	old, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table %s", file, name)
	}
	head := "| " + columns + " |\n|" + strings.Repeat("---|", 1+strings.Count(columns, "|")) + "\n"
	made := fmt.Sprintf("\nMeasured on %s.\n\n%s%s\n\n", time.Now().Format(time.DateOnly), head, strings.Join(rows, "\n"))
	if len(rows) < len(servers) {
		made = old
		for _, row := range rows {
			server := row[:strings.Index(row[1:], "|")+2]
			made = regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(server)+`.*$`).ReplaceAllLiteralString(made, row)
		}
	}
	if err := os.WriteFile(file, []byte(before+begin+made+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// version returns the version of a server, from its package.
func version(t *testing.T, where string) string {
	t.Helper()
	path, module, built := strings.Cut(where, " ")
	dir := stage.Hosts(t)
	switch {
	case built:
		info, err := buildinfo.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range append(info.Deps, &info.Main) {
			if dep.Path == module {
				return strings.TrimPrefix(dep.Version, "v")
			}
		}
	case strings.HasPrefix(where, "npm/"):
		var p struct{ Version string }
		text := stage.Read(t, filepath.Join(dir, "npm/node_modules", strings.TrimPrefix(where, "npm/"), "package.json"))
		if err := json.Unmarshal([]byte(text), &p); err == nil && p.Version != "" {
			return p.Version
		}
	default:
		if v := changelog(dir, path); v != "" {
			return v
		}
	}
	t.Fatalf("the version of %s is not known", where)
	return ""
}

var changed = regexp.MustCompile(`^\S+ \(([^)]+)\)`)

// changelog returns the version that a package's list of changes begins with.
func changelog(dir, where string) string {
	root, name := filepath.Split(where)
	files, _ := filepath.Glob(filepath.Join(dir, root, "usr/share/doc", name, "changelog.Debian.gz"))
	more, _ := filepath.Glob(filepath.Join(dir, root, "usr/share/doc", name, "changelog.gz"))
	for _, file := range append(files, more...) {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			continue
		}
		line, _ := bufio.NewReader(z).ReadString('\n')
		if m := changed.FindStringSubmatch(line); m != nil {
			return m[1]
		}
	}
	return ""
}
