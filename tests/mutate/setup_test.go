package mutate

// What setup finds, and what it writes.
var setupFaults = []fault{
	{
		"a name is asked without its dot", "identity/discover",
		`s.resolver().LookupSRV(ctx, "", "", f.At+".")`, `s.resolver().LookupSRV(ctx, "", "", f.At)`,
		[]test{{"tests/setup", "TestNothingFound"}},
	},
	{
		"a host without TLS is used", "identity/discover",
		"		f.Clear = append(f.Clear, one)\n		return\n", "		f.Clear = append(f.Clear, one)\n",
		[]test{{"identity/discover", "TestClientConfig"}},
	},
	{
		"the address is told to another domain", "identity/discover",
		`case keepWithin != "" && !within(`, `case false && !within(`,
		[]test{{"tests/setup", "TestNothingFound"}},
	},
	{
		"an old web server goes before the MX", "identity/discover",
		"	case p != nil && p.Strong:", "	case false:",
		[]test{{"tests/setup", "TestSources"}},
	},
	{
		"a host that only the DNS names is taken", "cmd/esmtpq/setup",
		"	case !w.asks() && !server.Vouched:", "	case false:",
		[]test{{"tests/setup", "TestNothingFound"}},
	},
	{
		"a refused login is saved", "cmd/esmtpq/setup",
		"	if failed != nil {\n		return failed\n	}", "	if false {\n		return failed\n	}",
		[]test{{"tests/setup", "TestRefused"}},
	},
	{
		"the default may change", "cmd/esmtpq/setup",
		"	if !reflect.DeepEqual(before, after) {", "	if false && !reflect.DeepEqual(before, after) {",
		[]test{{"cmd/esmtpq/setup", "TestAdd"}},
	},
	{
		"a file that has been changed is replaced", "cmd/esmtpq/setup",
		"	if err := f.unchanged(); err != nil {", "	if err := error(nil); err != nil {",
		[]test{{"cmd/esmtpq/setup", "TestChangedMeanwhile"}},
	},
	{
		"others can read a password", "cmd/esmtpq/setup",
		"	if mode == 0 || holdsSecret(ids) {", "	if mode == 0 {",
		[]test{{"cmd/esmtpq/setup", "TestAdd"}},
	},
	{
		"an imported password is printed", "cmd/esmtpq/setup",
		"	root := identity.Entries(im.all, false)", "	root := identity.Entries(im.all, true)",
		[]test{{"tests/setup", "TestImport"}},
	},
	{
		"an imported password is copied unasked", "cmd/esmtpq/setup",
		"	if len(clear) > 0 && !im.keyring && !im.inClear {", "	if false {",
		[]test{{"tests/setup", "TestImport"}},
	},
}
