package mutate

// What is sent, what replies are taken for, and what they mean for each recipient.
var relayFaults = []fault{
	{
		"a message is relayed to whom the host refused", "relay",
		"			if reply.Positive() {\n				v.reports[i] = queue.Report{", "			if reply != nil {\n				v.reports[i] = queue.Report{",
		[]test{{"relay", "TestDialogues"}},
	},
	{
		"what was sent and not answered is plainly delayed", "relay",
		"if r.Sent == smtp.SentAll && !r.Unread &&", "if r.Sent == smtp.SentNothing && !r.Unread &&",
		[]test{{"relay", "TestDialogues"}, {"relay", "TestSerieses"}},
	},
	{
		"what the host did not come to is in doubt", "relay",
		"		r.Unread = unread\n", "		r.Unread = unread && false\n",
		[]test{{"relay", "TestSerieses"}},
	},
	{
		"the reply that a host closes with counts", "relay",
		"	if !byHost || !w.more ||", "	if true || !byHost || !w.more ||",
		[]test{{"relay", "TestSerieses"}},
	},
	{
		"what is tried alone has others behind it", "relay",
		"	case tail.m.Alone, tail.m.Check, !c.Pipelining(), tail.local", "	case tail.m.Check, !c.Pipelining(), tail.local",
		[]test{{"relay", "TestAloneHasNothingBehindIt"}},
	},
	{
		"an empty message is completed for a refused sender", "relay",
		"case !tx.reply(StageMAIL).Positive() || !tx.accepted():", "case false:",
		[]test{{"relay", "TestContentOfARefusedMessage"}},
	},
	{
		"the next envelope begins without RSET", "relay",
		"		tx.envelope(c.ext, true)\n", "		tx.envelope(c.ext, false)\n",
		[]test{{"relay", "TestRiderBehindRefusedContent"}},
	},
	{
		"a host that refuses what rides is not remembered", "relay",
		"c.Ride, c.RideRefused = false, true", "c.Ride, c.RideRefused = false, false",
		[]test{{"relay", "TestHostRefusesWhatRides"}},
	},
	{
		"an envelope rides where BDAT is offered", "relay",
		"conn.Ride = !conn.Extensions().Has(\"CHUNKING\") && !w.known.NoRide", "conn.Ride = !w.known.NoRide",
		[]test{{"relay", "TestSerieses"}},
	},
	{
		"the words of RSET are not looked at", "relay",
		"	case shape != c.reset: //", "	case false: //",
		[]test{{"relay", "TestSerieses"}},
	},
	{
		"the check behind the first chunk finds nothing", "relay",
		"	case s.probe != 0 && r.Class() == s.probe:", "	case s.probe != 0:",
		[]test{{"relay", "TestCheck"}},
	},
	{
		"the probe finds nothing", "relay",
		"		case r.Class() != class:", "		case r.Class() != class && false:",
		[]test{{"relay", "TestProbe"}},
	},
	{
		"what is owed is not waited for", "relay",
		"	if c.owed.Load() {", "	if false {",
		[]test{{"relay", "TestStopped"}},
	},
	{
		"the last chunk holds the content", "relay",
		"	return c.out[:len(c.out)-2], false, nil\n}\n\n// count", "	return c.out, true, nil\n}\n\n// count",
		[]test{{"relay", "TestChunks"}},
	},
	{
		"the length of a content is not checked", "relay",
		"	if int64(len(c.out)) != c.left || len(c.out) < 2 {", "	if len(c.out) < 2 {",
		[]test{{"relay", "TestWrongChunks"}},
	},
	{
		"dots are not doubled", "relay",
		"			out[n] = '.'\n			n++\n", "			n += 0\n",
		[]test{{"relay", "TestWire"}},
	},
	{
		"a lone CR ends no line", "relay",
		"		end := bytes.IndexAny(p, \"\\r\\n\")", "		end := bytes.IndexAny(p, \"\\n\")",
		[]test{{"relay", "TestWire"}},
	},
	{
		"a password is sent in clear", "relay",
		"	case !c.encrypted() && !c.private():", "	case false:",
		[]test{{"relay", "TestTunnel"}},
	},
	{
		"what was said in clear behind STARTTLS is believed", "relay",
		"	if c.r.br.Buffered() > 0 {\n		return c.refuse(StageTLS", "	if false {\n		return c.refuse(StageTLS",
		[]test{{"relay", "TestTLS"}},
	},
	{
		"what was offered in clear is kept behind TLS", "relay",
		"	return c.hello() // offers in clear are forgotten", "	return nil // offers in clear are forgotten",
		[]test{{"relay", "TestForgottenExtensions"}},
	},
	{
		"certificates are not verified", "relay",
		"config.InsecureSkipVerify = config.InsecureSkipVerify || c.cfg.TLS == TLSOpportunistic && c.cfg.Login == nil", "config.InsecureSkipVerify = true",
		[]test{{"relay", "TestTLS"}},
	},
	{
		"a NUL in a reply is taken", "relay",
		"		case strings.IndexByte(line, 0) >= 0:", "		case false:",
		[]test{{"relay", "TestReplyRefused"}},
	},
	{
		"a reply has no end", "relay",
		"size > maxReply || replies >= maxReplyLines", "false",
		[]test{{"relay", "TestReplyRefused"}},
	},
	{
		"lines of a reply may differ in their codes", "relay",
		"		case replies > 0 && code != first:", "		case false && code != first:",
		[]test{{"relay", "TestReplyRefused"}},
	},
	{
		"more messages go over a session than the host says", "relay",
		"	case c.Worn():\n		return false\n", "	case false:\n		return false\n",
		[]test{{"relay", "TestLimitedSession"}},
	},
	{
		"503 fails a message", "relay",
		"	{everyStage, \"503\", queue.Delayed, queue.ScopeSession, \"\"},\n", "",
		[]test{{"relay", "TestPolicy"}, {"relay", "TestDialogues"}},
	},
	{
		"a sending limit fails mail", "relay",
		"	{everyStage, \"sending limit\", queue.Delayed, queue.ScopeIdentity, \"\"},\n", "",
		[]test{{"relay", "TestPolicy"}},
	},
	{
		"a login wanted fails mail", "relay",
		"	{everyStage, \"login\", queue.Delayed, queue.ScopeIdentity, \"\"},\n", "",
		[]test{{"relay", "TestPolicy"}},
	},
	{
		"534 is about the login even behind one", "relay",
		"		return byStatus || !f.loggedIn && f.offered\n", "		return true\n",
		[]test{{"relay", "TestPolicyOfLogins"}},
	},
	{
		"a missing login is not seen", "relay",
		"return f.wantsLogin(r, at) || f.lacksLogin(r, at)", "return f.wantsLogin(r, at)",
		[]test{{"relay", "TestPolicyOfLogins"}},
	},
	{
		"the rest of the recipients waits for the next run", "relay",
		"rep.Action, rep.Scope = queue.Delayed, queue.ScopeRecipient; v.taken > 0 {", "rep.Action, rep.Scope = queue.Delayed, queue.ScopeRecipient; false {",
		[]test{{"relay", "TestManyRecipients"}},
	},
	{
		"what is known of a host does not expire", "relay",
		"now.Sub(at) > knownFor ||", "",
		[]test{{"relay", "TestForgotten"}},
	},
	{
		"TLS is given up where it is no longer offered", "relay",
		"		if seen > 0 && !required {", "		if false {",
		[]test{{"relay", "TestTLSSeen"}},
	},
	{
		"an older version of TLS is taken than before", "relay",
		"state.Version < seen {", "state.Version < seen && false {",
		[]test{{"relay", "TestTLSSeen"}},
	},
	{
		"mail that asks for TLS all the way goes to a host that does not promise it", "relay",
		"		case !ext.Has(\"REQUIRETLS\"):\n", "		case false:\n",
		[]test{{"relay", "TestRequireTLS"}},
	},
	{
		"mail fails before its time", "relay",
		"		ahead(&outcomes[i], time.Now())\n", "",
		[]test{{"relay", "TestAheadOfItsTime"}},
	},
	{
		"mail goes at once to a host that cannot hold it", "relay",
		"	case limit <= holdMargin:\n", "	case false:\n",
		[]test{{"relay", "TestAheadOfItsTime"}},
	},
	{
		"a TLS session that cannot be resumed is not begun anew", "relay",
		"		e.again, e.whole = true, true\n", "",
		[]test{{"relay", "TestResumptionFails"}},
	},
	{
		"what is known of a host outlives a change of it", "relay",
		"if k.Host == m.key && k.Print == print {", "if k.Host == m.key {",
		[]test{{"relay", "TestForgotten"}},
	},
	{
		"a message is tried without end", "relay",
		"t.deaths >= maxDeaths:", "t.deaths >= 1000:",
		[]test{{"relay", "TestDialogues"}},
	},
	{
		"sessions that come to nothing are not counted", "relay",
		"if w.fruitless++; w.fruitless == 1 {", "if w.fruitless == 1 {",
		[]test{{"relay", "TestDialogues"}},
	},
	{
		"what cannot be recorded is sent all the same", "relay",
		"	if err := w.src.Sending(t.d, rcpts); err != nil {", "	if err := w.src.Sending(t.d, rcpts); false {",
		[]test{{"relay", "TestSourceFails"}, {"relay", "TestSeriesSourceFails"}},
	},
	{
		"sending goes on when nothing can be recorded", "relay",
		"	if w.unrecorded != nil {\n		return fmt.Errorf(", "	if false {\n		return fmt.Errorf(",
		[]test{{"relay", "TestSourceFails"}},
	},
	{
		"a mailbox outside ASCII goes to a host without SMTPUTF8", "relay",
		"		if !smtputf8 {\n			return \"\", false, ErrUTF8Local", "		if false {\n			return \"\", false, ErrUTF8Local",
		[]test{{"relay", "TestParameters"}},
	},
	{
		"an address may hold a line end", "relay",
		"		if addr[i] < ' ' || addr[i] == 127 {", "		if addr[i] == 0 {",
		[]test{{"relay", "TestAddress"}},
	},
	{
		"a refused HELO name fails mail", "relay",
		"	{everyStage, \"name\", queue.Delayed, queue.ScopeIdentity, \"\"},\n", "",
		[]test{{"relay", "TestPolicy"}},
	},
	{
		"a host need not prove that it knows the password", "relay",
		"	case r.Class() == 2 && isScram && !scram.proven:", "	case false && isScram && !scram.proven:",
		[]test{{"relay/smtp", "TestLogins"}},
	},
	{
		"the nonce of a challenge is not compared", "relay",
		"	case len(nonce) <= len(c.nonce) || !strings.HasPrefix(nonce, c.nonce):", "	case false:",
		[]test{{"relay/smtp", "TestHostileSCRAM"}},
	},
	{
		"a weaker login is made where a bound one has worked", "relay",
		"		if e.known.Bound && len(c.cfg.Mechanisms) == 0 || v.is == broken", "		if v.is == broken",
		[]test{{"relay/smtp", "TestDowngrade"}},
	},
	{
		"a bound login that is no longer offered is not missed", "relay",
		"	case e.known.Bound && !c.offersBinding() &&", "	case false &&",
		[]test{{"relay/smtp", "TestDowngrade"}},
	},
	{
		"a refused mechanism ends the login", "relay",
		"		e.note(w, v)\n		e.settle(w, v)\n	}\n	return true", "		e.note(w, v)\n		return false\n	}\n	return true",
		[]test{{"relay/smtp", "TestLogins"}},
	},
	{
		"trouble of the host is a refused token", "relay",
		"	if isToken && token.passing() {", "	if false {",
		[]test{{"relay/smtp", "TestLogins"}},
	},
	{
		"a long response goes with the command", "relay",
		"	return response == ResponseFirst || response == \"\" && len(line) <= maxAuthLine", "	return response != ResponseLater",
		[]test{{"relay/smtp", "TestLogins"}},
	},
	{
		"a reply before the end of a content counts", "relay",
		"	case s.at == StageEnd && r.Positive() && tx.end > c.w.taken:", "	case false:",
		[]test{{"relay/smtp", "TestTakenBeforeItsEnd"}},
	},
	{
		"what is refused for riding is refused", "relay",
		"	return tx.rides && tx.steps[0].reply.Negative() && !tx.steps[1].reply.Positive()", "	return false",
		[]test{{"relay", "TestHostEndsOverWhatRides"}},
	},
	{
		"what was sent behind a failed record is plainly delayed", "relay",
		"r.Err.At == smtp.StageLocal && r.Sent != smtp.SentAll:", "r.Err.At == smtp.StageLocal:",
		[]test{{"relay", "TestOutcome"}},
	},
	{
		"the other parts of a message that ends sessions are tried", "relay",
		"			w.giveUp(t.order, *rep)", "			_ = rep",
		[]test{{"relay", "TestOneMessageEndsSessions"}},
	},
	{
		"what another run has learned is undone", "relay",
		"		m.run = hosts[i].with(m.run)", "		_ = hosts[i].with(m.run)",
		[]test{{"relay", "TestTwoRunsLearn"}},
	},
	{
		"a secret within base64 is not looked for", "relay",
		"		for before := range 3 {", "		for before := range 0 {",
		[]test{{"relay/smtp", "TestConcealed"}},
	},
	{
		"silence in a content charges the message at once", "relay",
		"v.cause.Kind == smtp.KindTimeout && r.Sent != smtp.SentPart,", "v.cause.Kind == smtp.KindTimeout,",
		[]test{{"relay", "TestDeafHost"}},
	},
	{
		"by LMTP, one reply to the end is for all recipients", "relay",
		"	if !tx.each {\n		return []step{{at: StageEnd}}", "	if true {\n		return []step{{at: StageEnd}}",
		[]test{{"relay", "TestLMTPEachRecipient"}},
	},
	{
		"by LMTP, a recipient without an answer gets the mail again at once", "relay",
		"		case !end.Positive():\n			end = s.reply", "		case !end.Positive():\n			end = s.reply\n			return end",
		[]test{{"relay", "TestLMTPLostReplies"}},
	},
}
