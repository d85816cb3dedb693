package mutate

// Where secrets come from.
var identityFaults = []fault{
	{
		"a renewal is sent again while its answer is not known", "identity",
		"	case old && !r.Asked.IsZero():", "	case false:",
		[]test{{"identity/oauth", "TestLostAnswer"}},
	},
	{
		"it is not noted that a renewal goes out", "identity",
		"			r.Asked = s.time()\n			return st.write(r)", "			return nil",
		[]test{{"identity/oauth", "TestNoAnswer"}},
	},
	{
		"two deliveries renew tokens at once", "identity",
		"		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)", "		var err error",
		[]test{{"identity/oauth", "TestRenewedOnce"}},
	},
	{
		"a stored answer is not looked at", "identity",
		"	if t, ok := parseTokens([]byte(r.Answer)); ok {", "	if t, ok := parseTokens(nil); ok {",
		[]test{{"identity/oauth", "TestCrashBehindAnswer"}},
	},
	{
		"the token endpoint may send elsewhere", "identity",
		"	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },", "	CheckRedirect: nil,",
		[]test{{"identity/oauth", "TestAnswers"}},
	},
	{
		"a token without a time is good for ever", "identity",
		"	if !ok || math.IsNaN(n) || n <= 0 {\n		return 0, false", "	if !ok || math.IsNaN(n) || n <= 0 {\n		return maxLife, true",
		[]test{{"identity/oauth", "TestAnswers"}},
	},
	{
		"an answer of another login is taken", "identity",
		"	if q.Get(\"state\") != state {", "	if false {",
		[]test{{"identity/oauth", "TestCode"}},
	},
	{
		"an answer of another server is taken", "identity",
		"	if iss := q.Get(\"iss\"); iss != \"\" &&", "	if iss := q.Get(\"iss\"); false &&",
		[]test{{"identity/oauth", "TestCode"}},
	},
	{
		"a login without a refresh token is stored", "identity",
		"	if t.Refresh == \"\" {\n		if why", "	if false {\n		if why",
		[]test{{"identity/oauth", "TestLoginRefused"}},
	},
	{
		"tokens that others can read are used", "identity",
		"	if st.Mode().Perm()&0o077 != 0 {\n		return nil, fmt.Errorf(\"%s holds tokens", "	if false {\n		return nil, fmt.Errorf(\"%s holds tokens",
		[]test{{"identity/oauth", "TestForeignRecord"}},
	},
	{
		"what a keyring has stored is not read back", "identity",
		"	if err == nil && got != password {\n		err = errors.New(\"the keyring", "	if err == nil && got != password && got == \"\" {\n		err = errors.New(\"the keyring",
		[]test{{"identity/secret", "TestKeyringKeepsAPart"}},
	},
	{
		"a pattern goes before an address", "identity",
		"			if fold(m).ascii == f.ascii {\n				return i, Rule{ByAddress, m}", "			if false {\n				return i, Rule{ByAddress, m}",
		[]test{{"identity", "TestVia"}},
	},
	{
		"each run asks at the desktop", "identity",
		"		return errUnanswered\n", "		return nil\n",
		[]test{{"identity/secret", "TestOnePrompt"}},
	},
	{
		"a password goes in clear behind a forwarded port", "identity",
		"	case id.Forwarded:\n		return false\n", "",
		[]test{{"identity", "TestForwardedName"}},
	},
}
