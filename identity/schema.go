package identity

import (
	"errors"
	"fmt"
	"strings"

	"esmtpq/identity/tree"
)

// A yamlReader makes a Config from the nodes of a YAML file. It goes on after an error, so that
// all errors are reported at once.
type yamlReader struct {
	config *Config
	home   string
	errors []*ConfigError
	named  []*tree.Node // the identities that the rules of via name
}

// parseYAML reads the content of a YAML file.
func parseYAML(path string, data []byte, opt LoadOptions) (*Config, error) {
	root, err := readTree(path, data)
	if err != nil {
		return nil, err
	}
	r := &yamlReader{home: opt.Home, config: &Config{File: path, Format: FormatYAML, BatchDelay: DefaultBatchDelay}}
	if root != nil {
		r.file(root)
		r.finishVias()
	}
	if len(r.errors) == 0 && len(r.config.Identities) == 0 {
		text := "no identities: there should be a list under the key identities; see man esmtpq.yaml"
		if len(data) == 0 {
			text = "is empty: see man esmtpq.yaml for what belongs there"
		}
		r.fail(0, "%s", text)
	}
	if len(r.errors) > 0 {
		first := r.errors[0]
		first.More = r.errors[1:]
		return nil, first
	}
	return r.config, nil
}

// readTree reads a YAML file, with the parser only if it is not plain.
func readTree(path string, data []byte) (*tree.Node, error) {
	if root := tree.Scan(data); root != nil {
		return root, nil
	}
	if tree.Parser == nil {
		return nil, &ConfigError{File: path, Text: ErrNotPlain.Error(), Err: ErrNotPlain}
	}
	root, err := tree.Parser(data)
	var te *tree.Error
	if errors.As(err, &te) {
		return nil, &ConfigError{File: path, Line: te.Line, Text: te.Text, Hint: te.Hint}
	}
	return root, err
}

func (r *yamlReader) fail(line int, format string, args ...any) {
	r.errors = append(r.errors, &ConfigError{File: r.config.File, Line: line, Text: fmt.Sprintf(format, args...)})
}

// file reads the top level.
func (r *yamlReader) file(root *tree.Node) {
	c := r.config
	r.mapping(root, "", func(key string, v *tree.Node) bool {
		c.setLine(nil, key, v.Line)
		switch key {
		case "batch_delay":
			if v.Kind == tree.Text && v.Text == "never" {
				c.BatchDelay = Never
			} else {
				c.BatchDelay = r.duration(v, key, "5s or never")
			}
		case "mda":
			c.MDA, c.MDALine = r.text(v, key), v.Line
		case "force_mda":
			c.ForceMDA = r.text(v, key)
		case "local_domains":
			c.LocalDomains = r.domains(v, key)
		case "aliases":
			r.aliases(v)
		case "mda_timeout":
			c.MDATimeout = r.limit(v, key, "5m")
		case "mda_unread":
			c.MDAUnread = r.boolean(v, key)
		case "notify":
			c.Notify = r.checked(v, key, key)
		case "expire_after":
			c.ExpireAfter = r.period(v, key, "5d or never")
		case "delay_notice_after":
			c.DelayNoticeAfter = r.period(v, key, "4h or never")
		case "keep_failed":
			c.KeepFailed = r.period(v, key, "30d or never")
		case "history":
			c.History = r.period(v, key, "30d or never")
		case "log":
			c.Log = r.logTarget(v, key)
		case "log_subjects":
			c.LogSubjects = r.boolean(v, key)
		case "hooks":
			c.Hooks = r.hooks(v, key)
		case "queue":
			c.Queue = r.queue(v)
		case "hold_possibly_delivered":
			c.HoldPossiblyDelivered = r.boolean(v, key)
		case "identities":
			r.identities(v)
		case "via":
			r.vias(v)
		default:
			return false
		}
		return true
	})
}

