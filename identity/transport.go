package identity

import "esmtpq/identity/tree"

// hostKey reports whether a setting is about a smart host: the way to it, the session, the login.
func hostKey(key string) bool {
	switch key {
	case "name", "match", "default", "transport", "command", "qualify_domain", "reverse_path", "sender", "message_id", "timeout", "hold_for", "send_window":
		return false
	}
	return true
}

// transport reads what carries the mail of an identity.
func (r *yamlReader) transport(v *tree.Node, path string) {
	if v.Kind != tree.Text || v.Text != "smtp" && v.Text != "command" {
		r.fail(v.Line, "%s should be smtp or command", path)
	}
}

// protocol reads what a smart host speaks, and reports whether that is LMTP.
func (r *yamlReader) protocol(v *tree.Node, path string) bool {
	if v.Kind != tree.Text || v.Text != "smtp" && v.Text != "lmtp" {
		r.fail(v.Line, "%s should be smtp or lmtp", path)
	}
	return v.Text == "lmtp"
}

// finishTransport checks what belongs to a command, which has the place of a smart host. It reports
// whether there is to be one.
func (r *yamlReader) finishTransport(id *Identity, path string, seen map[string]*tree.Node, lineOf func(string) int) bool {
	isCommand := seen["transport"] != nil && seen["transport"].Text == "command"
	switch {
	case isCommand && seen["command"] == nil:
		r.fail(lineOf("transport"), "%s has transport: command and no command", path)
	case !isCommand && seen["command"] != nil:
		r.fail(lineOf("command"), "%s has a command and no transport: command", path)
	}
	if isCommand {
		for _, key := range identityKeys {
			if seen[key] != nil && hostKey(key) {
				r.fail(lineOf(key), "%s has %s, which means nothing with transport: command", path, key)
			}
		}
	}
	return isCommand
}
