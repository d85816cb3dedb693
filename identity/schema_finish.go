package identity

import (
	"slices"
	"strings"

	"esmtpq/identity/tree"
)

// finish checks an identity as a whole and fills in what was left out.
func (r *yamlReader) finish(id *Identity, n *tree.Node, path string, seen map[string]*tree.Node) {
	lineOf := func(key string) int {
		if v := seen[key]; v != nil {
			return v.Line
		}
		return n.Line
	}
	if seen["match"] == nil && isAddress(id.Name) {
		id.Match = []string{id.Name}
	}
	if seen["name"] == nil {
		if i := slices.IndexFunc(id.Match, func(m string) bool { return m != "" }); i >= 0 {
			id.Name = id.Match[i]
		} else {
			r.fail(n.Line, "%s needs a name, best its mail address", path)
		}
	}
	if r.finishTransport(id, path, seen, lineOf) {
		return
	}
	if seen["hosts"] != nil {
		r.finishHosts(id, path, seen, lineOf)
	} else {
		r.finishHost(id, path, seen, lineOf)
	}
	r.finishLogin(id, n, path, seen, lineOf)
	switch {
	case id.CAFile != "" && seen["tls_fingerprint"] != nil:
		r.fail(lineOf("tls_fingerprint"), "%s has both ca_file and tls_fingerprint", path)
	case id.ClientKey != "" && id.ClientCertificate == "":
		r.fail(lineOf("client_key"), "%s has a client_key and no client_certificate", path)
	}
	for _, one := range id.Each() {
		r.config.warnClear(one, lineOf("tls"))
	}
}

// finishLogin checks what an identity logs in with.
func (r *yamlReader) finishLogin(id *Identity, n *tree.Node, path string, seen map[string]*tree.Node, lineOf func(string) int) {
	before := ""
	for _, key := range [...]string{"password", "password_command", "token_command", "oauth", "password_keyring", "password_credential"} {
		switch {
		case seen[key] == nil:
		case before != "":
			r.fail(lineOf(key), "%s has both %s and %s", path, before, key)
		default:
			before = key
		}
	}
	if (id.PasswordKeyring || id.PasswordCredential != "") && id.Username == "" {
		r.fail(n.Line, "%s says where its password is and has no username", path)
	}
	if id.OAuth != nil && id.Username == "" && isAddress(id.Name) {
		id.Username = id.Name
	}
	if id.OAuth != nil && id.Username == "" {
		r.fail(lineOf("oauth"), "%s has oauth and no username", path)
	}
	if id.TokenCommand != "" && seen["username"] == nil {
		r.fail(lineOf("token_command"), "%s has a token_command and no username", path)
	}
}

// finishHost splits the host, and chooses port and TLS mode where they are left out: verified
// TLS, except where nobody can eavesdrop.
func (r *yamlReader) finishHost(id *Identity, path string, seen map[string]*tree.Node, lineOf func(string) int) {
	if seen["host"] == nil && id.OAuth != nil && r.providerHost(id, seen) {
		return
	}
	if seen["host"] == nil {
		r.fail(lineOf("host"), "%s has no host", path)
		return
	}
	if id.Host == "" {
		return // already reported
	}
	if domain, found := strings.CutPrefix(id.Host, srvPrefix); found {
		id.Host, id.SRV = domain, true
	}
	if id.SRV {
		r.finishSRV(id, path, seen, lineOf)
		return
	}
	r.finishProxy(id, path, seen, lineOf)
	if id.IsSocket() {
		r.finishSocket(id, path, seen, lineOf)
		return
	}
	host, port, text := splitHost(id.Host)
	switch {
	case text != "":
		r.fail(lineOf("host"), "%s.host %s", path, text)
	case port != "" && seen["port"] != nil:
		r.fail(lineOf("port"), "%s has a port here and another one in host", path)
	case seen["port"] != nil && id.Port != "":
		port = id.Port
		if text := badPort(port); text != "" {
			r.fail(lineOf("port"), "%s.port %s", path, text)
		}
	}
	id.Host, id.Port = host, port
	behind := id.behindForward(seen["tls_name"] != nil)
	id.Forwarded = behind != ""
	if seen["tls"] == nil {
		switch {
		case implicitPort(port) || implicitPort(behind):
			id.TLS = TLSImplicit
		case id.Private():
			id.TLS = TLSOff
		default:
			id.TLS = TLSStartTLS
		}
	}
	id.AnyPort = seen["tls"] == nil && port == "" && id.TLS == TLSStartTLS && !id.LMTP && id.direct()
	switch {
	case port != "":
	case id.LMTP:
		id.Port = "24"
	case id.TLS == TLSImplicit:
		id.Port = "465"
	default:
		id.Port = "587"
	}
	if implicitPort(id.Port) && id.TLS != TLSImplicit {
		r.config.warn(lineOf("tls"), path+": port 465 speaks TLS from the start; tls should be implicit")
	}
}

// direct reports whether the smart host is dialled from here, with nothing run before or after.
func (id *Identity) direct() bool {
	return id.Tunnel == "" && id.Proxy == nil && id.Preconnect == "" && id.Postconnect == ""
}

// finishProxy checks what a proxy goes together with.
func (r *yamlReader) finishProxy(id *Identity, path string, seen map[string]*tree.Node, lineOf func(string) int) {
	switch {
	case seen["proxy"] != nil && seen["tunnel"] != nil:
		r.fail(lineOf("proxy"), "%s has both proxy and tunnel", path)
	case seen["proxy"] != nil && id.IsSocket():
		r.fail(lineOf("proxy"), "%s has a proxy, which cannot reach a local socket", path)
	}
	before := ""
	for _, key := range [...]string{"proxy_password", "proxy_password_command", "proxy_password_keyring"} {
		switch {
		case seen[key] == nil:
		case seen["proxy"] == nil || id.Proxy != nil && id.Proxy.User == "":
			r.fail(lineOf(key), "%s has a %s and no proxy with a user name", path, key)
		case before != "":
			r.fail(lineOf(key), "%s has both %s and %s", path, before, key)
		default:
			before = key
		}
	}
}

// maxSocketPath is what the shortest sockaddr_un of our systems holds, which is that of macOS and
// the BSDs.
const maxSocketPath = 103

// finishSocket checks a host that is a local socket.
func (r *yamlReader) finishSocket(id *Identity, path string, seen map[string]*tree.Node, lineOf func(string) int) {
	switch {
	case len(id.Host) > maxSocketPath:
		r.fail(lineOf("host"), "%s.host is too long for the path of a local socket, which has %d octets at most", path, maxSocketPath)
	case seen["port"] != nil:
		r.fail(lineOf("port"), "%s has a port, which a local socket has not", path)
	case seen["tunnel"] != nil:
		r.fail(lineOf("tunnel"), "%s has a tunnel, which cannot reach a local socket", path)
	case id.TLS != TLSOff && id.TLSName == "":
		r.fail(lineOf("tls"), "%s has a local socket for a host: TLS needs a tls_name", path)
	}
}
