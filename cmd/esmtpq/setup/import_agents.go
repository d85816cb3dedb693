package setup

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"esmtpq/helper"
	"esmtpq/identity"
)

// maxSources is how deep files of mutt that name others are read.
const maxSources = 5

// mutt reads what a muttrc says about sending.
func (im *importer) mutt(path string) (*imported, error) {
	got := &imported{}
	set := map[string]setting{}
	if err := im.muttFile(got, path, set, 0); err != nil {
		return nil, err
	}
	value := func(name string) string { return muttValue(set, name) }
	url := value("smtp_url")
	if url == "" {
		got.note(0, "it has no smtp_url")
		return got, nil
	}
	id := &identity.Identity{}
	scheme, err := fromURL(url, id)
	if err != nil {
		got.note(set["smtp_url"].line, "smtp_url %v", err)
		return got, nil
	}
	if id.Name = bare(value("from")); id.Name == "" {
		id.Name = bare(id.Username)
	}
	if id.Name != "" {
		id.Match = []string{id.Name}
	} else {
		id.Name = id.Host
	}
	if user := value("smtp_user"); user != "" && id.Username == "" {
		id.Username = user
	}
	line := set["smtp_url"].line
	if scheme == "smtps" {
		id.Port = or(id.Port, "465")
		secure(got, line, id, identity.TLSImplicit)
	} else {
		id.Port = or(id.Port, "25")
		secure(got, line, id, identity.TLSStartTLS)
		if !isOn(value("ssl_force_tls")) {
			got.note(line, "mutt took TLS if it was offered; here it is required")
		}
	}
	got.muttLogin(set, id)
	got.ids = append(got.ids, id)
	got.note(line, "for mutt to use this, take smtp_url out and set sendmail to the path of sendmail")
	return got, nil
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// muttLogin takes over password and mechanisms.
func (got *imported) muttLogin(set map[string]setting, id *identity.Identity) {
	pass, line := muttValue(set, "smtp_pass"), set["smtp_pass"].line
	switch {
	case strings.HasPrefix(pass, "`") && strings.HasSuffix(pass, "`") && len(pass) > 2:
		id.PasswordCommand, id.Password = strings.Trim(pass, "`"), identity.Secret{}
	case strings.ContainsAny(pass, "`$"):
		got.note(line, "smtp_pass is made of several parts: set password_command by hand")
	case pass != "":
		id.Password = identity.NewSecret(pass)
	case !id.Password.IsSet() && id.Username != "":
		got.note(0, "there is no smtp_pass, mutt asked for it: set password_keyring or password_command")
	}
	for _, name := range strings.Split(muttValue(set, "smtp_authenticators"), ":") {
		if m := mechanism(name); m != "" {
			id.Mechanisms = append(id.Mechanisms, m)
		}
	}
	if len(id.Mechanisms) > 0 && (id.Mechanisms[0] == "XOAUTH2" || id.Mechanisms[0] == "OAUTHBEARER") {
		refresh := muttValue(set, "smtp_oauth_refresh_command")
		id.TokenCommand = strings.Trim(refresh, "`")
		id.Password, id.PasswordCommand = identity.Secret{}, ""
	}
}

// muttValue returns a value, with variables of the person's own in it.
func muttValue(set map[string]setting, name string) string {
	text := set[name].text
	for range 3 {
		start := strings.Index(text, "$my_")
		if start < 0 {
			break
		}
		end := start + 1
		for end < len(text) && (text[end] == '_' || text[end] >= 'a' && text[end] <= 'z' || text[end] >= 'A' && text[end] <= 'Z' || text[end] >= '0' && text[end] <= '9') {
			end++
		}
		text = text[:start] + set[text[start+1:end]].text + text[end:]
	}
	return text
}

// muttFile reads one file, and those that it names.
func (im *importer) muttFile(got *imported, path string, set map[string]setting, depth int) error {
	text, err := readFile(path)
	if err != nil {
		return err
	}
	text = strings.ReplaceAll(text, "\\\n", " ")
	for i, line := range strings.Split(text, "\n") {
		words := shellWords(strings.TrimSpace(line))
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "set":
			muttSet(words[1:], i+1, set)
		case "source":
			file := ""
			if len(words) > 1 {
				file = im.expand(words[1])
			}
			switch {
			case file == "" || strings.HasSuffix(file, "|") || depth == maxSources:
				got.note(i+1, "source: not read")
			default:
				if !filepath.IsAbs(file) {
					file = filepath.Join(filepath.Dir(path), file)
				}
				if err := im.muttFile(got, file, set, depth+1); err != nil {
					got.note(i+1, "source: not read: %v", err)
				}
			}
		case "account-hook", "folder-hook", "send-hook", "send2-hook":
			if strings.Contains(line, "smtp_url") || strings.Contains(line, "smtp_pass") {
				got.note(i+1, "%s sets another smtp_url: not taken over; make an identity for its address by hand", words[0])
			}
		}
	}
	return nil
}

