package identity

import (
	"io"
	"strconv"
	"strings"
	"time"
)

// WriteYAML writes the configuration in the YAML spelling, with Mask in place of
// secrets: the way from an esmtprc to a YAML file. Reading what it wrote gives
// the same Config, once the secrets are put in.
func (c *Config) WriteYAML(w io.Writer) error {
	root := &node{kind: nodeMap}
	if c.BatchDelay < 0 {
		root.addPlain("batch_delay", "never")
	} else if c.BatchDelay != DefaultBatchDelay {
		root.addPlain("batch_delay", c.BatchDelay.String())
	}
	root.addText("mda", c.MDA)
	root.addText("force_mda", c.ForceMDA)
	root.addDuration("mda_timeout", c.MDATimeout)
	root.addText("notify", c.Notify)
	root.addPeriod("expire_after", c.ExpireAfter)
	root.addPeriod("delay_notice_after", c.DelayNoticeAfter)
	root.addPeriod("keep_failed", c.KeepFailed)
	if c.HoldPossiblyDelivered {
		root.addPlain("hold_possibly_delivered", "true")
	}
	list := &node{kind: nodeList}
	for _, id := range c.Identities {
		list.items = append(list.items, c.identityNode(id))
	}
	root.add("identities", list)

	file := c.File
	if quoted := strconv.Quote(file); quoted != `"`+file+`"` {
		file = quoted // a path with line ends would leave the comment
	}
	return writeNodes(w, root, "# Read from "+file)
}

// identityNode returns the node of one identity.
func (c *Config) identityNode(id *Identity) *node {
	n := &node{kind: nodeMap}
	n.addText("name", id.Name)
	match := &node{kind: nodeList}
	for _, m := range id.Match {
		match.items = append(match.items, &node{kind: nodeText, text: m, plain: harmless(m)})
	}
	n.add("match", match)
	if id.Default {
		n.addPlain("default", "true")
	}
	host := id.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	n.addText("host", host)
	n.addText("port", id.Port)
	n.addPlain("tls", id.TLS.String())
	n.addText("tls_name", id.TLSName)
	n.addText("username", id.Username)
	n.addSecret("password", id.Password, "copy it from the file above, or better use password_command")
	n.addText("password_command", id.PasswordCommand)
	n.addText("helo", id.Helo)
	n.addText("qualify_domain", id.QualifyDomain)
	n.addText("reverse_path", id.ReversePath)
	n.addText("sender", id.Sender)
	if id.NoMessageID {
		n.addPlain("message_id", "false")
	}
	n.addText("preconnect", id.Preconnect)
	n.addText("postconnect", id.Postconnect)
	n.addText("tunnel", id.Tunnel)
	n.addText("ca_file", id.CAFile)
	n.addText("client_certificate", id.ClientCertificate)
	n.addText("client_key", id.ClientKey)
	n.addSecret("certificate_passphrase", id.CertificatePassphrase, "copy it from the file above")
	n.addDuration("timeout", id.Timeout)
	n.addCount("max_messages_per_session", id.MaxMessagesPerSession)
	n.addDuration("relogin_delay", id.ReloginDelay)
	n.addCount("sessions", id.Sessions)
	return n
}

func (n *node) add(key string, value *node) {
	n.fields = append(n.fields, field{key: key, value: value})
}

// addPlain adds a value that needs no quotes: a number or a word of ours.
func (n *node) addPlain(key, text string) {
	n.add(key, &node{kind: nodeText, text: text, plain: true})
}

// addText adds a text, unless it is empty.
func (n *node) addText(key, text string) {
	if text != "" {
		n.add(key, &node{kind: nodeText, text: text, plain: harmless(text) || key == "port" && isNumber([]byte(text))})
	}
}

func (n *node) addCount(key string, count int) {
	if count != 0 {
		n.addPlain(key, strconv.Itoa(count))
	}
}

func (n *node) addDuration(key string, d time.Duration) {
	if d != 0 {
		n.addPlain(key, d.String())
	}
}

// addPeriod adds a time as period reads it.
func (n *node) addPeriod(key string, d time.Duration) {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		n.addPlain(key, "never")
	case d > 0 && d%day == 0:
		n.addPlain(key, strconv.FormatInt(int64(d/day), 10)+"d")
	default:
		n.addDuration(key, d)
	}
}

func (n *node) addSecret(key string, s Secret, remark string) {
	if s.IsSet() {
		n.add(key, &node{kind: nodeText, text: Mask, comment: remark})
	}
}

// harmless tells whether a text may stand without quotes, in the eyes of a
// person who does not know all rules of YAML.
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
