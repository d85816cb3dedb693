package hostile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"esmtpq/tests/stage"
)

// secretProcesses examines every process of ours, and those that we start, while a session is
// open: ps does not show the password, and no core dump contains it.
func secretProcesses(t *testing.T, fig *hostileFigures) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("needs /proc")
	}
	for _, c := range secretConfigurations[:3] {
		for _, how := range []string{"deliver", "ulimit -c unlimited; exec deliver", "exec sendmail -v -i second@example.net", "ESMTPQ_DELAY=0s sendmail -i second@example.net"} {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				fig.dialogues.Add(1)
				host := newHostileHost(t, "AUTH PLAIN")
				me := stage.NewPerson(t)
				text := strings.Replace(c.text, "cat ~/secret", "cat ~/secret; sleep 600 </dev/null >/dev/null 2>&1 &", 1)
				me.Write(c.file, strings.Replace(text, "%s", host.addr, 1))
				me.Write("secret", canary+"\n")
				me.Run("text\n", "sendmail", "-i", "friend@example.net")
				host.attack("MAIL", "! hang", "")
				cmd := me.Command("sh", "-c", how)
				cmd.Stdin = strings.NewReader("text\n")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				defer cmd.Wait()
				stage.Await(t, "at MAIL", func() bool { return host.times() > 0 })
				looked := 0
				for _, dir := range processes(me) {
					looked++
					silentAbout(t, dir+"/cmdline", procFile(dir, "cmdline"))
					silentAbout(t, dir+"/environ", procFile(dir, "environ"))
					name := procFile(dir, "comm")
					if limit := coreLimit(procFile(dir, "limits")); limit != "0" && (strings.HasPrefix(name, "esmtpq") || strings.HasPrefix(name, "deliver") || strings.HasPrefix(name, "sendmail")) {
						t.Errorf("%s may leave a core of %q", name, limit)
					}
				}
				if looked == 0 {
					t.Error("no process was found")
				}
				// These end when the host does.
				for _, dir := range processes(me) {
					endProcess(me, dir)
				}
			})
		}
	}
}

// processes returns the directories in /proc of the processes whose HOME is the person's.
func processes(p *stage.Person) []string {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var ours []string
	for _, dir := range dirs {
		if strings.Contains(procFile(dir, "environ"), "HOME="+p.Home+"\x00") {
			ours = append(ours, dir)
		}
	}
	return ours
}

// endProcess ends one of the person's processes.
func endProcess(p *stage.Person, dir string) {
	p.T.Helper()
	var pid int
	for _, c := range filepath.Base(dir) {
		pid = pid*10 + int(c-'0')
	}
	if process, err := os.FindProcess(pid); err == nil {
		process.Kill()
	}
}

// procFile reads a file of a process, "" when it has gone.
func procFile(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

// coreLimit finds the soft limit of a core in /proc/PID/limits.
func coreLimit(limits string) string {
	_, rest, _ := strings.Cut(limits, "Max core file size")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return "0" // it has gone
	}
	return f[0]
}