// muttSet reads assignments: a=b, a = b.
func muttSet(words []string, line int, set map[string]setting) {
	for i := 0; i < len(words); i++ {
		name, value, found := strings.Cut(words[i], "=")
		switch {
		case found && value == "" && i+1 < len(words) && !strings.Contains(words[i+1], "="):
			value = words[i+1]
			i++
		case !found && i+1 < len(words) && strings.HasPrefix(words[i+1], "="):
			value = words[i+1][1:]
			if i++; value == "" && i+1 < len(words) {
				i++
				value = words[i]
			}
		case !found:
			value = "yes"
			if no, is := strings.CutPrefix(name, "no"); is {
				name, value = no, "no"
			}
		}
		set[strings.TrimSpace(name)] = setting{value, line}
	}
}

// aerc reads accounts.conf.
func (im *importer) aerc(path string) (*imported, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	got := &imported{}
	var accounts []*account
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		name, isSection := strings.CutPrefix(line, "[")
		key, value, isSetting := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case isSection:
			accounts = append(accounts, &account{name: strings.TrimSuffix(name, "]"), line: i + 1, set: map[string]setting{}})
		case isSetting && len(accounts) > 0:
			accounts[len(accounts)-1].set[strings.ToLower(strings.TrimSpace(key))] = setting{strings.TrimSpace(value), i + 1}
		}
	}
	for _, a := range accounts {
		if id := got.aercIdentity(a); id != nil {
			got.ids = append(got.ids, id)
		}
	}
	return got, nil
}

// aercIdentity makes an identity of an account; nil if it sends in another way.
func (got *imported) aercIdentity(a *account) *identity.Identity {
	out := a.set["outgoing"]
	if !strings.Contains(out.text, "://") {
		got.note(a.line, "account %s sends by a command or not at all, and is left out", a.name)
		return nil
	}
	id := &identity.Identity{Name: a.name}
	scheme, err := fromURL(out.text, id)
	if err != nil {
		got.note(out.line, "outgoing of account %s %v", a.name, err)
		return nil
	}
	if from := bare(a.set["from"].text); from != "" {
		id.Match = []string{from}
	}
	for alias := range strings.SplitSeq(a.set["aliases"].text, ",") {
		if alias = strings.TrimSpace(alias); alias == "" {
			continue
		}
		if _, rest, found := strings.Cut(alias, "<"); found {
			alias = strings.TrimSuffix(rest, ">")
		}
		id.Match = append(id.Match, alias)
	}
	kind, how, _ := strings.Cut(scheme, "+")
	if kind == "smtp" && how == "insecure" {
		id.Port = or(id.Port, "25")
		secure(got, out.line, id, identity.TLSOff)
	} else if kind == "smtps" {
		id.Port = or(id.Port, "465")
		secure(got, out.line, id, identity.TLSImplicit)
	} else {
		id.Port = or(id.Port, "587")
		secure(got, out.line, id, identity.TLSStartTLS)
	}
	command := a.set["outgoing-cred-cmd"].text
	switch m := mechanism(how); {
	case m == "XOAUTH2" || m == "OAUTHBEARER":
		id.Mechanisms, id.TokenCommand, id.Password = []string{m}, command, identity.Secret{}
		if strings.Contains(out.text, "token_endpoint") {
			got.note(out.line, "account %s: aerc renews the token by itself; here use oauth, or a token_command that prints access tokens", a.name)
		}
	case how == "none":
		id.Username, id.Password = "", identity.Secret{}
	default:
		if m != "" {
			id.Mechanisms = []string{m}
		}
		if id.PasswordCommand = command; command != "" {
			id.Password = identity.Secret{}
		}
	}
	id.Helo = a.set["smtp-domain"].text
	return id
}

