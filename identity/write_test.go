package identity

import (
	"io"
	"strings"
	"testing"

	"esmtpq/identity/yaml"
)

// newSecret is what a person puts in place of Mask.
const newSecret = "put in by hand"

// writeYAML writes a configuration as esmtpq config does.
func writeYAML(w io.Writer, c *Config) error {
	root, head := c.Tree()
	return yaml.Write(w, root, head)
}

// checkRoundTrip writes c as YAML and reads it back.
func checkRoundTrip(t *testing.T, c *Config) {
	t.Helper()
	var b strings.Builder
	if err := writeYAML(&b, c); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	again, err := parseYAML("again.yaml", []byte(text), noHome)
	if c.holdsSecret() {
		if err == nil || !strings.Contains(err.Error(), "is the placeholder of esmtpq config") {
			t.Fatalf("the placeholder was taken for a secret: %v", err)
		}
		for _, key := range []string{"    password", "    certificate_passphrase", "    proxy_password", "      client_secret"} {
			text = strings.ReplaceAll(text, "\n"+key+`: "`+Mask+`"`, "\n"+key+`: "`+newSecret+`"`)
		}
		again, err = parseYAML("again.yaml", []byte(text), noHome)
	}
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	want := *c
	want.Identities = nil
	for _, id := range c.Identities {
		copied := *id
		secrets := []*Secret{&copied.Password, &copied.CertificatePassphrase, &copied.ProxyPassword}
		if copied.OAuth != nil {
			o := *copied.OAuth
			copied.OAuth = &o
			secrets = append(secrets, &o.ClientSecret)
		}
		for _, s := range secrets {
			if s.IsSet() {
				*s = NewSecret(newSecret)
			}
		}
		want.Identities = append(want.Identities, &copied)
	}
	checkEqual(t, again, &want)
	if c.Default != nil && (again.Default == nil || again.Default.Name != c.Default.Name) {
		t.Errorf("the default is %v, want %v", again.Default, c.Default)
	}
	if t.Failed() {
		t.Logf("written:\n%s", text)
	}
}

func TestWriteYAML(t *testing.T) {
	c := parseText(t, "/home/ann/.esmtprc", `
hostname = mail.example.com:465
username = "ann"
password = "pa ss\\word"
mda = '/usr/bin/formail -a "Date: `+"`date -R`"+`" | /usr/bin/procmail -d %T'
identity = ann@example.org
  hostname = localhost:25025
  starttls = enabled
  preconnect = "ssh -f -L 25025:localhost:25 host 'sleep 5'"
  force reverse_path = "%u@example.org"
  message_id = disabled
`)
	const want = `# Read from /home/ann/.esmtprc
mda: "/usr/bin/formail -a \"Date: ` + "`date -R`" + `\" | /usr/bin/procmail -d %T"
identities:
  - name: default
    match: []
    default: true
    host: mail.example.com
    port: 465
    tls: implicit
    username: ann
    password: "********" # copy it from the file above, or better use password_command
  - name: ann@example.org
    match:
      - ann@example.org
    host: localhost
    port: 25025
    tls: opportunistic
    reverse_path: "%u@example.org"
    message_id: false
    preconnect: "ssh -f -L 25025:localhost:25 host 'sleep 5'"
`
	var b strings.Builder
	if err := writeYAML(&b, c); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Run("full", func(t *testing.T) { checkRoundTrip(t, parseText(t, "c.yaml", fullYAML)) })
	for _, text := range []string{
		"batch_delay: never\nidentities: [{name: a, host: h}]",
		"expire_after: never\ndelay_notice_after: 90m\nkeep_failed: 30d\nhold_possibly_delivered: on\nnotify: 'a \"b\"'\nidentities: [{name: a, host: h}]",
		"batch_delay: 0s\nidentities: [{name: a, host: h}]",
		"identities: [{name: a, host: h}, {name: b, host: '[::1]'}]",
		"identities: [{name: 'true', host: 'null', port: smtp}, {name: '12', host: h, username: '0x1', helo: '~'}]",
		"identities: [{name: a, host: h, username: 'é ü', preconnect: \"a\\nb\\x01\\u2028\\ufeff\"}]",
	} {
		t.Run(text, func(t *testing.T) { checkRoundTrip(t, parseText(t, "c.yaml", text)) })
	}
	for _, text := range esmtprcSamples {
		t.Run(text, func(t *testing.T) { checkRoundTrip(t, parseText(t, "rc", text)) })
	}
}

// esmtprcSamples are valid files of many kinds.
var esmtprcSamples = []string{
	"",
	"mda=/bin/true\n",
	"force_mda='a\nb'\n",
	"host=a:25 user=u pass=p helo=h qualifydomain=d message_id=disabled",
	"host=[::1]:25\n",
	"host=[fe80::1%eth0]:25\n",
	"host=h#x:25\n",
	"pass=''",
	"certificate_passphrase=\"x y\"",
	"user=\"\\xe9t\\xe9\"",
	"user=\"a\tb\rc\nd\"",
	"preconnect=\" leading\n  and more \n\n\"",
	"postconnect='#'",
	"identity a@x.example\nidentity b@x.example host=b:465 starttls=required default\n",
	"identity=work host=a force sender=\"Ann <%u@x.example>\"\nidentity=* host=b:submission",
	"identity \"\" user='- a'\nidentity default user=': b'",
	"identity null helo='true'\nidentity true helo='1e3'\nidentity '12' helo='0777'\nidentity '~' helo='2001-01-01'",
	"identity 'a\\\"b\"' helo='%x'",
	"host=~:25",
}