// identities reads the list of identities.
func (r *yamlReader) identities(n *tree.Node) {
	if n.Kind != tree.List {
		r.fail(n.Line, "identities should be a list, each identity beginning with \"- name: ...\"")
		return
	}
	names := map[string]int{}
	defaultLine := 0
	for i, item := range n.Items {
		id := r.identity(item, fmt.Sprintf("identities[%d]", i))
		if id == nil {
			continue
		}
		if line, ok := names[id.Name]; ok && id.Name != "" {
			r.fail(item.Line, "this identity has the name of the one in line %d", line)
		}
		names[id.Name] = item.Line
		if id.Default && defaultLine > 0 {
			r.fail(item.Line, "a second identity with default: true; the first is in line %d", defaultLine)
		} else if id.Default {
			defaultLine = item.Line
		}
		r.config.Identities = append(r.config.Identities, id)
	}
	if len(n.Items) == 1 && len(r.config.Identities) == 1 {
		r.config.Identities[0].Default = true
	}
	r.config.findDefault()
}

// identity reads one identity; path names it in errors. It returns nil if there is nothing to
// read.
func (r *yamlReader) identity(n *tree.Node, path string) *Identity {
	id := &Identity{}
	seen := map[string]*tree.Node{}
	ok := r.mapping(n, path, func(key string, v *tree.Node) bool {
		seen[key] = v
		r.config.setLine(id, key, v.Line)
		return r.setting(id, path+"."+key, key, v)
	})
	if !ok {
		return nil
	}
	for _, key := range [...]string{"username", "token_command", "password_command", "password"} {
		if v := seen[key]; v != nil {
			id.LoginLine = v.Line
		}
	}
	r.finish(id, n, path, seen)
	return id
}

// setting reads one setting of an identity.
func (r *yamlReader) setting(id *Identity, path, key string, v *tree.Node) bool {
	texts := map[string]*string{
		"name": &id.Name, "host": &id.Host, "port": &id.Port, "tls_name": &id.TLSName,
		"username": &id.Username, "password_command": &id.PasswordCommand, "token_command": &id.TokenCommand, "proxy_password_command": &id.ProxyPasswordCommand, "password_credential": &id.PasswordCredential,
		"authorize_as": &id.AuthorizeAs,
		"helo":         &id.Helo, "qualify_domain": &id.QualifyDomain, "reverse_path": &id.ReversePath, "sender": &id.Sender,
		"command": &id.Command, "preconnect": &id.Preconnect, "postconnect": &id.Postconnect, "tunnel": &id.Tunnel,
	}
	files := map[string]*string{
		"ca_file": &id.CAFile, "client_certificate": &id.ClientCertificate, "client_key": &id.ClientKey,
	}
	if field := texts[key]; field != nil {
		*field = r.checked(v, key, path)
		return true
	}
	if field := files[key]; field != nil {
		*field = r.filePath(v, path)
		return true
	}
	switch key {
	case "match":
		id.Match = r.match(v, path)
	case "sent_copy":
		id.SentCopy = r.folder(v, path)
	case "default":
		id.Default = r.boolean(v, path)
	case "message_id":
		id.NoMessageID = !r.boolean(v, path)
	case "tls":
		mode, ok := parseTLSMode(v.Text)
		if !ok {
			r.fail(v.Line, "%s should be implicit, starttls, opportunistic or off", path)
		}
		id.TLS = mode
	case "auth":
		id.Mechanisms = r.mechanisms(v, path)
	case "password_keyring":
		id.PasswordKeyring = r.boolean(v, path)
	case "oauth":
		id.OAuth = r.oauth(v, path)
	case "password":
		id.Password = r.secret(v, path)
	case "certificate_passphrase":
		id.CertificatePassphrase = r.secret(v, path)
	case "hosts": // see finishHosts
	case "protocol":
		id.LMTP = r.protocol(v, path)
	case "hold_for":
		id.HoldFor = r.holdFor(v, path)
	case "send_window":
		id.SendWindow = r.window(v, path)
	case "host_message_id":
		id.RenamesMail = r.boolean(v, path)
	case "future_release":
		id.FutureRelease = r.boolean(v, path)
	case "transport":
		r.transport(v, path)
	case "srv":
		id.SRV = r.boolean(v, path)
	case "tls_fingerprint":
		id.Fingerprints = r.fingerprints(v, path)
	case "tls_min":
		id.TLSMin = r.tlsVersion(v, path)
	case "tls_compat":
		id.TLSCompat = r.concessions(v, path)
	case "tls_seen":
		id.TLSForget = !r.boolean(v, path)
	case "source_address":
		id.SourceAddress = r.sourceAddress(v, path)
	case "ip_version":
		if id.IPVersion = r.text(v, path); id.IPVersion != "4" && id.IPVersion != "6" && id.IPVersion != "" {
			r.fail(v.Line, "%s should be 4 or 6", path)
		}
	case "proxy":
		id.Proxy = r.proxy(v, path)
	case "proxy_password":
		id.ProxyPassword = r.secret(v, path)
	case "proxy_password_keyring":
		id.ProxyPasswordKeyring = r.boolean(v, path)
	case "timeout":
		id.Timeout = r.limit(v, path, "2m")
	case "keep_session":
		id.KeepSession = r.keepSession(v, path)
	case "max_messages_per_session":
		id.MaxMessagesPerSession = r.count(v, path, maxMessages)
	case "relogin_delay":
		id.ReloginDelay = r.duration(v, path, "30s")
		if id.ReloginDelay > maxReloginDelay {
			r.fail(v.Line, "%s should be an hour at most", path)
		}
	case "sessions":
		id.Sessions = r.count(v, path, maxSessions)
	default:
		return false
	}
	return true
}

