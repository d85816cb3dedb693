package hostile

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

// What an attacker with access to the queue directory, or a program gone wild, may leave there.

// plantID is the queue ID of the planted entry: older than any mail, so that it is met first.
const plantID = "0000000000000001"

// A plant makes something at a path. victim is a file beside the queue that must not change.
type plant struct {
	name string
	root bool // only root can make it
	make func(path, victim string) error
}

// notOurs are the names of plants after which the entry is complete, but no longer ours to send.
var notOurs = []string{"entry elsewhere", "another's entry", "only the directory another's"}

// plantedFiles can take the place of anything.
var plantedFiles = []plant{
	{"symbolic link to a file", false, func(p, v string) error { return os.Symlink(v, p) }},
	{"dangling link", false, func(p, _ string) error { return os.Symlink("/nonexistent/file", p) }},
	{"link to itself", false, func(p, _ string) error { return os.Symlink(p, p) }},
	{"link to a terminal", false, func(p, _ string) error { return os.Symlink("/dev/tty", p) }},
	{"link to zeroes without end", false, func(p, _ string) error { return os.Symlink("/dev/zero", p) }},
	{"FIFO", false, func(p, _ string) error { return syscall.Mkfifo(p, 0o600) }},
	{"hard link", false, func(p, v string) error { return os.Link(v, p) }},
	{"socket", false, func(p, _ string) error { return syscall.Mknod(p, syscall.S_IFSOCK|0o600, 0) }},
	{"device", true, func(p, _ string) error { return syscall.Mknod(p, syscall.S_IFCHR|0o600, 1<<8|5) }},
	{"directory", false, func(p, _ string) error { return os.Mkdir(p, 0o700) }},
	{"huge", false, func(p, _ string) error {
		return errorOr(os.WriteFile(p, nil, 0o600), func() error { return os.Truncate(p, 1<<40) })
	}},
	{"empty", false, func(p, _ string) error { return os.WriteFile(p, nil, 0o600) }},
	{"garbage", false, func(p, _ string) error { return os.WriteFile(p, []byte("\x00\xff{}\n{\"sha256\":1}\n\n\n"), 0o600) }},
	{"one endless line", false, func(p, _ string) error { return os.WriteFile(p, []byte(strings.Repeat("[", 1<<20)), 0o600) }},
	{"unreadable", false, func(p, _ string) error { return os.WriteFile(p, []byte("x"), 0) }},
	{"another's", true, func(p, _ string) error {
		return errorOr(os.WriteFile(p, []byte("x"), 0o644), func() error { return os.Chown(p, 12345, 12345) })
	}},
}

// plantings are the places where they are put, and changes to a good entry.
func plantings() []plant {
	var list []plant
	for _, place := range []string{
		plantID, plantID + "/envelope", plantID + "/mail", plantID + "/other",
		".sent-0123456789ABCDEF", ".sent-0123456789ABCDEF/mail", ".sent-0123456789ABCDEF/envelope", ".sent-x", ".sent", ".sent.old", "..agenda1", ".wakeup", ".parked", ".agenda", ".edited", ".last", ".new-0123456789ABCDEF", ".new-0123456789ABCDEF/mail", "\x1b[2J", "AbCdEfGh", "AbCdEfGh/cmd", "AbCdEfGh/mail", "AbCdEfGh/lock",
	} {
		for _, f := range plantedFiles {
			list = append(list, plant{fmt.Sprintf("%q/%s", place, f.name), f.root, func(queue, victim string) error {
				path := filepath.Join(queue, place)
				os.RemoveAll(path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					return err
				}
				return f.make(path, victim)
			}})
		}
	}
	list = append(list,
		plant{"entry elsewhere", false, func(queue, _ string) error {
			elsewhere := filepath.Join(filepath.Dir(queue), "elsewhere")
			return errorOr(os.Rename(queue+"/"+plantID, elsewhere), func() error { return os.Symlink(elsewhere, queue+"/"+plantID) })
		}},
		plant{"another's entry", true, func(queue, _ string) error {
			return filepath.WalkDir(queue+"/"+plantID, func(path string, _ fs.DirEntry, err error) error {
				return errorOr(err, func() error { return os.Chown(path, 12345, 12345) })
			})
		}},
		plant{"only the directory another's", true, func(queue, _ string) error { return os.Chown(queue+"/"+plantID, 12345, 12345) }},
	)
	for _, file := range []string{"mail", "envelope"} {
		for _, cut := range []int64{0, 1, 2, 3} {
			list = append(list, plant{fmt.Sprintf("%s cut to %d quarters", file, cut), false, func(queue, _ string) error {
				path := filepath.Join(queue, plantID, file)
				st, err := os.Stat(path)
				return errorOr(err, func() error { return os.Truncate(path, st.Size()*cut/4) })
			}})
		}
		list = append(list, plant{file + " changed in one octet", false, func(queue, _ string) error {
			path := filepath.Join(queue, plantID, file)
			b, err := os.ReadFile(path)
			return errorOr(err, func() error { b[len(b)/4] ^= 1; return os.WriteFile(path, b, 0o600) })
		}}, plant{file + " with more behind", false, func(queue, _ string) error {
			path := filepath.Join(queue, plantID, file)
			b, err := os.ReadFile(path)
			return errorOr(err, func() error { return os.WriteFile(path, append(b, "more\n"...), 0o600) })
		}})
	}
	return list
}

