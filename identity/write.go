package identity

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"esmtpq/identity/tree"
)

// Tree returns the configuration as YAML, with Mask in place of secrets and a comment that says
// where it is from: the way from an esmtprc to a YAML file. What is written from it reads as the
// same Config, once the secrets are put in.
func (c *Config) Tree() (root *tree.Node, head string) {
	root = &tree.Node{Kind: tree.Map}
	if c.BatchDelay < 0 {
		addPlain(root, "batch_delay", "never")
	} else if c.BatchDelay != DefaultBatchDelay {
		addPlain(root, "batch_delay", c.BatchDelay.String())
	}
	addText(root, "mda", c.MDA)
	addText(root, "force_mda", c.ForceMDA)
	addDuration(root, "mda_timeout", c.MDATimeout)
	if c.MDAUnread {
		addPlain(root, "mda_unread", "true")
	}
	addTexts(root, "local_domains", c.LocalDomains)
	if len(c.Aliases) > 0 {
		aliases := &tree.Node{Kind: tree.Map}
		for _, name := range slices.Sorted(maps.Keys(c.Aliases)) {
			addText(aliases, name, c.Aliases[name])
		}
		add(root, "aliases", aliases)
	}
	addText(root, "notify", c.Notify)
	addPeriod(root, "expire_after", c.ExpireAfter)
	addPeriod(root, "delay_notice_after", c.DelayNoticeAfter)
	addPeriod(root, "keep_failed", c.KeepFailed)
	addPeriod(root, "history", c.History)
	addText(root, "log", c.Log)
	if c.LogSubjects {
		addPlain(root, "log_subjects", "true")
	}
	c.addHooks(root)
	addText(root, "queue", c.Queue)
	if c.HoldPossiblyDelivered {
		addPlain(root, "hold_possibly_delivered", "true")
	}
	list := &tree.Node{Kind: tree.List}
	for _, id := range c.Identities {
		list.Items = append(list.Items, c.identityNode(id))
	}
	add(root, "identities", list)
	addVias(root, c.Vias)

	file := c.File
	if quoted := strconv.Quote(file); quoted != `"`+file+`"` {
		file = quoted // a path with line ends would break out of the comment
	}
	return root, "# Read from " + file
}

// identityNode returns the node of one identity.
func (c *Config) identityNode(id *Identity) *tree.Node {
	n := &tree.Node{Kind: tree.Map}
	addText(n, "name", id.Name)
	add(n, "match", textList(id.Match))
	if id.Default {
		addPlain(n, "default", "true")
	}
	switch {
	case id.Command != "":
		addPlain(n, "transport", "command")
		addText(n, "command", id.Command)
	case len(id.Fallbacks) > 0:
		addHosts(n, id)
	default:
		host := id.Host
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if id.SRV {
			host = id.Written()
		}
		addText(n, "host", host)
		if !id.AnyPort {
			addText(n, "port", id.Port)
			addPlain(n, "tls", id.TLS.String())
		}
	}
	if id.LMTP {
		addPlain(n, "protocol", "lmtp")
	}
	addText(n, "tls_name", id.TLSName)
	addTexts(n, "tls_fingerprint", id.Fingerprints)
	addText(n, "tls_min", id.TLSMin)
	addTexts(n, "tls_compat", id.TLSCompat)
	if id.TLSForget {
		addPlain(n, "tls_seen", "false")
	}
	addText(n, "source_address", id.SourceAddress)
	if id.IPVersion != "" {
		addPlain(n, "ip_version", id.IPVersion)
	}
	addText(n, "username", id.Username)
	addSecret(n, "password", id.Password, "copy it from the file above, or better use password_command")
	addText(n, "password_command", id.PasswordCommand)
	if id.PasswordKeyring {
		addPlain(n, "password_keyring", "true")
	}
	addText(n, "password_credential", id.PasswordCredential)
	addText(n, "token_command", id.TokenCommand)
	addOAuth(n, id.OAuth)
	addWords(n, "auth", id.Mechanisms)
	addText(n, "authorize_as", id.AuthorizeAs)
	addText(n, "helo", id.Helo)
	addText(n, "qualify_domain", id.QualifyDomain)
	addText(n, "reverse_path", id.ReversePath)
	addText(n, "sender", id.Sender)
	addText(n, "sent_copy", id.SentCopy)
	if id.NoMessageID {
		addPlain(n, "message_id", "false")
	}
	addText(n, "preconnect", id.Preconnect)
	addText(n, "postconnect", id.Postconnect)
	if id.Proxy != nil {
		addText(n, "proxy", id.Proxy.String())
	}
	addSecret(n, "proxy_password", id.ProxyPassword, "copy it from the file above")
	addText(n, "proxy_password_command", id.ProxyPasswordCommand)
	if id.ProxyPasswordKeyring {
		addPlain(n, "proxy_password_keyring", "true")
	}
	addText(n, "tunnel", id.Tunnel)
	addText(n, "ca_file", id.CAFile)
	addText(n, "client_certificate", id.ClientCertificate)
	addText(n, "client_key", id.ClientKey)
	addSecret(n, "certificate_passphrase", id.CertificatePassphrase, "copy it from the file above")
	addDuration(n, "timeout", id.Timeout)
	addDuration(n, "hold_for", id.HoldFor)
	if len(id.SendWindow) > 0 {
		spans := make([]string, len(id.SendWindow))
		for i, s := range id.SendWindow {
			spans[i] = s.text
		}
		add(n, "send_window", textList(spans))
	}
	if id.RenamesMail {
		addPlain(n, "host_message_id", "true")
	}
	if id.FutureRelease {
		addPlain(n, "future_release", "true")
	}
	addPeriod(n, "keep_session", id.KeepSession)
	addCount(n, "max_messages_per_session", id.MaxMessagesPerSession)
	addDuration(n, "relogin_delay", id.ReloginDelay)
	addCount(n, "sessions", id.Sessions)
	return n
}

