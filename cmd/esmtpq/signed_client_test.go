package main_test

import (
	"strings"
	"testing"
)

// Signed mail is what shows any change on the way.

// newSigner gives the person a key of their own.
func (p *person) newSigner() {
	p.t.Helper()
	needs(p.t, "gpg")
	p.write(".gnupg/gpg.conf", "batch\npinentry-mode loopback\n")
	p.t.Cleanup(func() { p.try("", "gpgconf", "--kill", "all") })
	p.run("", "gpg", "--quiet", "--passphrase", "", "--quick-generate-key", "me@example.org", "ed25519", "sign", "never")
}

// A clear-signed text: dots, dashes, 8-bit text, lines of blanks.
func TestClearSigned(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.newSigner()
	signed := me.run(awkward, "gpg", "--quiet", "--clearsign")
	me.succeeds(me.command("sendmail", "-t"), scripted+signed)
	me.deliver()
	mail := host.one(t)
	mail.sameAs(t, without(scripted, "Bcc")+signed)
	me.run(mail.text(t), "gpg", "--quiet", "--verify")
}

// PGP/MIME as mutt makes it: the signature covers a part with its header, with CRLF line ends.
func TestDetachedSignature(t *testing.T) {
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.newSigner()
	part := "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + awkward
	onWire := strings.ReplaceAll(part, "\n", "\r\n")
	signature := me.run(onWire, "gpg", "--quiet", "--armor", "--detach-sign")
	meant := "From: me@example.org\nTo: friend@example.net\nSubject: signed\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/signed; boundary=\"=-=\"; protocol=\"application/pgp-signature\"; micalg=pgp-sha512\n\n" +
		"--=-=\n" + part + "\n--=-=\nContent-Type: application/pgp-signature\n\n" + signature + "\n--=-=--\n"
	me.succeeds(me.command("sendmail", "-t", "-i"), meant)
	me.deliver()
	mail := host.one(t)
	mail.sameAs(t, meant)

	_, rest, _ := strings.Cut(mail.content, "\r\n--=-=\r\n")
	arrived, _, _ := strings.Cut(rest, "\r\n--=-=\r\n")
	me.write("signature", signature)
	me.run(arrived, "gpg", "--quiet", "--verify", me.path("signature"), "-")
}
