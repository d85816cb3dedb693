// Package identity knows who mail is sent as and through which smart host. It reads the
// configuration files, chooses the identity for an address, and obtains the identity's secrets.
//
// A Config has two file formats. A YAML file is read strictly: an unknown key is an error with a
// line number. An esmtprc, the file of esmtp 1.2, is read as esmtp read it. The first file found
// is used alone:
//
//	the file named with -C
//	$ESMTPQ_CONFIG
//	$XDG_CONFIG_HOME/esmtpq/config.yaml (~/.config/esmtpq/config.yaml)
//	/etc/esmtpq/config.yaml
//	~/.esmtprc
//	/etc/esmtprc
//
// No value of a file appears in an error or a warning, since any value may be a misplaced
// password. Line numbers, keys and keywords must do.
package identity

import (
	"context"
	"io/fs"
	"time"
)

// DefaultBatchDelay is how long a background delivery waits for more mail
// where the configuration does not say.
const DefaultBatchDelay = 5 * time.Second

// DefaultKeepSession is how long a session is kept where the configuration does not say.
const DefaultKeepSession = 30 * time.Second

// Never is the time of something that is not to happen. As batch delay it means that no
// background delivery is started.
const Never time.Duration = -1

// The formats of a configuration file.
const (
	FormatEsmtprc = "esmtprc"
	FormatYAML    = "yaml"
)

// A Config is one configuration file, read and checked.
type Config struct {
	File   string      // the path it was read from
	Format string      // FormatEsmtprc or FormatYAML
	Info   fs.FileInfo // of File, when it was opened; nil if it was not read from one

	// BatchDelay is how long the background delivery that follows a submission waits for more
	// mail. If it is negative (Never), none is started.
	BatchDelay time.Duration

	MDA        string        // shell command of the local delivery agent; "" where there is none
	MDALine    int           // where MDA is in the file; 0 if not known
	ForceMDA   string        // user for whom the agent gets all mail; "" for none
	MDATimeout time.Duration // limit for one call of it; 0 means the agent's usual one
	MDAUnread  bool          // its success counts even if it has read nothing
	// LocalDomains are domains whose mail is for the MDA, which gets the part before the "@".
	LocalDomains []string
	// Aliases say where mail for a local name goes instead: to an address, or to another name. The
	// names are in lower case. See Resolve.
	Aliases map[string]string

	// Vias are the rules by which mail for some recipients goes through another identity's smart host.
	Vias []Via

	// Notify is a shell command that tells the owner of mail that was not delivered, where no MDA
	// can take a bounce. It reads a short text. "" means that there is none.
	Notify string
	// How long mail is tried, when its owner is told that it is late, and how long failed mail is
	// kept. 0 means the queue's usual time, a negative one (Never) that it does not happen.
	ExpireAfter, DelayNoticeAfter, KeepFailed time.Duration

	// History is how long is remembered what became of mail. 0 means the usual time, a negative one
	// (Never) that nothing is.
	History time.Duration
	// Log says where lines in the form of Postfix go: "syslog", "journal", or an absolute path; ""
	// means nowhere.
	Log string
	// LogSubjects puts the subjects of mail into both.
	LogSubjects bool
	// Hooks are shell commands by the event after which they are run, see HookEvents.
	Hooks map[string]string
	// Queue is the directory for a user without a home, with %u for the login name. It counts in the
	// system's configuration alone. "" means that there is none.
	Queue string

	// HoldPossiblyDelivered holds a message whose delivery was cut off before the host's last
	// reply, so that its owner can decide. Otherwise the message is tried again.
	HoldPossiblyDelivered bool

	Identities []*Identity // in the order of the file; their names are unique
	Default    *Identity   // for mail that no identity matches; may be nil

	// Warnings are remarks for a person, each with file and line. They contain no values of the
	// file.
	Warnings []string

	lines map[setting]int // see LineOf
}

// A setting is one of an identity, or of the whole configuration.
type setting struct {
	id  *Identity // nil: of the configuration
	key string    // as in YAML
}

// LineOf returns the line of a setting by its name in YAML, 0 where it is not given. The setting is
// one of the identity, or of the whole configuration if id is nil.
func (c *Config) LineOf(id *Identity, key string) int { return c.lines[setting{id, key}] }

// setLine remembers the line of a setting. The last one counts.
func (c *Config) setLine(id *Identity, key string, line int) {
	if c.lines == nil {
		c.lines = make(map[setting]int)
	}
	c.lines[setting{id, key}] = line
}