// plantedEntries puts each into a queue with a good mail: foreign files are never followed, sent,
// waited for or written to, and the good mail goes out.
func plantedEntries(t *testing.T, fig *hostileFigures) {
	template := queuedMessages(t)
	sideBySide(t, 8, plantings(), func(p plant) string { return p.name }, func(t *testing.T, p plant) {
		plantedEntry(t, fig, template, p)
	})
}

// plantedEntry does so with one plant, in a queue of its own.
func plantedEntry(t *testing.T, fig *hostileFigures, template string, planted plant) {
	if planted.root && !asRoot() {
		t.Skip("only root can make it")
	}
	fig.plants.Add(1)
	good, planters := newHostileHost(t), newHostileHost(t, "AUTH PLAIN")
	me := stage.NewPerson(t)
	configureHostile(me, planters.addr, good.addr, "tls: off")
	takeQueue(me, template)
	me.Write("victim", "precious\n")
	queue, victim := me.Path(".esmtp_queue"), me.Path("victim")
	keepTwo(me, queue)
	if err := planted.make(queue, victim); err != nil {
		t.Fatal(err)
	}

	me.Try("", "esmtpq", "hold", plantID)
	me.Try("", "esmtpq", "release", plantID)
	listing := me.Try("", "mailq")
	said := me.Try("", "deliver")
	showsPrintable(t, listing.Stdout+listing.Stderr+said.Stderr)
	if n := good.copies()["friend@example.net"]; n != 1 {
		t.Errorf("the good mail arrived %d times; deliver: %+v", n, said)
	}
	for _, m := range planters.mails() {
		if m.from != "m1@example.org" || !strings.HasSuffix(m.content, "\r\n\r\n.text\r\n") {
			t.Errorf("what was planted went out: %+v", m)
		}
	}
	if text := stage.Read(t, victim); text != "precious\n" {
		t.Errorf("the victim holds %.50q", text)
	}
	if slices.Contains(notOurs, planted.name) && len(planters.mails()) > 0 {
		t.Error("an entry that is not ours went out")
	}
	empty := planted.name == fmt.Sprintf("%q/directory", plantID) // as left by a removal that was cut short
	if len(planters.mails()) == 0 && !empty && strings.HasPrefix(planted.name, fmt.Sprintf("%q", plantID)[:17]) && !strings.Contains(said.Stderr, plantID) {
		t.Errorf("deliver does not tell of it: %+v", said)
	}
	worksOn(t, me, good, victim)
}

// worksOn checks that the plant stops no other command on the queue.
func worksOn(t *testing.T, me *stage.Person, good *hostileHost, victim string) {
	t.Helper()
	me.Run("text\n", "sendmail", "-i", "-f", "other@example.com", "again@example.net")
	me.Try("", "esmtpq", "show", "all")
	me.Try("", "esmtpq", "hold", plantID)
	me.Try("", "deliver")
	if n := good.copies()["again@example.net"]; n != 1 {
		t.Errorf("mail after that arrived %d times", n)
	}
	me.Try("", "esmtpq", "rm", "--yes", plantID)
	if text := stage.Read(t, victim); text != "precious\n" {
		t.Errorf("the victim holds %.50q after rm", text)
	}
	if stage.Exists(me.Path("elsewhere")) && !stage.Exists(me.Path("elsewhere/mail")) {
		t.Error("rm followed the link")
	}
}

// keepTwo keeps the mail of the other identity, and one entry to be changed.
func keepTwo(p *stage.Person, queue string) {
	p.T.Helper()
	entries, err := filepath.Glob(queue + "/[0-9A-F]*")
	if err != nil || len(entries) != len(hostileMessages) {
		p.T.Fatal(entries, err)
	}
	for i, entry := range entries {
		switch i {
		case 0:
			err = os.Rename(entry, filepath.Join(queue, plantID))
		case len(entries) - 1:
		default:
			err = os.RemoveAll(entry)
		}
		if err != nil {
			p.T.Fatal(err)
		}
	}
}

