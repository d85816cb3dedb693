package hostile

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"esmtpq/tests/stage"
)

// proxySecrets searches everything that a session leaves which a proxy refuses, and which repeats what
// it was told.
func proxySecrets(t *testing.T, fig *hostileFigures) {
	told := base64.StdEncoding.EncodeToString([]byte("me:" + canary))
	for _, c := range []struct{ scheme, setting, answer string }{
		{"http", "proxy_password: " + canary, "HTTP/1.1 407 " + canary + " " + told + "\r\nX-Squid-Error: " + strings.Repeat("x", 92) + canary + "\r\n\r\n"},
		{"http", "proxy_password_command: cat ~/secret", "HTTP/1.1 403 " + told + "\r\n\r\n"},
		{"http", "proxy_password_command: cat ~/secret; cat ~/secret >&2; exit 1", ""},
		{"socks5", "proxy_password_command: cat ~/secret", canary},
	} {
		t.Run(c.scheme+"/"+c.setting, func(t *testing.T) {
			fig.dialogues.Add(1)
			var heard atomic.Int64
			addr := refusingProxy(t, c.answer, &heard)
			me := stage.NewPerson(t)
			me.Setenv("ESMTPQ_TIMEOUT=2s")
			const file = ".config/esmtpq/config.yaml"
			me.Write(file, fmt.Sprintf("identities:\n- name: me@example.org\n  host: smtp.example.org:25\n  tls: off\n  proxy: %s://me@%s\n  %s\n", c.scheme, addr, c.setting))
			me.Write("secret", canary+"\n")
			me.Run("text\n", "sendmail", "-i", "friend@example.net")
			for _, args := range [][]string{
				{"deliver", "-v", "-X", "transcript"}, {"mailq", "-v"}, {"mailq", "--json"}, {"esmtpq", "show", "all"}, {"esmtpq", "config"},
				{"esmtpq", "explain", "friend@example.net"}, {"esmtpq", "probe", "-v"}, {"esmtpq", "probe", "--json"}, {"esmtpq", "check"},
			} {
				r := me.Try("", args[0], args[1:]...)
				silentAbout(t, strings.Join(args, " "), r.Stdout+r.Stderr)
			}
			if c.answer != "" && heard.Load() == 0 {
				t.Error("nobody called the proxy")
			}
			searchHome(me, file, "secret")
		})
	}
}

// refusingProxy is a proxy that says one thing to everybody.
func refusingProxy(t *testing.T, answer string, heard *atomic.Int64) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			heard.Add(1)
			go func() {
				defer conn.Close()
				bufio.NewReader(conn).ReadByte()
				io.WriteString(conn, answer)
				conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, conn)
			}()
		}
	}()
	return l.Addr().String()
}
