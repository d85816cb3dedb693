package smtpd

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sys/unix"

	"esmtpq/cmd/esmtpq/argv"
	"esmtpq/cmd/esmtpq/door"
	"esmtpq/cmd/esmtpq/exit"
	"esmtpq/cmd/esmtpq/submit"
	"esmtpq/cmd/esmtpq/whoami"
	"esmtpq/queue/spool"
)

const listenHelp = `  --auth-file FILE       let other users in, after a login with the NAME:PASSWORD in FILE
  -C FILE                use this configuration
  -odq                   only queue: start no delivery
`

// Limits of all connections together.
const (
	maxConns   = 64
	maxHeaders = 64 << 20                       // octets of headers that are being read
	maxRcpts   = 2 * int64(spool.MaxRecipients) // recipients of transactions that go on
	// squatting is for how long a connection may be idle when others want to come.
	squatting = 10 * time.Second
	// farewell is how long transactions may take to their end when the listener ends.
	farewell = 30 * time.Second
)

// A listener takes messages into the queue from clients on this machine.
type listener struct {
	home string
	inv  *argv.Invocation
	auth *credentials // nil for none
	note *remarks

	smtp, lmtp handOver

	headers, rcpts atomic.Int64 // in use, see maxHeaders and maxRcpts

	mu     sync.Mutex
	wires  map[*wire]bool
	ending bool
	empty  chan struct{} // closed when ending and without connections
}

// listen serves clients until a signal ends it.
func listen(c *door.Call) error {
	args, authFile, err := cutAuthFile(c.Args)
	if err != nil {
		return err
	}
	inv, err := argv.Parse(args)
	if err != nil {
		return err
	}
	inherited, err := inheritedSockets()
	if err != nil {
		return err
	}
	if inv.Config != "" {
		if inv.Config, err = filepath.Abs(inv.Config); err != nil {
			return exit.Fail(exit.OSErr, "%w", err)
		}
	}
	home, _, err := submit.Configuration(inv.Config)
	if err != nil {
		return err
	}
	lis := &listener{home: home, inv: inv, note: &remarks{w: c.Err, name: c.Name}, wires: map[*wire]bool{}, empty: make(chan struct{})}
	if authFile != "" {
		if lis.auth, err = readCredentials(authFile); err != nil {
			return err
		}
	}
	if len(inv.Operands) == 0 && len(inherited) == 0 {
		return exit.Fail(exit.Usage, "where? such as 127.0.0.1:2525, or the path of a socket")
	}
	sockets, closeAll, err := openSockets(inv.Operands, inherited)
	if err != nil {
		return err
	}
	defer closeAll()
	if err := lis.canTell(sockets); err != nil {
		return err
	}
	asked := make(chan os.Signal, 2)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGXFSZ)
	go reap()
	lis.smtp, lis.lmtp = lis.serveLibrary(false), lis.serveLibrary(true)
	for _, l := range sockets {
		go lis.accept(l)
	}
	<-asked
	lis.end(closeAll, asked)
	return nil
}

// canTell returns an error if a socket would let in users who cannot be told from others.
func (lis *listener) canTell(sockets []net.Listener) error {
	for _, l := range sockets {
		if _, ok := l.(*net.TCPListener); ok && !tellsUsers && lis.auth == nil {
			return &exit.Failure{
				Code: exit.Config, Err: fmt.Errorf("%s: this system does not say whose a client is", l.Addr()),
				Hint: "listen on the path of a socket, or use --auth-file",
			}
		}
	}
	return nil
}

// reap waits for the background processes that submissions start.
func reap() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 && err != unix.EINTR {
				break
			}
		}
	}
}

// A handOver is a net.Listener of connections that were accepted elsewhere.
type handOver chan net.Conn

func (h handOver) Accept() (net.Conn, error) { return <-h, nil }
func (h handOver) Close() error              { return nil }
func (h handOver) Addr() net.Addr            { return stdioAddr{} }

// serveLibrary starts the library, for SMTP or LMTP.
func (lis *listener) serveLibrary(lmtp bool) handOver {
	s := newServer(func(c *smtp.Conn) (smtp.Session, error) {
		conn := c.Conn().(wireConn)
		return &submissionSession{home: lis.home, inv: lis.inv, conn: conn.screen, lis: lis, lmtp: lmtp, stranger: conn.stranger}, nil
	})
	s.LMTP = lmtp
	s.AllowInsecureAuth = true // on this machine
	h := make(handOver)
	go s.Serve(h)
	return h
}