// foreignQueues: a queue directory that is not ours is not used; the mode of ours is corrected.
func foreignQueues(t *testing.T, fig *hostileFigures) {
	for _, f := range plantedFiles {
		if f.root && !asRoot() || f.name == "directory" {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			fig.plants.Add(1)
			me := stage.NewPerson(t, "identity = me@example.org", "hostname = 127.0.0.1:1")
			me.Write("victim", "precious\n")
			if err := f.make(me.Path(".esmtp_queue"), me.Path("victim")); err != nil {
				t.Fatal(err)
			}
			queueRefused(me)
		})
	}
	t.Run("link to a directory", linkedQueue)
	t.Run("another's directory", anothersQueue)
	for _, mode := range []fs.FileMode{0o777, 0o755, 0o1777, 0o500, 0} {
		t.Run(fmt.Sprintf("mode %o", mode), func(t *testing.T) { openQueue(t, mode) })
	}
}

// linkedQueue: a link in place of the queue directory is not followed.
func linkedQueue(t *testing.T) {
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = 127.0.0.1:1")
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, me.Path(".esmtp_queue")); err != nil {
		t.Fatal(err)
	}
	queueRefused(me)
	if left, _ := os.ReadDir(elsewhere); len(left) > 0 {
		t.Errorf("the link was followed: %v", left)
	}
}

// anothersQueue: a directory of another user is not used.
func anothersQueue(t *testing.T) {
	if !asRoot() {
		t.Skip("only root can make it")
	}
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = 127.0.0.1:1")
	if err := errorOr(os.Mkdir(me.Path(".esmtp_queue"), 0o777), func() error { return os.Chown(me.Path(".esmtp_queue"), 12345, 12345) }); err != nil {
		t.Fatal(err)
	}
	queueRefused(me)
}

// openQueue: whatever the mode was, afterwards only the owner has access, and the mail goes out.
func openQueue(t *testing.T, mode fs.FileMode) {
	host := newHostileHost(t)
	me := stage.NewPerson(t, "identity = me@example.org", "hostname = "+host.addr)
	me.Run("text\n", "sendmail", "-i", "friend@example.net")
	for _, command := range []string{"mailq", "deliver"} {
		if err := os.Chmod(me.Path(".esmtp_queue"), mode); err != nil {
			t.Fatal(err)
		}
		me.Run("", command)
		if st, err := os.Stat(me.Path(".esmtp_queue")); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("after %s it has mode %v (%v)", command, st.Mode(), err)
		}
	}
	if len(host.mails()) != 1 {
		t.Error("the mail did not go out")
	}
}

// queueRefused checks that no command uses what is in place of the queue directory.
func queueRefused(p *stage.Person) {
	p.T.Helper()
	for _, args := range [][]string{{"sendmail", "-i", "friend@example.net"}, {"deliver"}, {"mailq"}} {
		r := p.Try("text\n", args[0], args[1:]...)
		if r.Code != 73 || !stage.OneLine(r.Stderr) {
			p.T.Errorf("%s: %+v, want 73", args[0], r)
		}
	}
}

// clockJumps: mail from the future or a distant past, as a wrong clock leaves it, is delivered
// like any other.
func clockJumps(t *testing.T, fig *hostileFigures) {
	now := time.Now()
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour, 10 * 365 * 24 * time.Hour, -50 * 365 * 24 * time.Hour} {
		for _, background := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, background %v", jump, background), func(t *testing.T) {
				fig.plants.Add(1)
				host := stage.NewSmartHost(t)
				me := stage.NewPerson(t, stage.Identity(host)...)
				me.Run("text\n", "sendmail", "-i", "friend@example.net")
				redate(me, now.Add(jump))
				me.Run("", "mailq", "-v")
				if background {
					// The background run of a second submission takes what is due, which is both.
					me.Run("more\n", "env", "ESMTPQ_DELAY=0s", "sendmail", "-i", "friend@example.net")
					host.Next(t)
					host.Next(t)
				}
				me.Deliver()
			})
		}
	}
}

// redate gives the one entry another arrival, as if it had come at that time.
func redate(p *stage.Person, arrival time.Time) {
	p.T.Helper()
	entries, err := filepath.Glob(p.Path(".esmtp_queue/[0-9A-F]*"))
	if err != nil || len(entries) != 1 {
		p.T.Fatal(entries, err)
	}
	text := stage.Read(p.T, entries[0]+"/envelope")
	first, rest, _ := strings.Cut(text, "\n")
	_, progress, _ := strings.Cut(rest, "\n")
	before, after, _ := strings.Cut(first, `"arrival":"`)
	_, after, _ = strings.Cut(after, `"`)
	first = before + `"arrival":"` + arrival.Format(time.RFC3339Nano) + `"` + after + "\n"
	p.Write(".esmtp_queue/"+filepath.Base(entries[0])+"/envelope", first+fmt.Sprintf("{\"sha256\":\"%x\"}\n", sha256.Sum256([]byte(first)))+progress)
	id := fmt.Sprintf("%014X00", uint64(arrival.UnixMicro())&(1<<56-1))
	if err := os.Rename(entries[0], p.Path(".esmtp_queue/"+id)); err != nil {
		p.T.Fatal(err)
	}
}
