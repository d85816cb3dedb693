package main_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Programs that leave Bcc in the header and the recipients to sendmail -t.

func TestBSDMailx(t *testing.T) {
	root := debianRoot(t, "usr/bin/bsd-mailx")
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.setenv("LD_LIBRARY_PATH=" + unpackedLibraries(root))
	me.write(".mailrc", "set sendmail="+me.path("bin/sendmail")+"\n")
	me.run(awkward, filepath.Join(root, "usr/bin/bsd-mailx"), "-s", "blind", "-c", "second@example.net",
		"-b", "hidden@example.net", "first@example.net")
	me.deliver()
	mail := host.one(t)
	mail.blind(t)
	mail.says(t, awkward)
}

func TestMailutils(t *testing.T) {
	const program = "mail.mailutils"
	needs(t, program)
	host := newSmartHost(t)
	me := newPerson(t, identity(host)...)
	me.run(awkward, program, "--no-config", "-E", "set sendmail=sendmail:"+me.path("bin/sendmail"),
		"-r", "me@example.org", "-s", "blind", "-a", "Cc: second@example.net", "-a", "Bcc: hidden@example.net", "first@example.net")
	me.deliver()
	mail := host.one(t)
	mail.blind(t)
	mail.says(t, awkward)
}

func TestSNail(t *testing.T) {
	needs(t, "s-nail")
	for _, test := range []struct {
		name string
		args []string
	}{
		{"plain", nil},
		{"sender", []string{"-r", "Me Myself <me@example.org>"}},
		{"no default arguments", []string{"-S", "mta-no-default-arguments"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := newSmartHost(t)
			me := newPerson(t, identity(host)...)
			// s-nail takes root's HOME from the password file
			mta := me.writeScript("mta", "#!/bin/sh\nexport HOME="+me.home+"\nexec ~/bin/sendmail \"$@\"\n")
			args := append([]string{"-:/", "-S", "mta=" + mta, "-S", "v15-compat", "-S", "sendcharsets=utf-8",
				"-S", "from=me@example.org", "-s", "blind", "-c", "second@example.net", "-b", "hidden@example.net"}, test.args...)
			me.run(awkward, "s-nail", append(args, "first@example.net")...)
			me.deliver()
			mail := host.one(t)
			mail.blind(t)
			mail.says(t, awkward)
		})
	}
}

// blind checks a mail to three of whom one is hidden.
func (tr transaction) blind(t *testing.T) {
	t.Helper()
	slices.Sort(tr.to) // each client has an order of its own
	tr.is(t, "me@example.org", "first@example.net", "hidden@example.net", "second@example.net")
	if strings.Contains(tr.content, "hidden@") {
		t.Errorf("the blind copy is named in the content:\n%s", tr.content)
	}
}