// git reads sendemail.* of a configuration of git, by git itself.
func (im *importer) git(path string) (*imported, error) {
	if _, err := readFile(path); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(im.ctx, 10*time.Second)
	defer cancel()
	var out bytes.Buffer
	cmd := &helper.Command{Argv: []string{"git", "config", "--file", path, "--includes", "-z", "--list"}, Stdout: &out, Limit: 10 * time.Second}
	ended, err := cmd.Run(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("git cannot be asked: %w", err)
	case !ended.OK():
		return nil, fmt.Errorf("git cannot read it")
	}
	sections := map[string]map[string]string{}
	email := ""
	for item := range strings.SplitSeq(out.String(), "\x00") {
		key, value, _ := strings.Cut(item, "\n")
		rest, is := strings.CutPrefix(key, "sendemail.")
		if key == "user.email" {
			email = value
		}
		if !is {
			continue
		}
		section := ""
		if dot := strings.LastIndexByte(rest, '.'); dot >= 0 {
			section, rest = rest[:dot], rest[dot+1:]
		}
		if sections[section] == nil {
			sections[section] = map[string]string{}
		}
		sections[section][rest] = value
	}
	got := &imported{}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		set := maps.Clone(sections[""])
		if set == nil {
			set = map[string]string{}
		}
		maps.Copy(set, sections[name])
		if name == "" && len(sections) > 1 && set["smtpserver"] == "" {
			continue
		}
		if id := got.gitIdentity(name, email, set); id != nil {
			got.ids = append(got.ids, id)
		}
	}
	return got, nil
}

// gitIdentity makes an identity of the settings of sendemail; nil if they send by a program.
func (got *imported) gitIdentity(section, email string, set map[string]string) *identity.Identity {
	called := strings.TrimSuffix("sendemail."+section, ".")
	host := set["smtpserver"]
	if host == "" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "~") || set["sendmailcmd"] != "" {
		got.note(0, "%s sends by a program, and is left out", called)
		return nil
	}
	id := &identity.Identity{Name: bare(or(set["from"], email)), Host: host, Username: set["smtpuser"], Helo: set["smtpdomain"]}
	if h, p, both := strings.Cut(host, ":"); both && strings.Count(host, ":") == 1 {
		id.Host, id.Port = h, p
	}
	id.Port = or(set["smtpserverport"], id.Port)
	if id.Name == "" {
		id.Name = or(section, id.Host)
	} else {
		id.Match = []string{id.Name}
	}
	if section != "" {
		id.Name = section
	}
	switch strings.ToLower(set["smtpencryption"]) {
	case "ssl":
		id.Port = or(id.Port, "465")
		secure(got, 0, id, identity.TLSImplicit)
	case "tls":
		id.Port = or(id.Port, "587")
		secure(got, 0, id, identity.TLSStartTLS)
	default:
		id.Port = or(id.Port, "25")
		secure(got, 0, id, identity.TLSOff)
	}
	switch pass, present := set["smtppass"]; {
	case pass != "":
		id.Password = identity.NewSecret(pass)
	case id.Username != "" && !present:
		id.PasswordCommand = fmt.Sprintf("printf 'protocol=smtp\\nhost=%s\\nusername=%s\\n' | git credential fill | sed -n 's/^password=//p'",
			shellSafe(joined(id.Host, set["smtpserverport"])), shellSafe(id.Username))
	}
	if m := mechanism(set["smtpauth"]); m != "" {
		id.Mechanisms = []string{m}
	}
	if ca := set["smtpsslcertpath"]; set["smtpsslcertpath"] != "" && !systemAuthorities(ca) {
		id.CAFile = ca
	} else if _, given := set["smtpsslcertpath"]; given && ca == "" {
		got.note(0, "%s took any certificate; here it is verified", called)
	}
	if n, err := strconv.Atoi(set["smtpbatchsize"]); err == nil && n > 0 {
		id.MaxMessagesPerSession = n
	}
	if n, err := strconv.Atoi(set["smtprelogindelay"]); err == nil && n > 0 {
		id.ReloginDelay = time.Duration(n) * time.Second
	}
	if sender := set["envelopesender"]; sender != "" && sender != "auto" {
		id.ReversePath = bare(sender)
	}
	got.note(0, "for git to use this, take %s.smtpServer out and set sendemail.sendmailCmd to sendmail", called)
	return id
}

func joined(host, port string) string {
	if port == "" {
		return host
	}
	return host + ":" + port
}

// shellSafe leaves out what would mean something in single quotes, or to printf.
func shellSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("'\\%\n", r) {
			return -1
		}
		return r
	}, s)
}
