package identity

import "strings"

// topKeys and identityKeys are the keys of a YAML file.
var topKeys = []string{
	"aliases", "batch_delay", "delay_notice_after", "expire_after", "force_mda", "history", "hold_possibly_delivered", "hooks",
	"identities", "keep_failed", "local_domains", "log", "log_subjects", "mda", "mda_timeout", "mda_unread", "notify", "queue",
	"via",
}

var identityKeys = []string{
	"auth", "authorize_as", "ca_file", "certificate_passphrase", "client_certificate", "client_key", "command", "default", "future_release", "helo",
	"hold_for", "host", "host_message_id", "hosts", "ip_version", "keep_session", "match", "max_messages_per_session", "message_id", "name", "oauth",
	"password", "password_command", "password_credential", "password_keyring", "port", "postconnect", "preconnect", "protocol",
	"proxy", "proxy_password", "proxy_password_command", "proxy_password_keyring", "qualify_domain", "relogin_delay",
	"reverse_path", "send_window", "sender", "sent_copy", "sessions", "source_address", "srv", "timeout", "tls", "tls_compat",
	"tls_fingerprint", "tls_min", "tls_name", "tls_seen", "token_command", "transport", "tunnel", "username",
}

var viaKeys = []string{"identity", "match"}

var oauthKeys = []string{
	"authorize_url", "client_id", "client_id_command", "client_secret", "device_url", "provider", "redirect_url", "resource",
	"scope", "tenant", "token_url",
}

// nearest returns the one of known words that a mistyped word stands for, "" if it looks like none
// of them. Nothing else is said of a word that is not known, since it may be a misplaced secret.
func nearest(word string, known []string) string {
	word = strings.ToLower(word)
	best, least := "", len(word)/3+1
	if len(word) > 40 {
		return ""
	}
	for _, k := range known {
		if d := distance(word, k); d < least && d <= 2 {
			best, least = k, d
		}
	}
	return best
}

// distance returns how many letters have to be added, left out, replaced, or exchanged with the next
// one to make one word of the other.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
