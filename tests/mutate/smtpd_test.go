package mutate

// Faults where other users are near: the listener on loopback, the sweep of all users.
var smtpdFaults = []fault{
	{
		"another user's programs send mail as us", "cmd/esmtpq/smtpd",
		"err == nil && (uid == os.Geteuid() || uid == 0)", "err == nil && (uid == uid || uid == 0)",
		[]test{{"tests/neighbours", "TestListenerOtherUsers"}},
	},
	{
		"other machines send mail as us", "cmd/esmtpq/smtpd",
		"if err := onLoopback(l.Addr()); err != nil {", "if err := error(nil); err != nil {",
		[]test{{"tests/neighbours", "TestListenerInheritsSockets"}},
	},
	{
		"a page in a browser sends mail as us", "cmd/esmtpq/smtpd",
		`"GET", "POST",`, `"XGET", "XPOST",`,
		[]test{{"tests/neighbours", "TestListenerHostile"}},
	},
	{
		"a client of LMTP loses mail that could not be taken", "cmd/esmtpq/smtpd",
		"if s.lmtp {\n\t\t// There", "if false {\n\t\t// There",
		[]test{{"tests/neighbours", "TestListenerOwnTrouble"}},
	},
	{
		"the end of the listener cuts a transaction short", "cmd/esmtpq/smtpd",
		"w.ending = true\n\tif !w.busy {", "w.ending = true\n\tif true {",
		[]test{{"tests/neighbours", "TestListenerEnds"}},
	},
	{
		"a sweep runs a user's lines as root", "cmd/esmtpq/deliver",
		"Setsid: true, Credential: &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups()}}", "Setsid: true, Credential: &syscall.Credential{Groups: a.groups()}}",
		[]test{{"tests/neighbours", "TestAllUsers"}},
	},
	{
		"somebody else provides the queue of an account", "cmd/esmtpq/whoami",
		"case st.Mode().Perm()&0o022 != 0 && ", "case false && ",
		[]test{{"tests/neighbours", "TestAccountWithoutHome"}},
	},
}
