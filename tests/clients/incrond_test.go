package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"esmtpq/queue/spool"
	"esmtpq/tests/stage"
)

// The real incrond starts the script of docs/laptop.md once, and again when that has set the watch anew.
// Whenever a mail comes into the outbox, it goes out, once.
func TestIncronOutbox(t *testing.T) {
	root := stage.Debian(t, "usr/sbin/incrond")
	host := stage.NewSmartHost(t)
	me := stage.NewPerson(t, stage.Identity(host)...)
	doc := stage.Read(t, stage.Source(t, "docs/laptop.md"))
	script := regexp.MustCompile("(?s)cat >~/bin/outbox <<'END'\n(.*?)END\n").FindStringSubmatch(doc)
	line := regexp.MustCompile(`(?m)^/home/me/Outbox/new .*$`).FindString(doc)
	if script == nil || line == "" {
		t.Fatal("docs/laptop.md has no outbox")
	}
	me.WriteScript("outbox", strings.Replace(script[1], "PATH=$HOME/bin:", "echo run >>~/runs\nPATH="+stage.BinDir(t)+":", 1))
	for _, dir := range []string{"new", "cur", "tmp"} {
		me.Write("Outbox/"+dir+"/.keep", "")
	}
	me.Write("incrontab", strings.NewReplacer("/home/me/bin/outbox", me.Path("outbox"), "/home/me", me.Home).Replace(line)+"\n")
	me.Write("namespace/etc/incron.allow", "root\n")
	me.Write("namespace/etc/incron.conf", "")
	ns := me.NewNamespace(root)
	ns.Script("export HOME=" + me.Home + "\nincrontab " + me.Path("incrontab") + "\nexec incrond -n\n")
	ns.Start(ns.Command())
	put := func(name string) {
		me.Write("Outbox/tmp/"+name, "From: me@example.org\nTo: friend@example.net\nSubject: "+name+"\n\ntext\n")
		if err := os.Rename(me.Path("Outbox/tmp/"+name), me.Path("Outbox/new/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	var dir syscall.Stat_t
	if err := syscall.Stat(me.Path("Outbox/new"), &dir); err != nil {
		t.Fatal(err)
	}
	stage.Await(t, "a watch", func() bool {
		all, _ := filepath.Glob("/proc/[0-9]*/fdinfo/*")
		for _, path := range all {
			if b, _ := os.ReadFile(path); strings.Contains(string(b), "inotify wd:") && strings.Contains(string(b), fmt.Sprintf(" ino:%x ", dir.Ino)) {
				return true
			}
		}
		return false
	})
	seen := map[string]int{}
	for i := range stage.Pick(6, 60) {
		burst := i%3*4 + 1
		for k := range burst {
			put(fmt.Sprintf("m%d-%d", i, k))
		}
		for range burst {
			_, after, _ := strings.Cut(host.Next(t).Content, "Subject: ")
			name, _, _ := strings.Cut(after, "\r\n")
			seen[name]++
		}
	}
	stage.Await(t, "the end of all runs", func() bool {
		q, err := spool.Open(me.Path(".esmtp_queue"))
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		lock, err := q.TryWakeup()
		if lock != nil {
			defer lock.Close()
		}
		return err == nil && lock != nil && !q.Running()
	})
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s went out %d times", name, n)
		}
	}
	if n := strings.Count(stage.Read(t, me.Path("runs")), "run\n"); n > len(seen) {
		t.Errorf("%d runs for %d mails", n, len(seen))
	}
}
