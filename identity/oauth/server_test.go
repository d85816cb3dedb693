package oauth

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"esmtpq/helper"
	"esmtpq/identity"
	"esmtpq/tests/stage"
)

// An authServer is npm's oidc-provider: see tests/hosts/servers/npm/oidc.mjs.
type authServer struct {
	t      testing.TB
	issuer string
}

// startServer starts one, or skips the test where it is not installed.
func startServer(t testing.TB, settings ...string) *authServer {
	t.Helper()
	modules := filepath.Join(stage.Hosts(t), "npm", "node_modules")
	if !stage.Exists(filepath.Join(modules, "oidc-provider")) {
		stage.Missing(t, "oidc-provider is not installed: ./test.sh does it")
	}
	stage.Needs(t, "node")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := exec.Command("node", append([]string{"../../tests/hosts/servers/npm/oidc.mjs", modules, port}, settings...)...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &authServer{t, "http://localhost:" + port}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
		if said, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("the server says:\n%s", said)
		}
	})
	stage.Await(t, "an answer of the authorization server", func() bool {
		resp, err := http.Get(s.issuer + "/stats")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return s
}

// get asks the server something about itself.
func (s *authServer) get(path string) string {
	s.t.Helper()
	resp, err := http.Get(s.issuer + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}

// active reports whether the server takes a token for good.
func (s *authServer) active(token string) bool {
	s.t.Helper()
	resp, err := http.PostForm(s.issuer+"/token/introspection", map[string][]string{"token": {token}, "client_id": {"native"}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return strings.Contains(string(text), `"active":true`)
}

// source returns the tokens of an identity that uses the server.
func (s *authServer) source(change ...func(*identity.OAuth)) *Source {
	o := &identity.OAuth{Provider: s.issuer, ClientID: "native", Scope: "openid offline_access mail", RedirectURL: "http://127.0.0.1/back"}
	for _, f := range change {
		f(o)
	}
	return &Source{Home: s.t.TempDir(), Identity: &identity.Identity{Name: "work", Username: "user@example.net", OAuth: o, Run: helper.Output}}
}

// A talk is a login whose other side is the test.
type talk struct {
	lines *bufio.Reader // what is said
	in    io.WriteCloser
	done  chan error
}

// begin begins a login.
func begin(t testing.TB, src *Source, login func(*Dialogue, context.Context) error) *talk {
	t.Helper()
	read, write := io.Pipe()
	in, typed := io.Pipe()
	c := &talk{bufio.NewReader(read), typed, make(chan error, 1)}
	d := &Dialogue{Source: src, In: in, Say: func(format string, args ...any) { fmt.Fprintf(write, format, args...) }}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	go func() {
		defer cancel()
		c.done <- login(d, ctx)
		write.Close()
		in.Close()
	}()
	return c
}

var anAddress = regexp.MustCompile(`https?://\S+`)

// page returns the address that the person is to open.
func (c *talk) page(t testing.TB) string {
	t.Helper()
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no address is said: %v", <-c.done)
		}
		if a := anAddress.FindString(line); a != "" {
			return a
		}
	}
}

// end waits for the end of the login.
func (c *talk) end(t testing.TB) error {
	t.Helper()
	go io.Copy(io.Discard, c.lines)
	select {
	case err := <-c.done:
		return err
	case <-time.After(40 * time.Second):
		t.Fatal("the login does not end")
		return nil
	}
}

// logIn has a whole login in a browser.
func logIn(t testing.TB, src *Source) {
	t.Helper()
	c := begin(t, src, (*Dialogue).Login)
	newBrowser(t).visit(c.page(t), nil)
	if err := c.end(t); err != nil {
		t.Fatal(err)
	}
}

// later moves the clock of a source.
func later(src *Source, by time.Duration) {
	src.now = func() time.Time { return time.Now().Add(by) }
}

// token returns a token that there must be.
func token(t testing.TB, src *Source, refused string) string {
	t.Helper()
	got, err := src.Token(t.Context(), refused)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