// An Identity is one way of sending: a smart host for some addresses, and everything needed to
// talk to it.
type Identity struct {
	Name    string   // what it is called in logs; unique in its Config, never empty
	Match   []string // addresses and patterns it is for; in an esmtprc the identity's word
	Default bool     // whether it is Config.Default

	LMTP bool // the host speaks LMTP (RFC 2033), not SMTP

	// Command is a shell command that carries the mail, in place of a smart host; "" for none.
	Command string

	Host string  // name or address, an IPv6 address without brackets; or the path of a local socket; empty only where there is a Command
	Port string  // number or service name; "" for a local socket and with SRV only
	TLS  TLSMode // how the session is protected
	// AnyPort says that neither port nor TLS is given: the host is tried at port 465 with TLSImplicit
	// and at 587 with TLSStartTLS. With SRV, the records for both count, and otherwise those for TLS.
	AnyPort bool
	// SRV says that Host is a domain, whose SRV records name the hosts (RFC 6186, RFC 8314, 5.1).
	SRV bool
	// Fallbacks are further hosts, for when no session comes about with those before.
	Fallbacks []Fallback
	// TLSName is the name that the host's certificate must be for, where that is not Host, such
	// as for a host that is reached as localhost through a forwarded port.
	TLSName string
	// Fingerprints are those of the certificates that are taken, whatever name and authority they
	// have: "sha256:" and hexadecimal digits, or "sha256//" and base64 of a public key's; nil for none.
	Fingerprints []string
	TLSMin       string // the oldest version of TLS that is taken, from "1.0" to "1.3"; "" means 1.2
	// TLSCompat are concessions to a host, of those that CompatRSA begins; nil for none.
	TLSCompat []string
	TLSForget bool // what was seen of TLS at the host is not insisted on

	// Forwarded says that Host is a port of this machine which Preconnect forwards to another host
	// than its gateway, so that what is sent in clear can be read on the way there.
	Forwarded bool

	SourceAddress string // address of this machine to connect from; "" for any
	IPVersion     string // "4" or "6": the only one to connect by; "" for either

	Username        string
	Password        Secret // see Credentials
	PasswordCommand string // shell command that prints the password
	passwordAt      string // which of the two, with file and line and ": " at the end; "" if not known
	// PasswordKeyring says that the password is in the keyring of the desktop, PasswordCredential
	// names the credential of systemd that it is. Without any, it is looked for in ~/.netrc.
	PasswordKeyring    bool
	PasswordCredential string
	// Lookup returns a password that is none of the configuration's; set by the opener of sessions.
	Lookup func(ctx context.Context) (string, error) `json:"-"`
	OAuth  *OAuth                                    // log in with access tokens of a provider; nil for none
	// Tokens returns an access token for OAuth in place of a refused one, "" for none; set by the
	// opener of sessions.
	Tokens       func(ctx context.Context, refused string) (string, error) `json:"-"`
	TokenCommand string                                                    // shell command that prints an access token (OAuth), in place of a password
	// Mechanisms are those that may be used to log in, best first, in upper case; nil means all
	// that are known, but for those that are only used on request.
	Mechanisms  []string
	LoginLine   int    `json:"-"` // of the file: the password, or what else there is about the login; 0 for none
	AuthorizeAs string // whom to act as at the host, where that is not Username; "" for nobody else
	Run         Runner `json:"-"` // runs the commands above; set by the opener of sessions

	Helo          string // name to say in EHLO; "" means this machine's
	QualifyDomain string // domain for recipients without one; "" means those are local
	ReversePath   string // forced reverse-path, may contain %u; see Config.ReversePath
	Sender        string // forced Sender: field, may contain %u; see Expand
	// SentCopy is where a copy of what the host has taken goes: an absolute path, with a slash at its end
	// for a Maildir, otherwise of an mbox; "" for no copy.
	SentCopy    string
	NoMessageID bool // do not add a Message-ID where there is none

	Preconnect    string // shell command to run before connecting
	Postconnect   string // shell command to run after the session
	Proxy         *Proxy // makes the connection; nil for none
	ProxyPassword Secret // see ProxySecret
	// ProxyPasswordCommand is a shell command that prints the password for the proxy;
	// ProxyPasswordKeyring says that it is in the keyring, where ProxyLookup finds it.
	ProxyPasswordCommand string
	ProxyPasswordKeyring bool
	ProxyLookup          func(ctx context.Context) (string, error) `json:"-"`
	Tunnel               string                                    // command line whose stdin and stdout reach the host, such as "ssh gateway"

	CAFile                string // PEM file of authorities to trust instead of the system's; absolute
	ClientCertificate     string // PEM file; absolute
	ClientKey             string // PEM file; absolute; "" means in ClientCertificate
	CertificatePassphrase Secret // of the client key

	Timeout time.Duration // limit of each step of the session; 0 means the standard's

	HoldFor    time.Duration // how long mail can be taken back after its submission, before it is sent
	SendWindow Window        // when mail is sent; nil: always
	// RenamesMail says that the host gives mail Message-IDs of its own, and names them in its final reply.
	RenamesMail bool
	// FutureRelease hands mail that is to be sent at a time to a host that keeps it until then (RFC 4865).
	FutureRelease bool

	// KeepSession is how long the watcher leaves a session open for more mail; 0 means
	// DefaultKeepSession, and Never that it does not.
	KeepSession           time.Duration
	MaxMessagesPerSession int           // after this many a new session is begun; 0 means any number
	ReloginDelay          time.Duration // how long to wait before that
	// Sessions is how many sessions may be open at the same time when many messages wait; 0 and 1
	// mean one, which keeps messages in order.
	Sessions int
}

// A TLSMode says how a session is protected.
type TLSMode int

const (
	TLSOff           TLSMode = iota // in clear
	TLSOpportunistic                // STARTTLS where the host offers it, or else in clear
	TLSStartTLS                     // STARTTLS (RFC 3207), verified, or no session
	TLSImplicit                     // TLS from the first octet (RFC 8314, 3.3), verified
)

var tlsModes = [...]string{"off", "opportunistic", "starttls", "implicit"}

// String returns the mode as YAML spells it.
func (m TLSMode) String() string {
	if m < 0 || int(m) >= len(tlsModes) {
		return "unknown"
	}
	return tlsModes[m]
}

func parseTLSMode(word string) (TLSMode, bool) {
	for i, name := range tlsModes {
		if name == word {
			return TLSMode(i), true
		}
	}
	return TLSOff, false
}
