// Package tunnel reaches a smart host that cannot be dialled directly.
//
// It knows two ways. The older one is a shell line of the user's own, run before
// the connection is made, which typically leaves a forwarded port behind:
//
//	preconnect = "ssh -f -L 25025:localhost:25 gateway 'sleep 5'"
//
// [Preconnect] runs it and [WaitDial] then dials the port. The newer one is a
// command whose standard input and output are the connection:
//
//	tunnel: ssh gateway
//
// [command.Parse] reads it and [Dial] runs it; there is no local port
// that others on the machine could use, and the command ends with the session.
//
// Whatever is run here gets a session of its own, without the terminal (so that it
// cannot stop to ask for a passphrase, nor be hit by an interrupt meant for us),
// no descriptor but the first three, and a file for its output, since a program
// that goes to the background would keep a pipe open.
package tunnel
