package mutate

// Faults in the input of the local delivery agent, and in the meaning of its exit status.
var mdaFaults = []fault{
	{
		"a name is not in quotes", "localmda",
		"s.out.WriteString(open + value + closing)", "s.out.WriteString(value)",
		[]test{{"localmda", "TestParseLine"}, {"localmda", "TestNamesArriveInRealShells"}},
	},
	{
		"a name that looks like an option is handed over", "localmda",
		"case name[0] == '-':", "case name[0] == 0:",
		[]test{{"localmda", "TestNamesThatAreRefused"}},
	},
	{
		"any sender is handed over", "localmda",
		"if checkName(sender) != nil {", "if false {",
		[]test{{"localmda", "TestOddSenders"}},
	},
	{
		"an agent that has read nothing is believed", "localmda",
		"c.MustRead, c.Limit, c.Mark = !a.Unread,", "c.MustRead, c.Limit, c.Mark = false,",
		[]test{{"localmda", "TestUnreadMessage"}},
	},
	{
		"a second shell reads the name", "localmda",
		"if s.second != \"\" {\n\t\treturn", "if false {\n\t\treturn",
		[]test{{"localmda", "TestSecondReaders"}},
	},
	{
		"a damaged message is begun", "localmda",
		"if err := verify(d.Content); err != nil {", "if err := error(nil); err != nil {",
		[]test{{"localmda", "TestDamagedMessageIsNotBegun"}},
	},
	{
		"a command sends a part of a word for all recipients", "localmda",
		"	case line.joined:", "	case false:",
		[]test{{"localmda", "TestCommandMistakes"}},
	},
	{
		"a command that cannot log in costs each mail an attempt", "localmda",
		`exitMeaning{"4.7.0", queue.ScopeIdentity, m.text}`, `exitMeaning{"4.7.0", queue.ScopeMessage, m.text}`,
		[]test{{"localmda", "TestCommandStatus"}},
	},
	{
		"a temporary failure is for good", "localmda",
		"if m.status[0] == '4' {", "if m.status[0] == 'x' {",
		[]test{{"localmda", "TestExitStatus"}},
	},
	{
		"an agent that is not there fails the mail of one recipient after the other", "localmda",
		`queue.ScopeIdentity, "command not found"`, `queue.ScopeRecipient, "command not found"`,
		[]test{{"localmda", "TestExitStatus"}},
	},
	{
		"an agent killed at the end has certainly not taken the message", "localmda",
		"r.Unsure = bySignal(status) && ", "r.Unsure = false && ",
		[]test{{"localmda", "TestExitStatus"}},
	},
	{
		"an agent stopped at the end has certainly not taken the message", "localmda",
		"\"4.3.0\", text)\n\t\tr.Unsure = ", "\"4.3.0\", text)\n\t\tr.Unsure = false && ",
		[]test{{"localmda", "TestStoppedAgentMayHaveTakenIt"}},
	},
	{
		"a recipient is served twice where the line has no %T", "localmda",
		"a.forceUser == \"\" && a.line.perRecipient", "a.forceUser == \"\"",
		[]test{{"localmda", "TestOneCallForAllWithoutT"}},
	},
}
