package setup

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"esmtpq/tests/stage"
)

const resolvConf = "nameserver 127.0.0.1\nsearch corp.test\noptions timeout:1 attempts:2\n"

// Who is where.
const (
	nameServer = "127.0.0.1:53"
	webServer  = "127.0.1.1:443"
	smartHost  = "127.0.1.2"
	silentHost = "127.0.1.9" // takes connections, and says nothing
)

// domains of people whose mail the smart host takes, and of those who are found in other ways.
var domains = strings.Fields("auto.test asked.test srv.test foreign.test guess.test hole.test hosted.test typo.test lone.test")

const records = `
no-resolv
no-hosts
bind-interfaces
listen-address=127.0.0.1
local=/test/
local=/com/
local=/example/
address=/autoconfig.auto.test/autoconfig.asked.test/autoconfig.clear.test/autoconfig.nonsense.test/autoconfig.google.test/autoconfig.hoster.test/autoconfig.hole.test/autoconfig.away.test/ua-auto-config.pacc.test/127.0.1.1
address=/smtp.auto.test/smtp.srv.test/smtp.guess.test/smtp.hosted.test/127.0.1.2
address=/silent.test/slow.hole.test/127.0.1.9
mx-host=auto.test,mx.auto.test,10
mx-host=google.test,aspmx.l.google.com,1
mx-host=work.test,work-test.mail.protection.outlook.com,0
mx-host=private.test,private-test.olc.protection.outlook.com,0
mx-host=hosted.test,mx.hoster.test,10
mx-host=proton.test,mail.protonmail.ch,10
mx-host=null.test,.,0
srv-host=_submissions._tcp.srv.test,smtp.srv.test,465,0,1
srv-host=_submission._tcp.srv.test,smtp.srv.test,587,0,1
srv-host=_submissions._tcp.foreign.test,smtp.auto.test,465,0,1
srv-host=_submissions._tcp.closed.test
srv-host=_submissions._tcp.lone.test.corp.test,smtp.auto.test,465,0,1
address=/autoconfig.lone.test.corp.test/smtp.lone.test.corp.test/127.0.1.1
address=/lone.test/127.0.1.8
server=/lost.test/127.0.1.7
`

// A world has what people who set up mail meet: a name server, web servers, a smart host.
type world struct {
	authority string // file with the certificate of the authority
	mails     string // directory into which the smart host delivers

	mu    sync.Mutex
	asked []string // addresses of the web that were asked for
}

var (
	once   sync.Once
	shared *world
)

// theWorld starts everything, once.
func theWorld(t *testing.T) *world {
	t.Helper()
	root := stage.Debian(t, "usr/sbin/dnsmasq")
	stage.Debian(t, "usr/bin/chasquid")
	once.Do(func() {
		dir, err := os.MkdirTemp("", "esmtpq-world-")
		if err != nil {
			t.Fatal(err)
		}
		w := &world{mails: filepath.Join(dir, "mails")}
		pair := w.certificates(t, dir)
		w.dns(t, root, dir)
		w.web(t, pair)
		w.silence(t)
		w.chasquid(t, root, dir, pair)
		shared = w
	})
	if shared == nil {
		t.Fatal("the servers could not be started")
	}
	return shared
}

// certificates makes an authority, and a certificate for all names.
func (w *world) certificates(t *testing.T, dir string) tls.Certificate {
	key, caKey, now := stage.NewKey(t), stage.NewKey(t), time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "throw-away authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, d := range append(domains, "clear.test", "nonsense.test", "google.test", "hoster.test", "away.test") {
		leaf.DNSNames = append(leaf.DNSNames, "autoconfig."+d, "smtp."+d, d)
	}
	leaf.DNSNames = append(leaf.DNSNames, "ua-auto-config.pacc.test")
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w.authority = stage.WritePEM(t, dir, "ca.pem", "CERTIFICATE", caDER)
	certs := filepath.Join(dir, "chasquid/certs/localhost")
	if err := os.MkdirAll(certs, 0o700); err != nil {
		t.Fatal(err)
	}
	stage.WritePEM(t, certs, "fullchain.pem", "CERTIFICATE", der)
	stage.WritePEM(t, certs, "privkey.pem", "PRIVATE KEY", private)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// started runs a server for as long as the tests run.
func started(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = endsWithUs()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(out)
}

func (w *world) dns(t *testing.T, root, dir string) {
	conf := filepath.Join(dir, "dnsmasq.conf")
	sum := sha256.Sum256([]byte(userAgentConfig))
	text := records + "txt-record=_ua-auto-config.pacc.test,\"v=UAAC1; a=sha256; d=" + base64.StdEncoding.EncodeToString(sum[:]) + "\"\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, "usr/sbin/dnsmasq"), "--no-daemon", "--log-facility=-", "--conf-file="+conf, "--pid-file=")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+stage.UnpackedLibraries(root))
	stage.AwaitLine(t, started(t, cmd), "started")
}

// userAgentConfig is that of pacc.test.
const userAgentConfig = `{"protocols":{"smtp":{"host":"smtp.auto.test"}}}`

