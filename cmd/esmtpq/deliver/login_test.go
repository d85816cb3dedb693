package deliver_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A login name that an address can only have in quotes, as in a Windows domain, gets its bounces.
func TestBounceToQuotedLogin(t *testing.T) {
	enter := []string{"--mount", "--propagation", "private"}
	if os.Geteuid() != 0 {
		enter = append(enter, "--user", "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(enter, "true")...).CombinedOutput(); err != nil {
		t.Skipf("no namespace to be had here: %v %s", err, out)
	}
	for _, login := range []string{`DOMAIN\ann`, "ann smith", "ann@corp.example"} {
		t.Run(login, func(t *testing.T) {
			h := newHost(t, false)
			h.refuses = true
			me := newPerson(t, h.addr, `mda = "cat >>box; printf '<%s>\n' %T >>users"`)
			passwd := fmt.Sprintf("%s:x:0:0:Ann,,,:%s:/bin/sh\n", login, me.home)
			if err := os.WriteFile(me.home+"/passwd", []byte(passwd), 0o644); err != nil {
				t.Fatal(err)
			}
			script := fmt.Sprintf("mount --bind '%s/passwd' /etc/passwd && sendmail friend@example.net && deliver; cat box users", me.home)
			cmd := exec.Command("unshare", append(enter, "sh", "-c", script)...)
			cmd.Env, cmd.Dir, cmd.Stdin = me.env, me.home, strings.NewReader(mail)
			out, err := cmd.CombinedOutput()
			quoted := `"` + strings.ReplaceAll(login, `\`, `\\`) + `"`
			if err != nil || !strings.Contains(string(out), "\nTo: "+quoted+"\n") || !strings.Contains(string(out), "\n<"+login+">\n") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
