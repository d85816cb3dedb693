package mutate

// Faults in the order of the spool, in syncs, in records, and in the schedule.
var queueFaults = []fault{
	{
		"what was sent is not remembered", "queue",
		"m.owed = appendSentLine(m.owed, l.id, d)", "_ = l",
		[]test{{"queue", "TestWhatWasSentIsRemembered"}},
	},
	{
		"a record of several together is not synced", "queue",
		"if err == nil && (durably ||", "if err == nil && (false ||",
		[]test{{"queue", "TestRecordedTogetherByTheMemory"}},
	},
	{
		"the content is not synced before the message is accepted", "queue",
		"done <- content.Sync()", "done <- nil",
		[]test{{"tests/faults", "TestFaults/power"}},
	},
	{
		"the envelope is not synced before the message is accepted", "queue",
		"done <- envelope.Sync()", "done <- nil",
		[]test{{"tests/faults", "TestFaults/power"}},
	},
	{
		"the name of the message is not synced", "queue",
		"if err := syncDir(w.q.dir); err != nil {", "if err := error(nil); err != nil {",
		[]test{{"tests/faults", "TestFaults/power"}},
	},
	{
		"a record is not synced", "queue",
		"must = must || next.State != Deferred", "must = false",
		[]test{{"tests/faults", "TestFaults/power"}},
	},
	{
		"a failed sync is ignored", "queue",
		"return errors.Join(err, <-done, <-done)", "errors.Join(err, <-done, <-done); return nil",
		[]test{{"tests/faults", "TestFaults/errors"}},
	},
	{
		"what was not accepted is left", "queue",
		"w.q.removeEntry(w.name)", "_ = w.name",
		[]test{{"queue", "TestNothingIsLeftOfWhatWasNotAccepted"}},
	},
	{
		"identities in trouble keep a run alive for each other", "queue",
		"!(other.revived && r.backoffs[name] != nil)", "!(other.revived && r.backoffs[name] == nil)",
		[]test{{"queue", "TestNoRunIsKeptAliveByTrouble"}},
	},
	{
		"what was possibly delivered gets a second chance in the same run", "queue",
		"why.Scope == ScopeIdentity && !slices.ContainsFunc(p.reports, func(rep Report) bool { return rep.Unsure })", "why.Scope == ScopeIdentity",
		[]test{{"queue", "TestNoSecondCopyByASecondChance"}},
	},
	{
		"a refused login is tried again in the same run", "queue",
		"len(t.backoff) > 0 && !b.RefusedLogin()", "len(t.backoff) > 0",
		[]test{{"queue", "TestTakenUpDuringALongTransfer"}},
	},
	{
		"an entry is locked by many", "queue",
		"syscall.LOCK_EX|syscall.LOCK_NB", "syscall.LOCK_SH|syscall.LOCK_NB",
		[]test{{"queue", "TestOneSleeperAtATime"}, {"queue", "TestRunningIsSeen"}},
	},
	{
		"an entry that was removed while it was waited for is used", "queue",
		"err == nil && st.Nlink == 0", "err == nil && st.Nlink == 9",
		[]test{{"queue", "TestLockOfAnEntryThatWasRemoved"}},
	},
	{
		"what a dead run was sending is not possibly delivered", "queue",
		"if m.Progress[i].State == Sending {", "if m.Progress[i].State == '?' {",
		[]test{{"queue", "TestRunThatDiedWhileSending"}, {"queue", "TestHoldUnsure"}},
	},
	{
		"possibly delivered is forgotten at the next delay", "queue",
		"if r.Unsure || before == Unsure {", "if r.Unsure {",
		[]test{{"queue", "TestProgressOverSeveralRuns"}},
	},
	{
		"what is done is overwritten", "queue",
		"continue // what is done stays done", "_ = p // what is done stays done",
		[]test{{"queue", "TestWhatIsDoneStaysDone"}},
	},
	{
		"the end of a content is not marked on disk", "queue",
		"WriteAt([]byte{byte(Sending)}, ", "WriteAt([]byte{byte(Untried)}, ",
		[]test{{"queue", "TestSendingIsOnDiskBeforeTheEnd"}},
	},
	{
		"trouble of an identity is charged to its messages", "queue",
		"r.Action == Delayed && r.Scope != ScopeIdentity", "r.Action == Delayed",
		[]test{{"queue", "TestAttemptsAndTimes"}},
	},
	{
		"an attempt is not counted", "queue",
		"e.msg.Attempts++", "_ = e.msg.Attempts",
		[]test{{"queue", "TestAttemptsAndTimes"}},
	},
	{
		"the wait is not bounded from above", "queue",
		"min(max(waited, retryFloor), retryCeiling)", "max(waited, retryFloor)",
		[]test{{"queue", "TestSchedule"}},
	},
	{
		"retries come at the same instant", "queue",
		"delay*3/4 + time.Duration(draw(int64(delay/2)))", "delay",
		[]test{{"queue", "TestSpread"}},
	},
	{
		"a clock set back delays mail for years", "queue",
		" || next.Sub(now) > 2*retryCeiling", "",
		[]test{{"queue", "TestTimesInTheFuture"}},
	},
	{
		"mail is given up at its first attempt", "queue",
		"case m.Attempts == 0:", "case m.Attempts < 0:",
		[]test{{"queue", "TestExpired"}},
	},
	{
		"failed mail is dropped before its owner has heard of it", "queue",
		"\t\treturn false\n\t}\n\treturn now.Sub(", "\t}\n\treturn now.Sub(",
		[]test{{"queue", "TestForgotten"}},
	},
	{
		"a refused password is tried again by new mail", "queue",
		"return !untried || ", "return !untried && ",
		[]test{{"queue", "TestNewMailIsNoReasonToTryARefusedPassword"}},
	},
	{
		"a line of progress is too long for its place", "queue",
		"oom >= recipientLine {", "oom >= 2*recipientLine {",
		[]test{{"queue", "TestProgressAlwaysFitsItsLine"}},
	},
	{
		"an envelope is removed before its content", "queue",
		`[...]string{"mail", "envelope"}`, `[...]string{"envelope", "mail"}`,
		[]test{{"tests/faults", "TestFaults/kill/deliver"}},
	},
	{
		"damaged content is sent", "queue",
		"if hex.EncodeToString(r.sum.Sum(nil)) != r.want {", "if hex.EncodeToString(r.sum.Sum(nil)) == \"\" {",
		[]test{{"queue", "TestDamagedBlocksNeverEnd"}},
	},
	{
		"a damaged envelope is believed", "queue",
		"%w: envelope does not match its checksum\", ErrDamaged)", "%w: envelope does not match its checksum\", error(nil))",
		[]test{{"queue", "TestDamagedEntries"}},
	},
	{
		"files of others are read", "queue",
		"dir.Uid != euid:\n\t\treturn -1", "dir.Uid == 1<<31:\n\t\treturn -1",
		[]test{{"tests/hostile", "TestHostile/planted"}},
	}, {
		"the copy that a killed run owes is not made", "queue",
		"if r.opt.Keeper == nil || m.Copied || m.Envelope.Notice {", "if r.opt.Keeper != nil || m.Copied || m.Envelope.Notice {",
		[]test{{"tests/history", "TestKilledBeforeTheCopy"}},
	},
	{
		"what no host has taken is copied", "queue",
		"return rep.Action == Relayed }) {", "return rep.Action != Relayed }) {",
		[]test{{"tests/history", "TestSentCopy"}},
	},
	{
		"the history is written behind the record only", "queue",
		"t.run.opt.Observer.Tried(trials)", "defer t.run.opt.Observer.Tried(trials)",
		[]test{{"queue", "TestObserverIsToldFirst"}},
	},
	{
		"a run for everything sends what is to be sent later", "queue",
		"	case !r.opt.Early && !m.Envelope.ReleaseAt(now).IsZero() &&", "	case !r.opt.All && !m.Envelope.ReleaseAt(now).IsZero() &&",
		[]test{{"queue", "TestNotBeforeItsTime"}},
	},
	{
		"mail is sent outside of its window", "queue",
		"	return route.Opens.After(now)", "	return false",
		[]test{{"queue", "TestSendWindow"}},
	},
	{
		"a clock that is set back keeps mail for ever", "queue",
		"left > 0 && left <= grace+maxSetBack {", "left > 0 {",
		[]test{{"queue", "TestReleaseAt"}},
	},
	{
		"mail goes ahead of its time by any route", "queue",
		"		return !route.HoldUntil.After(now)", "		return false",
		[]test{{"queue", "TestAhead"}, {"queue", "TestNotBeforeItsTime"}},
	},
	{
		"mail goes ahead of its time while it can be taken back", "queue",
		"	return ok && !at.After(now) &&", "	return ok && at.After(at) == false &&",
		[]test{{"queue", "TestAhead"}},
	},
	{
		"the ID that a host gives is remembered behind the record", "queue",
		"		p.reports = t.thread(p, now)\n", "		defer t.thread(p, now)\n",
		[]test{{"queue", "TestThread"}},
	},
	{
		"a signed header is rewritten", "message",
		"	if !changed || seal {", "	if !changed {",
		[]test{{"message", "TestRenameIDs"}},
	},
	{
		"an older program may send what is to be sent later", "queue",
		"		env.Version = scheduledVersion", "		env.Version = envelopeVersion",
		[]test{{"queue/spool", "TestScheduledEntries"}},
	},
}