func add(n *tree.Node, key string, value *tree.Node) {
	n.Fields = append(n.Fields, tree.Field{Key: key, Value: value})
}

// addPlain adds a value that needs no quotes: a number or a word of ours.
func addPlain(n *tree.Node, key, text string) {
	add(n, key, &tree.Node{Kind: tree.Text, Text: text, Plain: true})
}

// addText adds a text, unless it is empty.
func addText(n *tree.Node, key, text string) {
	if text != "" {
		add(n, key, &tree.Node{Kind: tree.Text, Text: text, Plain: harmless(text) || key == "port" && isNumber([]byte(text))})
	}
}

// addWords adds a list of words of ours, in lower case.
func addWords(n *tree.Node, key string, words []string) {
	if len(words) == 0 {
		return
	}
	list := &tree.Node{Kind: tree.List}
	for _, word := range words {
		list.Items = append(list.Items, &tree.Node{Kind: tree.Text, Text: strings.ToLower(word), Plain: true})
	}
	add(n, key, list)
}

// addTexts adds a list of texts, unless it is empty.
func addTexts(n *tree.Node, key string, texts []string) {
	if len(texts) > 0 {
		add(n, key, textList(texts))
	}
}

func textList(texts []string) *tree.Node {
	list := &tree.Node{Kind: tree.List}
	for _, text := range texts {
		list.Items = append(list.Items, &tree.Node{Kind: tree.Text, Text: text, Plain: harmless(text)})
	}
	return list
}

func addCount(n *tree.Node, key string, count int) {
	if count != 0 {
		addPlain(n, key, strconv.Itoa(count))
	}
}

func addDuration(n *tree.Node, key string, d time.Duration) {
	if d != 0 {
		addPlain(n, key, d.String())
	}
}

// addPeriod adds a time as period reads it.
func addPeriod(n *tree.Node, key string, d time.Duration) {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		addPlain(n, key, "never")
	case d > 0 && d%day == 0:
		addPlain(n, key, strconv.FormatInt(int64(d/day), 10)+"d")
	default:
		addDuration(n, key, d)
	}
}

func addSecret(n *tree.Node, key string, s Secret, remark string) {
	if s.IsSet() {
		add(n, key, &tree.Node{Kind: tree.Text, Text: Mask, Comment: remark})
	}
}

// harmless reports whether a text can be written without quotes and still look right to a person
// who does not know all rules of YAML.
func harmless(s string) bool {
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && !strings.ContainsRune("@._-/", rune(c))) {
			return false
		}
	}
	return s != ""
}