// newServer returns a server with the settings that all clients get.
func newServer(session smtp.BackendFunc) *smtp.Server {
	s := smtp.NewServer(session)
	s.Domain = whoami.Host()
	s.EnableSMTPUTF8, s.EnableDSN, s.EnableREQUIRETLS = true, true, true
	s.MaxLineLength = 1 << 20 // a longer one would end the session, and lose what came before it
	s.MaxRecipients, s.MaxMessageBytes = spool.MaxRecipients, 0
	s.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

// accept takes connections from a socket.
func (lis *listener) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			if w := lis.admit(conn); w != nil {
				go lis.serve(w)
			}
		case errors.Is(err, net.ErrClosed):
			return
		default: // too many open files, for one
			lis.note.say("cannot accept a connection: %v", err)
			time.Sleep(time.Second)
		}
	}
}

// admit makes a wire of a connection, nil if there are too many.
func (lis *listener) admit(conn net.Conn) *wire {
	w := &wire{Conn: conn, limit: stepLimit, since: time.Now()}
	w.gone = func() { lis.forget(w) }
	lis.mu.Lock()
	defer lis.mu.Unlock()
	if len(lis.wires) >= maxConns || lis.ending {
		go lis.makeRoom()
		w.gone = func() {}
		go func() {
			lis.note.say("a connection was refused: there are %d", maxConns)
			w.end("421 4.3.2 Too many connections: try again later")
			w.Close()
		}()
		return nil
	}
	lis.wires[w] = true
	return w
}

// makeRoom ends the connection that has been idle for longest, if that is long.
func (lis *listener) makeRoom() {
	lis.mu.Lock()
	var oldest *wire
	begin := time.Now().Add(-squatting)
	for w := range lis.wires {
		if since, ok := w.idleSince(); ok && since.Before(begin) {
			oldest, begin = w, since
		}
	}
	lis.mu.Unlock()
	if oldest != nil {
		oldest.end("421 4.3.2 Others are waiting: try again later")
	}
}

func (lis *listener) forget(w *wire) {
	lis.mu.Lock()
	defer lis.mu.Unlock()
	delete(lis.wires, w)
	if lis.ending && len(lis.wires) == 0 {
		close(lis.empty)
	}
}

// serve finds out who a client is and what it speaks, and hands it over to the library.
func (lis *listener) serve(w *wire) {
	stranger, err := lis.isStranger(w.Conn)
	if err != nil {
		lis.note.say("a connection was refused: %v", err)
		w.end("421 4.7.0 " + spool.Printable(err.Error()))
		w.Close()
		return
	}
	s := newScreen(w, w)
	s.wire, s.quiet = w, true
	fmt.Fprintf(w, "220 %s ESMTP and LMTP, esmtpq\r\n", whoami.Host())
	verb, err := s.first()
	switch {
	case err != nil:
		w.Close()
	case verb == "LHLO":
		lis.lmtp <- wireConn{s, w, stranger}
	default:
		lis.smtp <- wireConn{s, w, stranger}
	}
}

// isStranger reports whether a client is not known to be the user, or root, and so has to log in. It
// is an error if it cannot.
func (lis *listener) isStranger(conn net.Conn) (bool, error) {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		return true, errors.New("the client is on another machine")
	}
	uid, err := peerUID(conn)
	switch {
	case err == nil && (uid == os.Geteuid() || uid == 0):
		return false, nil
	case lis.auth != nil:
		return true, nil
	case err != nil:
		return true, fmt.Errorf("whose is this client? %w", err)
	}
	return true, fmt.Errorf("this is for user %d alone, and the client is user %d's", os.Geteuid(), uid)
}

// end ends the listener when the transactions that go on have ended, or at the next signal.
func (lis *listener) end(closeAll func(), asked <-chan os.Signal) {
	lis.mu.Lock()
	lis.ending = true
	all := make([]*wire, 0, len(lis.wires))
	for w := range lis.wires {
		all = append(all, w)
	}
	if len(all) == 0 {
		close(lis.empty)
	}
	lis.mu.Unlock()
	closeAll()
	for _, w := range all {
		w.bye()
	}
	select {
	case <-lis.empty:
	case <-asked:
	case <-time.After(farewell):
	}
}