// configurations that the web server has, by name of the host.
var configurations = map[string]string{
	"autoconfig.auto.test":     server("smtp.auto.test", "465", "SSL", "%EMAILADDRESS%"),
	"autoconfig.asked.test":    server("smtp.auto.test", "587", "STARTTLS", "%EMAILADDRESS%"),
	"autoconfig.clear.test":    server("smtp.clear.test", "587", "plain", "%EMAILADDRESS%"),
	"autoconfig.google.test":   server("mail.google.test", "465", "SSL", "%EMAILADDRESS%"),
	"autoconfig.hoster.test":   server("smtp.hosted.test", "465", "SSL", "%EMAILADDRESS%"),
	"autoconfig.hole.test":     server("slow.hole.test", "465", "SSL", "%EMAILADDRESS%") + server("smtp.auto.test", "587", "STARTTLS", "%EMAILADDRESS%"),
	"autoconfig.nonsense.test": "",
}

func server(host, port, socket, user string) string {
	return `<outgoingServer type="smtp"><hostname>` + host + `</hostname><port>` + port + `</port><socketType>` + socket +
		`</socketType><username>` + user + `</username><authentication>password-cleartext</authentication></outgoingServer>`
}

func (w *world) web(t *testing.T, pair tls.Certificate) {
	l, err := tls.Listen("tcp", webServer, &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	go (&http.Server{Handler: w, ErrorLog: log.New(io.Discard, "", 0)}).Serve(l)
}

// ServeHTTP is the web server of all domains.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.asked = append(w.asked, "https://"+r.Host+r.URL.String())
	w.mu.Unlock()
	config, is := configurations[r.Host]
	switch {
	case r.Host == "autoconfig.asked.test" && r.URL.Query().Get("emailaddress") == "":
		http.Error(rw, "emailaddress is missing", http.StatusBadRequest)
	case r.URL.Path == "/.well-known/user-agent-configuration.json":
		io.WriteString(rw, userAgentConfig)
	case r.Host == "autoconfig.away.test" && r.URL.RawQuery == "":
		http.NotFound(rw, r)
	case r.Host == "autoconfig.away.test":
		http.Redirect(rw, r, "https://autoconfig.auto.test/elsewhere?"+r.URL.RawQuery, http.StatusFound)
	case !is || !strings.HasSuffix(r.URL.Path, "/config-v1.1.xml"):
		http.NotFound(rw, r)
	case config == "":
		io.WriteString(rw, "<!DOCTYPE html><html><body>Welcome &nbsp; here</body></html>")
	default:
		io.WriteString(rw, `<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="x">`+config+`</emailProvider></clientConfig>`)
	}
}

// silence takes connections on the ports that are tried, and says nothing.
func (w *world) silence(t *testing.T) {
	for _, port := range []string{"443", "465", "587"} {
		l, err := net.Listen("tcp", net.JoinHostPort(silentHost, port))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go io.Copy(io.Discard, c)
			}
		}()
	}
}

// chasquid is the smart host: it takes nothing without TLS and a login.
func (w *world) chasquid(t *testing.T, root, dir string, _ tls.Certificate) {
	base := filepath.Join(dir, "chasquid")
	agent := filepath.Join(dir, "agent")
	for path, content := range map[string]string{
		agent: "#!/bin/sh\nmkdir -p " + w.mails + "\nexec cat >" + w.mails + "/$$\n",
		filepath.Join(base, "chasquid.conf"): fmt.Sprintf(`hostname: "localhost"
smtp_address: "%[1]s:25"
submission_address: "%[1]s:587"
submission_over_tls_address: "%[1]s:465"
mail_delivery_agent_bin: %[2]q
data_dir: %[3]q
mail_log_path: "<stderr>"
`, smartHost, agent, filepath.Join(base, "data")),
	} {
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range domains {
		if err := os.MkdirAll(filepath.Join(base, "domains", d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(filepath.Join(root, "usr/bin/chasquid-util"), "--configdir="+base, "user-add", "nina@"+domains[0], "--password="+stage.Password).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	users, err := os.ReadFile(filepath.Join(base, "domains", domains[0], "users"))
	for _, d := range domains[1:] {
		if err == nil {
			err = os.WriteFile(filepath.Join(base, "domains", d, "users"), users, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, "usr/bin/chasquid"), "-config_dir="+base, "-logtime=false")
	stage.AwaitLine(t, started(t, cmd), smartHost+":465")
	stage.Await(t, "the smart host listens", func() bool {
		c, err := net.Dial("tcp", smartHost+":465")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// newcomer returns a person with an empty home.
func (w *world) newcomer(t *testing.T) *stage.Person {
	t.Helper()
	p := stage.NewPerson(t)
	p.Setenv("SSL_CERT_FILE=" + w.authority)
	return p
}

// arrived waits for a mail with a text.
func (w *world) arrived(t *testing.T, text string) {
	t.Helper()
	stage.Await(t, "a mail with "+text, func() bool {
		files, _ := filepath.Glob(w.mails + "/*")
		for _, f := range files {
			if b, _ := os.ReadFile(f); strings.Contains(string(b), text) {
				return true
			}
		}
		return false
	})
}

// resolv replaces /etc/resolv.conf until the test ends.
func resolv(t *testing.T, content string) {
	t.Helper()
	write := func(s string) {
		f, err := os.OpenFile(os.Getenv(resolvVariable), os.O_WRONLY|os.O_TRUNC, 0)
		if err == nil {
			_, err = f.WriteString(s)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(content)
	t.Cleanup(func() { write(resolvConf) })
}
