package mutate

// Faults of the watcher, and of those that wake it up or leave their work to others.
var watchFaults = []fault{
	{
		"a watcher forgets what it was told last", "cmd/esmtpq/watch",
		"if w.socket.close() {", "if w.socket.close(); false {",
		[]test{{"tests/watch", "TestToldBeforeTheEnd"}},
	},
	{
		"a second watcher takes the place of the first", "cmd/esmtpq/watch",
		"case lock == nil:", "case false:",
		[]test{{"tests/watch", "TestSecondWatcher"}},
	},
	{
		"another network is not noticed", "cmd/esmtpq/watch",
		"if state != w.state {", "if false {",
		[]test{{"tests/watch", "TestNetworkComes"}},
	},
	{
		"a watcher without a socket stays so", "cmd/esmtpq/watch",
		"return err == nil && s.q.HasSocket()", "return err == nil || s.q.HasSocket()",
		[]test{{"tests/watch", "TestSocketRemoved"}},
	},
	{
		"what other runs leave is not known to the watcher", "cmd/esmtpq/deliver",
		"len(sum.Waiting) > 0 && !r.keeps {", "false && !r.keeps {",
		[]test{{"tests/watch", "TestNetworkComesAfterAnotherRun"}},
	},
	{
		"what is released waits for something else", "cmd/esmtpq/owner",
		"released = released || !on", "released = false",
		[]test{{"tests/watch", "TestReleased"}},
	},
	{
		"who waits does not see that his work is done", "queue",
		"join = q.JoinRun", "join = nil",
		[]test{{"queue", "TestJoinedWhileWaiting"}, {"tests/neighbours", "TestTriggersOverlap"}},
	},
	{
		"nobody joins a run of the watcher", "queue",
		"q.DeclareRun(opt.Select == nil,", "q.DeclareRun(opt.All && opt.Select == nil,",
		[]test{{"queue", "TestDueRunIsJoined"}},
	},
	{
		"a mail that was left waits for another identity", "queue",
		"\treturn a.now\n", "\treturn a.now.Add(3 * time.Hour)\n",
		[]test{{"queue", "TestProspect"}, {"queue", "TestProspectByIdentity"}},
	},
	{
		"that mail waits for a network is not known", "queue",
		"a.waiting = a.waiting || b.OfNetwork()", "a.waiting = false && b.OfNetwork()",
		[]test{{"queue", "TestProspect"}},
	},
	{
		"the due index hides when an identity is tried again", "queue",
		"if b := a.backoffs[destinations[l.why]]; b != nil && b.Next.Before(until) {", "if b := a.backoffs[destinations[l.why]]; false {",
		[]test{{"queue", "TestProspectByIndex"}},
	},
	{
		"who asks whether it is online is asked for a password", "relay",
		"config.Login, config.External, config.LoginMemory = nil, false, nil", "config.External = false",
		[]test{{"cmd/esmtpq/inspect", "TestOnline"}},
	},
}