// mapping reads a mapping, calling set for each key; set returns false for an
// unknown one. mapping returns false where n is none.
func (r *yamlReader) mapping(n *tree.Node, path string, set func(key string, v *tree.Node) bool) bool {
	if n.Kind != tree.Map {
		where := "the file"
		if path != "" {
			where = path
		}
		r.fail(n.Line, "%s should be made of lines like \"key: value\"", where)
		return false
	}
	lines := map[string]int{}
	for _, f := range n.Fields {
		if line, ok := lines[f.Key]; ok {
			r.fail(f.Line, "%s is given twice, first in line %d", printableKey(path, f.Key), line)
			continue
		}
		lines[f.Key] = f.Line
		if !set(f.Key, f.Value) {
			r.unknown(path, f)
		}
	}
	return true
}

// formerKey returns what a keyword of esmtprc is called here, "" if it is none. (A map would be
// made at each start of the program.)
func formerKey(key string) string {
	switch key {
	case "identity":
		return "name"
	case "hostname":
		return "host"
	case "user":
		return "username"
	case "pass":
		return "password"
	case "starttls":
		return "tls"
	case "passphrase":
		return "certificate_passphrase"
	case "qualifydomain":
		return "qualify_domain"
	case "force_reverse_path":
		return "reverse_path"
	case "force_sender":
		return "sender"
	}
	return ""
}

func (r *yamlReader) unknown(path string, f tree.Field) {
	if key := formerKey(f.Key); key != "" && path != "" && !strings.HasPrefix(path, "via[") {
		r.fail(f.Line, "unknown key %s; it is called %s here", printableKey(path, f.Key), key)
		return
	}
	text := "unknown key " + printableKey(path, f.Key)
	if key := nearest(f.Key, keysOf(path)); key != "" {
		text += "; is it " + key + "?"
	}
	r.fail(f.Line, "%s", text)
}

// keysOf returns the keys that there are at a path.
func keysOf(path string) []string {
	switch {
	case path == "":
		return topKeys
	case lastKey(path) == "oauth":
		return oauthKeys
	case strings.HasPrefix(path, "via["):
		return viaKeys
	case path == "hooks":
		return HookEvents
	}
	return identityKeys
}

// printableKey returns a key with its path. A key that does not look like a known one may be a
// misplaced value, and is not shown.
func printableKey(path, key string) string {
	if formerKey(key) == "" && nearest(key, keysOf(path)) == "" {
		key = "(not shown)"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
