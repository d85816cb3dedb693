package clients

import (
	"path/filepath"
	"testing"

	"esmtpq/tests/stage"
)

// Programs that leave Bcc in the header and the recipients to sendmail -t.

func TestBSDMailx(t *testing.T) {
	root := stage.Debian(t, "usr/bin/bsd-mailx")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Setenv("LD_LIBRARY_PATH=" + stage.UnpackedLibraries(root))
	me.Write(".mailrc", "set sendmail="+me.Path("bin/sendmail")+"\n")
	me.Run(stage.Awkward, filepath.Join(root, "usr/bin/bsd-mailx"), "-s", "blind", "-c", "second@example.net",
		"-b", "hidden@example.net", "first@example.net")
	me.Deliver()
	mail := host.One(t)
	mail.Blind(t)
	mail.Says(t, stage.Awkward)
}

func TestMailutils(t *testing.T) {
	const program = "mail.mailutils"
	stage.Needs(t, program)
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	me.Run(stage.Awkward, program, "--no-config", "-E", "set sendmail=sendmail:"+me.Path("bin/sendmail"),
		"-r", "me@example.org", "-s", "blind", "-a", "Cc: second@example.net", "-a", "Bcc: hidden@example.net", "first@example.net")
	me.Deliver()
	mail := host.One(t)
	mail.Blind(t)
	mail.Says(t, stage.Awkward)
}

func TestSNail(t *testing.T) {
	stage.Needs(t, "s-nail")
	for _, test := range []struct {
		name string
		args []string
	}{
		{"plain", nil},
		{"sender", []string{"-r", "Me Myself <me@example.org>"}},
		{"no default arguments", []string{"-S", "mta-no-default-arguments"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := stage.NewSmartHost(t)
			me := stage.NewPerson(t, stage.Identity(host)...)
			// s-nail takes root's HOME from the password file
			mta := me.WriteScript("mta", "#!/bin/sh\nexport HOME="+me.Home+"\nexec ~/bin/sendmail \"$@\"\n")
			args := append([]string{"-:/", "-S", "mta=" + mta, "-S", "v15-compat", "-S", "sendcharsets=utf-8",
				"-S", "from=me@example.org", "-s", "blind", "-c", "second@example.net", "-b", "hidden@example.net"}, test.args...)
			me.Run(stage.Awkward, "s-nail", append(args, "first@example.net")...)
			me.Deliver()
			mail := host.One(t)
			mail.Blind(t)
			mail.Says(t, stage.Awkward)
		})
	}
}
