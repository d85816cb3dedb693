package clients

import (
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// Signed mail shows any change on the way.

// newSigner gives the person a key of their own.
func newSigner(p *stage.Person) {
	p.T.Helper()
	stage.Needs(p.T, "gpg")
	p.Write(".gnupg/gpg.conf", "batch\npinentry-mode loopback\n")
	p.T.Cleanup(func() { p.Try("", "gpgconf", "--kill", "all") })
	p.Run("", "gpg", "--quiet", "--passphrase", "", "--quick-generate-key", "me@example.org", "ed25519", "sign", "never")
}

// A clear-signed text: dots, dashes, 8-bit text, lines of blanks.
func TestClearSigned(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	newSigner(me)
	signed := me.Run(stage.Awkward, "gpg", "--quiet", "--clearsign")
	me.Succeeds(me.Command("sendmail", "-t"), scripted+signed)
	me.Deliver()
	mail := host.One(t)
	mail.SameAs(t, without(scripted, "Bcc")+signed)
	me.Run(mail.Text(t), "gpg", "--quiet", "--verify")
}

// PGP/MIME as mutt makes it: the signature covers a part with its header, with CRLF line ends.
func TestDetachedSignature(t *testing.T) {
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	newSigner(me)
	part := "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + stage.Awkward
	onWire := strings.ReplaceAll(part, "\n", "\r\n")
	signature := me.Run(onWire, "gpg", "--quiet", "--armor", "--detach-sign")
	meant := "From: me@example.org\nTo: friend@example.net\nSubject: signed\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/signed; boundary=\"=-=\"; protocol=\"application/pgp-signature\"; micalg=pgp-sha512\n\n" +
		"--=-=\n" + part + "\n--=-=\nContent-Type: application/pgp-signature\n\n" + signature + "\n--=-=--\n"
	me.Succeeds(me.Command("sendmail", "-t", "-i"), meant)
	me.Deliver()
	mail := host.One(t)
	mail.SameAs(t, meant)

	_, rest, _ := strings.Cut(mail.Content, "\r\n--=-=\r\n")
	arrived, _, _ := strings.Cut(rest, "\r\n--=-=\r\n")
	me.Write("signature", signature)
	me.Run(arrived, "gpg", "--quiet", "--verify", me.Path("signature"), "-")
}
